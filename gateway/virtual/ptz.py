"""The PTZ service of a virtual camera (ONVIF PTZ 20.12): a head that turns in time, its presets and its state.

Positions are in the generic spaces: pan and tilt from -1 to 1, zoom from 0 to 1; velocities are shares of it a second.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from gateway.virtual.pull_point import duration
from gateway.virtual.soap import NAMESPACES, Fault, Request

LONGEST_MOVE = timedelta(seconds=10)
"""A continuous move without a Timeout ends by itself after so long."""
MOST_PRESETS = 64
SPEED = 1.0
"""Of absolute moves: from end to end in two seconds."""
_SPACES = "http://www.onvif.org/ver10/tptz/"


@dataclass(frozen=True, slots=True)
class Position:
    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0

    def moved(self, velocity: Position, seconds: float) -> Position:
        return Position(
            min(1.0, max(-1.0, self.pan + velocity.pan * seconds)),
            min(1.0, max(-1.0, self.tilt + velocity.tilt * seconds)),
            min(1.0, max(0.0, self.zoom + velocity.zoom * seconds)),
        )

    def towards(self, goal: Position, seconds: float) -> Position:
        reach = SPEED * seconds

        def one(here: float, there: float) -> float:
            return here + min(reach, max(-reach, there - here))

        return Position(one(self.pan, goal.pan), one(self.tilt, goal.tilt), one(self.zoom, goal.zoom))


@dataclass(frozen=True, slots=True)
class Move:
    """From ``start`` at ``since``: with a velocity until ``until``, or towards a goal."""

    start: Position
    since: datetime
    velocity: Position | None = None
    until: datetime | None = None
    goal: Position | None = None

    def at(self, now: datetime) -> Position:
        if self.velocity is not None:
            end = now if self.until is None else min(now, self.until)
            return self.start.moved(self.velocity, max(0.0, (end - self.since).total_seconds()))
        if self.goal is not None:
            return self.start.towards(self.goal, max(0.0, (now - self.since).total_seconds()))
        return self.start

    def moving(self, now: datetime) -> bool:
        if self.velocity is not None:
            return self.velocity != Position() and (self.until is None or now < self.until)
        return self.goal is not None and self.at(now) != self.goal


class PtzHead:
    """Answers the service's questions. All calls belong to one thread."""

    def __init__(self) -> None:
        self._move = Move(Position(), datetime.min.replace(tzinfo=UTC))
        self._presets: dict[str, tuple[str, Position]] = {}
        self._home = Position()
        self._numbers = itertools.count(1)
        self._answers: dict[str, Callable[[Request, datetime], str]] = {
            "GetServiceCapabilities": _capabilities,
            "GetNodes": lambda _request, _now: f"<tptz:GetNodesResponse>{_node('PTZNode')}</tptz:GetNodesResponse>",
            "GetNode": lambda _request, _now: f"<tptz:GetNodeResponse>{_node('PTZNode')}</tptz:GetNodeResponse>",
            "GetConfigurations": _configurations,
            "GetStatus": self._status,
            "GetPresets": self._get_presets,
            "SetPreset": self._set_preset,
            "RemovePreset": self._remove_preset,
            "GotoPreset": self._goto_preset,
            "GotoHomePosition": self._goto_home,
            "SetHomePosition": self._set_home,
            "ContinuousMove": self._continuous,
            "AbsoluteMove": self._absolute,
            "RelativeMove": self._relative,
            "Stop": self._stop,
        }

    def position(self, now: datetime) -> Position:
        return self._move.at(now)

    def moving(self, now: datetime) -> bool:
        return self._move.moving(now)

    def answer(self, request: Request, now: datetime) -> str | None:
        """None for what the service does not know. Raises ``Fault``."""
        answer = self._answers.get(request.operation.removeprefix("tptz:"))
        return None if answer is None or not request.operation.startswith("tptz:") else answer(request, now)

    def _status(self, _request: Request, now: datetime) -> str:
        state = "MOVING" if self.moving(now) else "IDLE"
        return (
            f"<tptz:GetStatusResponse><tptz:PTZStatus><tt:Position>{_vector(self.position(now))}</tt:Position>"
            f"<tt:MoveStatus><tt:PanTilt>{state}</tt:PanTilt><tt:Zoom>{state}</tt:Zoom></tt:MoveStatus>"
            f"<tt:UtcTime>{now:%Y-%m-%dT%H:%M:%SZ}</tt:UtcTime></tptz:PTZStatus></tptz:GetStatusResponse>"
        )

    def _get_presets(self, _request: Request, _now: datetime) -> str:
        listed = "".join(
            f'<tptz:Preset token="{token}"><tt:Name>{escape(name)}</tt:Name>'
            f"<tt:PTZPosition>{_vector(position)}</tt:PTZPosition></tptz:Preset>"
            for token, (name, position) in self._presets.items()
        )
        return f"<tptz:GetPresetsResponse>{listed}</tptz:GetPresetsResponse>"

    def _set_preset(self, request: Request, now: datetime) -> str:
        token = request.text("tptz:PresetToken") or f"preset-{next(self._numbers)}"
        if len(self._presets) >= MOST_PRESETS and token not in self._presets:
            raise Fault("ter:TooManyPresets", "Maximum number of presets reached", code="s:Receiver", status=500)
        self._presets[token] = (request.text("tptz:PresetName") or token)[:64], self.position(now)
        return f"<tptz:SetPresetResponse><tptz:PresetToken>{escape(token)}</tptz:PresetToken></tptz:SetPresetResponse>"

    def _remove_preset(self, request: Request, _now: datetime) -> str:
        del self._presets[self._preset(request)]
        return "<tptz:RemovePresetResponse/>"

    def _goto_preset(self, request: Request, now: datetime) -> str:
        self._go(self._presets[self._preset(request)][1], now)
        return "<tptz:GotoPresetResponse/>"

    def _goto_home(self, _request: Request, now: datetime) -> str:
        self._go(self._home, now)
        return "<tptz:GotoHomePositionResponse/>"

    def _set_home(self, _request: Request, now: datetime) -> str:
        self._home = self.position(now)
        return "<tptz:SetHomePositionResponse/>"

    def _continuous(self, request: Request, now: datetime) -> str:
        velocity = _told(request.body.find("tptz:Velocity", NAMESPACES), Position())
        told = request.text("tptz:Timeout")
        lasting = min(LONGEST_MOVE, duration(told)) if told else LONGEST_MOVE
        self._move = Move(self.position(now), now, velocity=velocity, until=now + lasting)
        return "<tptz:ContinuousMoveResponse/>"

    def _absolute(self, request: Request, now: datetime) -> str:
        self._go(_told(request.body.find("tptz:Position", NAMESPACES), self.position(now)), now)
        return "<tptz:AbsoluteMoveResponse/>"

    def _relative(self, request: Request, now: datetime) -> str:
        by = _told(request.body.find("tptz:Translation", NAMESPACES), Position())
        self._go(self.position(now).moved(by, 1.0), now)
        return "<tptz:RelativeMoveResponse/>"

    def _stop(self, _request: Request, now: datetime) -> str:
        self._move = Move(self.position(now), now)
        return "<tptz:StopResponse/>"

    def _go(self, goal: Position, now: datetime) -> None:
        self._move = Move(self.position(now), now, goal=goal)

    def _preset(self, request: Request) -> str:
        token = request.text("tptz:PresetToken")
        if token not in self._presets:
            raise Fault("ter:NoToken", "The requested preset token does not exist")
        return token


