"""Steering a camera (ONVIF PTZ, ver20): continuous moves that end by themselves, absolute ones, presets.

Positions lie in the generic spaces every PTZ device has: pan and tilt from -1 to 1, zoom from 0 to 1. Velocities are
shares of the device's greatest, from -1 to 1. Nothing here knows of rules; whoever steers says where the camera looks.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from camera_registry import reasons
from camera_registry.errors import CameraRefused
from camera_registry.onvif_session import OnvifSession, Unsupported
from camera_registry.soap_call import SPACES, element, find, text_at
from camera_registry.ws_discovery import printable

LONGEST_MOVE = 10.0
"""Seconds: a head left turning shows nothing that anybody chose."""
_MOST_PRESETS = 300
_HEADLESS = frozenset({"NoPTZProfile", "NoProfile"})
"""Codes of a profile that no head belongs to: on many devices only one of them has a PTZ configuration."""


@dataclass(frozen=True, slots=True)
class Vector:
    """A position or a velocity. None: that axis is left as it is."""

    pan: float | None = None
    tilt: float | None = None
    zoom: float | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """A stored view (预置位). ``token`` is the device's; ``name`` may be empty."""

    token: str
    name: str


@dataclass(frozen=True, slots=True)
class PtzState:
    """``position`` has None for what the device does not tell; so has ``moving``."""

    position: Vector
    moving: bool | None
    presets: tuple[Preset, ...]


class Ptz:
    """The PTZ service through the first of ``profiles`` that has a head. Every method raises ``CameraRefused``,
    ``ptz_refused`` for a fault."""

    def __init__(self, session: OnvifSession, *profiles: str) -> None:
        self._session = session
        self._profiles = list(profiles)

    async def move(self, velocity: Vector, seconds: float) -> None:
        """Turn for ``seconds``. The device is told so too, but not every one keeps to it: ``stop`` it then."""
        lasting = f"PT{min(seconds, LONGEST_MOVE):.3f}S"
        await self._ask("ContinuousMove", _vector("tptz:Velocity", velocity), element("tptz:Timeout", text=lasting))

    async def go(self, position: Vector) -> None:
        """To a position; a pan without its tilt, or the reverse, is completed with where the head is."""
        if (position.pan is None) != (position.tilt is None):
            here = (await self._status())[0]
            position = Vector(
                here.pan if position.pan is None else position.pan,
                here.tilt if position.tilt is None else position.tilt,
                position.zoom,
            )
        await self._ask("AbsoluteMove", _vector("tptz:Position", position))

    async def stop(self) -> None:
        await self._ask("Stop", element("tptz:PanTilt", text="true"), element("tptz:Zoom", text="true"))

    async def state(self) -> PtzState:
        """Where it looks and which presets it has. A device without GetStatus tells its presets alone."""
        try:
            position, moving = await self._status()
        except CameraRefused as refused:
            if refused.cause is not reasons.PTZ_REFUSED:
                raise
            position, moving = Vector(), None
        return PtzState(position, moving, await self.presets())

    async def moving(self) -> bool | None:
        """None where the device does not tell."""
        try:
            return (await self._status())[1]
        except CameraRefused as refused:
            if refused.cause is not reasons.PTZ_REFUSED:
                raise
            return None

    async def presets(self) -> tuple[Preset, ...]:
        answer = await self._ask("GetPresets")
        listed = answer.findall("tptz:Preset", SPACES)[:_MOST_PRESETS]
        return tuple(
            Preset(str(one.get("token", ""))[:64], printable(text_at(one, "tt:Name")))
            for one in listed
            if one.get("token")
        )

    async def go_to_preset(self, token: str) -> None:
        await self._ask("GotoPreset", element("tptz:PresetToken", text=token))

    async def set_preset(self, name: str, token: str | None = None) -> str:
        """Store the view of now under a name; answers the preset's token. ``token``: over that one."""
        over = None if token is None else element("tptz:PresetToken", text=token)
        answer = await self._ask("SetPreset", element("tptz:PresetName", text=name), over)
        made = text_at(answer, "tptz:PresetToken") or token
        if not made:
            raise CameraRefused(reasons.ANSWER_INVALID)
        return made[:64]

    async def remove_preset(self, token: str) -> None:
        await self._ask("RemovePreset", element("tptz:PresetToken", text=token))

    async def home(self) -> None:
        await self._ask("GotoHomePosition")

    async def _status(self) -> tuple[Vector, bool | None]:
        status = find(await self._ask("GetStatus"), "tptz:PTZStatus")
        pan_tilt, zoom = find(status, "tt:Position/tt:PanTilt"), find(status, "tt:Position/tt:Zoom")
        position = Vector(_number(pan_tilt, "x"), _number(pan_tilt, "y"), _number(zoom, "x"))
        states = {text_at(status, f"tt:MoveStatus/tt:{axis}").upper() for axis in ("PanTilt", "Zoom")} - {""}
        return position, ("MOVING" in states) if states else None

    async def _ask(self, operation: str, *parts: Any) -> Any:
        token = element("tptz:ProfileToken", text=self._profiles[0])
        body = element(f"tptz:{operation}", token, *(deepcopy(part) for part in parts))
        try:
            return await self._session.ask("tptz", body)
        except Unsupported as error:
            if len(self._profiles) > 1 and not _HEADLESS.isdisjoint(error.codes):
                self._profiles.pop(0)
                return await self._ask(operation, *parts)
            if "NoToken" in error.codes or "NoEntity" in error.codes:
                raise CameraRefused(reasons.PRESET_UNKNOWN, field="preset") from error
            raise CameraRefused(reasons.PTZ_REFUSED, detail=str(error)) from error


def _vector(name: str, vector: Vector) -> Any:
    pan_tilt = None
    if vector.pan is not None or vector.tilt is not None:
        pan_tilt = element("tt:PanTilt", x=f"{vector.pan or 0.0:.5f}", y=f"{vector.tilt or 0.0:.5f}")
    zoom = None if vector.zoom is None else element("tt:Zoom", x=f"{vector.zoom:.5f}")
    return element(name, pan_tilt, zoom)


def _number(found: Any, name: str) -> float | None:
    try:
        value = None if found is None else float(found.get(name, ""))
    except ValueError:
        return None
    return value if value is not None and -1.0 <= value <= 1.0 else None