def _told(vector: Element | None, otherwise: Position) -> Position:
    """A PTZVector or PTZSpeed; what it leaves out is ``otherwise``'s."""
    if vector is None:
        raise Fault("ter:InvalidArgVal", "no vector")
    try:
        found = otherwise
        if (pan_tilt := vector.find("tt:PanTilt", NAMESPACES)) is not None:
            found = replace(found, pan=_share(pan_tilt, "x"), tilt=_share(pan_tilt, "y"))
        if (zoom := vector.find("tt:Zoom", NAMESPACES)) is not None:
            found = replace(found, zoom=_share(zoom, "x"))
    except ValueError as error:
        raise Fault("ter:InvalidPosition", "not a position") from error
    return found


def _share(element: Element, name: str) -> float:
    number = float(element.get(name, ""))
    if not -1.0 <= number <= 1.0:
        raise ValueError(name)
    return number


def _vector(position: Position) -> str:
    return f'<tt:PanTilt x="{position.pan:.4f}" y="{position.tilt:.4f}"/><tt:Zoom x="{position.zoom:.4f}"/>'


def _capabilities(_request: Request, _now: datetime) -> str:
    return (
        '<tptz:GetServiceCapabilitiesResponse><tptz:Capabilities MoveStatus="true" StatusPosition="true"/>'
        "</tptz:GetServiceCapabilitiesResponse>"
    )


def _configurations(_request: Request, _now: datetime) -> str:
    return (
        '<tptz:GetConfigurationsResponse><tptz:PTZConfiguration token="ptz"><tt:Name>ptz</tt:Name><tt:UseCount>2'
        "</tt:UseCount><tt:NodeToken>ptz-node</tt:NodeToken><tt:DefaultPTZTimeout>PT5S</tt:DefaultPTZTimeout>"
        "</tptz:PTZConfiguration></tptz:GetConfigurationsResponse>"
    )


def _node(element: str) -> str:
    ranges = (
        ("AbsolutePanTiltPositionSpace", "PanTiltSpaces/PositionGenericSpace", True, -1),
        ("AbsoluteZoomPositionSpace", "ZoomSpaces/PositionGenericSpace", False, 0),
        ("RelativePanTiltTranslationSpace", "PanTiltSpaces/TranslationGenericSpace", True, -1),
        ("RelativeZoomTranslationSpace", "ZoomSpaces/TranslationGenericSpace", False, -1),
        ("ContinuousPanTiltVelocitySpace", "PanTiltSpaces/VelocityGenericSpace", True, -1),
        ("ContinuousZoomVelocitySpace", "ZoomSpaces/VelocityGenericSpace", False, -1),
    )
    spaces = "".join(
        f"<tt:{name}><tt:URI>{_SPACES}{uri}</tt:URI><tt:XRange><tt:Min>{low}</tt:Min><tt:Max>1</tt:Max></tt:XRange>"
        + ("<tt:YRange><tt:Min>-1</tt:Min><tt:Max>1</tt:Max></tt:YRange>" if two else "")
        + f"</tt:{name}>"
        for name, uri, two, low in ranges
    )
    return (
        f'<tptz:{element} token="ptz-node" FixedHomePosition="false"><tt:Name>head</tt:Name>'
        f"<tt:SupportedPTZSpaces>{spaces}</tt:SupportedPTZSpaces>"
        f"<tt:MaximumNumberOfPresets>{MOST_PRESETS}</tt:MaximumNumberOfPresets><tt:HomeSupported>true</tt:HomeSupported>"
        f"</tptz:{element}>"
    )
