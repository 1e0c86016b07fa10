"""``/api/v1/cameras/{code}/ptz``, ``/imaging``, ``/clock``: steering a camera, its picture settings, its clock.

A continuous move ends by itself, whatever becomes of whoever began it. Each command is in the audit chain.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from camera_registry import reasons
from camera_registry.device_clock import read_device_clock, set_clock
from camera_registry.errors import CameraRefused
from camera_registry.imaging import MODES, Imaging, Mode
from camera_registry.login import Login
from camera_registry.onvif_session import OnvifSession
from camera_registry.ptz import LONGEST_MOVE, Ptz, Vector
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_lookup import found_camera
from gateway.api.camera_network import CameraNetwork, refusal_of
from gateway.api.camera_reach import network_of
from gateway.api.camera_shown import CameraShown, shown_camera
from gateway.api.fields import one_line
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.events.suppressions import forget_preset, forget_unstored
from gateway.live import Notice
from gateway.processes.messages import LearnScene
from gateway.refusals import Refusal
from gateway.storage import camera_health
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.tables.cameras import CameraRow

router = APIRouter(tags=["cameras"])

Network = Annotated[CameraNetwork, Depends(network_of)]
Steerer = Annotated[Caller, Depends(permit("cameras.steer"))]
Writer = Annotated[Caller, Depends(permit("cameras.write"))]
Share = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=64), one_line]
PresetName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), one_line]
Action = Literal["continuous", "absolute", "stop", "goto_preset", "set_preset", "remove_preset", "home"]

STEERER = 1
"""Rank of whoever may steer cameras by role; whom a room's chair lets has a lower one."""
MOST_HEADS = 4
"""Profiles tried until one has a head."""
AWAY = ""
"""``CameraRow.preset`` of a camera that was turned to a view nobody stored."""


class PtzAsked(BaseModel):
    """``continuous``: velocities from -1 to 1 for ``seconds``; ``absolute``: pan and tilt from -1 to 1, zoom 0 to 1."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    pan: Share | None = None
    tilt: Share | None = None
    zoom: Share | None = None
    seconds: float = Field(default=1.0, gt=0, le=LONGEST_MOVE, description="After which a continuous move is stopped.")
    preset: Token | None = Field(default=None, description="The device's token, as GET tells it.")
    name: PresetName | None = Field(default=None, description="Of a preset that is set.")

    @model_validator(mode="after")
    def _complete(self) -> PtzAsked:
        moves = self.pan is not None or self.tilt is not None or self.zoom is not None
        if self.action in ("continuous", "absolute") and not moves:
            raise ValueError("须给出 pan、tilt 或 zoom pan, tilt or zoom is needed")
        if self.action == "absolute" and self.zoom is not None and self.zoom < 0:
            raise ValueError("zoom 应为 0 至 1 zoom lies between 0 and 1")
        if self.action in ("goto_preset", "remove_preset") and self.preset is None:
            raise ValueError("须给出 preset preset is needed")
        if self.action == "set_preset" and self.name is None:
            raise ValueError("须给出 name name is needed")
        return self

    @property
    def vector(self) -> Vector:
        return Vector(self.pan, self.tilt, self.zoom)


class PtzDone(BaseModel):
    """``preset``: the token set; ``at``: the preset the head is at or on its way to, empty elsewhere."""

    preset: str | None = None
    at: str | None


class PresetShown(BaseModel):
    token: str
    name: str


class PtzShown(BaseModel):
    """``at``: the preset it was last sent to; empty where it was turned elsewhere, null where it never was steered."""

    pan: float | None
    tilt: float | None
    zoom: float | None
    moving: bool | None
    presets: list[PresetShown]
    at: str | None


@router.get("/cameras/{code}/ptz")
async def get_ptz(code: str, caller: Steerer, doors: Doors, network: Network) -> PtzShown:
    """Where the camera looks, and its presets."""
    return await shown_head(await Head.of(doors, network, caller, code, "ptz"))


async def shown_head(head: Head) -> PtzShown:
    async with head.ptz() as ptz:
        state = await ptz.state()
    return PtzShown(
        pan=state.position.pan,
        tilt=state.position.tilt,
        zoom=state.position.zoom,
        moving=state.moving,
        presets=[PresetShown(token=one.token, name=one.name) for one in state.presets],
        at=head.row.preset,
    )


@router.post("/cameras/{code}/ptz")
async def steer(code: str, asked: PtzAsked, caller: Steerer, doors: Doors, network: Network) -> PtzDone:
    """Turn the camera. A continuous move stops after ``seconds``, sooner with ``stop``. Refuses ``head_held`` while
    somebody else turns it."""
    head = await Head.of(doors, network, caller, code, "ptz")
    done, _ = await turned(doors, network, head, asked, caller, rank=STEERER)
    return done


async def turned(
    doors: Services, network: CameraNetwork, head: Head, asked: PtzAsked, caller: Caller, *, rank: int, where: str = ""
) -> tuple[PtzDone, bool]:
    """Carry out a command of somebody who may; answers also whether the head has gone over to this caller with it.
    ``rank``: see ``head_leases``; ``where`` it was ordered, for the audit chain."""
    code = head.row.code
    fresh = network.leases.take(code, caller.username, caller.display_name, rank, doors.clock().timestamp())
    said = " ".join(str(part) for part in (asked.action, asked.preset, asked.name, where) if part)
    async with doors.db.transaction() as session:
        act = audit.Act(caller.username, "camera.steer", f"camera:{code}", head.row.platform, why=said)
        await audit.append(session, act, doors.clock())
    if asked.action not in ("stop", "set_preset", "remove_preset"):
        await _looks_at(doors, code, AWAY)  # before it turns: zones mean nothing from now on
    made: str | None = None
    async with head.ptz() as ptz:
        match asked.action:
            case "continuous":
                # Before it is told: where its answer is lost, or whoever asked is gone by then, it turns all the same.
                network.heads.stop_later(code, asked.seconds, head.ptz)
                await ptz.move(asked.vector, asked.seconds)
            case "absolute":
                await ptz.go(asked.vector)
            case "stop":
                await ptz.stop()
            case "home":
                await ptz.home()
            case "goto_preset":
                await ptz.go_to_preset(asked.preset or "")
            case "set_preset":
                made = await ptz.set_preset(asked.name or "", asked.preset)
            case "remove_preset":
                await ptz.remove_preset(asked.preset or "")
    return PtzDone(preset=made, at=await _after(doors, network, head, asked, made)), fresh


async def _after(doors: Services, network: CameraNetwork, head: Head, asked: PtzAsked, made: str | None) -> str | None:
    """What follows a command; answers where the head is, or is going to."""
    code = head.row.code
    match asked.action:
        case "continuous":
            network.heads.stop_later(code, asked.seconds, head.ptz)
            return AWAY
        case "goto_preset":
            token = asked.preset or ""
            network.heads.note_arrival(code, head.ptz, _noting(doors, code, token))
            return token
        case "set_preset":
            await _looks_at(doors, code, made)
            await _forget_scene(doors, code, made or "")
            return made
        case "remove_preset":
            await _forget_scene(doors, code, asked.preset or "")
            if head.row.preset == asked.preset:
                await _looks_at(doors, code, AWAY)
                return AWAY
            return head.row.preset
        case "stop":
            network.heads.forget(code)
            return head.row.preset
        case _:
            network.heads.forget(code)
            return AWAY


def _noting(doors: Services, code: str, token: str) -> Callable[[], Awaitable[None]]:
    async def arrived() -> None:
        await _looks_at(doors, code, token)

    return arrived


async def _looks_at(doors: Services, code: str, preset: str | None) -> None:
    """Keep where the head is; where that is new, the worker is given the rules of that view."""
    async with doors.db.transaction() as session:
        row = await DatabaseCameraStore(session, doors.vault).row(code, held=True)
        if row is None or (row.preset == preset != AWAY):
            return
        row.preset = preset
        # What was drawn for a view that nobody stored ends with it.
        row.preset_rules = {name: rules for name, rules in row.preset_rules.items() if name != AWAY}
        await forget_unstored(session, code, doors.clock())
        await session.flush()
        shown = shown_camera(row)
    await doors.cameras_changed(code)
    _tell(doors, shown)


async def _forget_scene(doors: Services, code: str, preset: str) -> None:
    """The view of this preset is gone, or another one by now: what it looked like before says nothing of it, nor does
    what was rejected in it."""
    async with doors.db.transaction() as session:
        await camera_health.forget_scenes(session, code, preset)
        lapsed = await forget_preset(session, code, preset, doors.clock())
    doors.tell_camera(code, LearnScene(code, preset))
    if lapsed:
        await doors.cameras_changed(code)


def _tell(doors: Services, shown: CameraShown) -> None:
    """Whoever looks at the record has an old revision of it."""
    doors.live.publish(Notice("camera.health", shown.platform, shown.model_dump(mode="json")))


class Head:
    """A camera of the caller's scope and how it is reached for control."""

    def __init__(self, network: CameraNetwork, row: CameraRow, login: Login | None) -> None:
        self._network = network
        self._login = login
        self.row = row

    @classmethod
    async def of(
        cls, doors: Services, network: CameraNetwork, caller: Caller | None, code: str, offer: str | None
    ) -> Head:
        """Without a ``caller`` the scope has been judged elsewhere. Refuses a camera without ONVIF, or one that does
        not offer what is asked for."""
        async with doors.db.reading() as session:
            row = await found_camera(session, caller, code)
            login = await DatabaseCameraStore(session, doors.vault).login(row)
        if row.onvif_address is None or row.encoding == "" or (offer is not None and offer not in row.offers):
            raise Refusal(
                "conflict",
                f"{offer or 'onvif'}_not_offered",
                "该摄像机未提供此功能，或尚未接入。",
                "The camera does not offer this, or is not connected yet.",
            )
        return cls(network, row, login)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[OnvifSession]:
        """Refusals of the registry come out as ``Refusal``."""
        try:
            async with self._open() as session:
                yield session
        except CameraRefused as refused:
            raise refusal_of(refused) from refused

    @asynccontextmanager
    async def ptz(self) -> AsyncIterator[Ptz]:
        ranks = {"main": 0, "sub": 1}
        profiles = sorted(self.row.profiles, key=lambda one: ranks.get(str(one["role"]), 2))
        if not profiles:
            raise refusal_of(CameraRefused(reasons.NO_PROFILE))
        async with self.session() as session:
            yield Ptz(session, *(str(one["token"]) for one in profiles[:MOST_HEADS]))

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[OnvifSession]:
        address = self.row.onvif_address or ""
        async with self._network.control.session(address, self._login, clear_login=self.row.clear_login) as session:
            yield session


class LevelShown(BaseModel):
    value: float | None
    least: float
    most: float


class ModeShown(BaseModel):
    value: str
    offered: list[str]


class ImagingShown(BaseModel):
    """Levels in the device's own units, modes among those it names; what it does not offer is left out."""

    levels: dict[str, LevelShown]
    modes: dict[str, ModeShown]
    ir_cut: str
    ir_cut_modes: list[str]


class ImagingAsked(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    brightness: float | None = Field(default=None, allow_inf_nan=False)
    saturation: float | None = Field(default=None, allow_inf_nan=False)
    contrast: float | None = Field(default=None, allow_inf_nan=False)
    sharpness: float | None = Field(default=None, allow_inf_nan=False)
    wide_dynamic_range_level: float | None = Field(default=None, allow_inf_nan=False)
    backlight_compensation_level: float | None = Field(default=None, allow_inf_nan=False)
    ir_cut: Literal["ON", "OFF", "AUTO"] | None = None
    wide_dynamic_range: Literal["ON", "OFF"] | None = None
    backlight_compensation: Literal["ON", "OFF"] | None = None


@router.get("/cameras/{code}/imaging")
async def get_imaging(code: str, caller: Writer, doors: Doors, network: Network) -> ImagingShown:
    head = await Head.of(doors, network, caller, code, "imaging")
    async with head.session() as session:
        return await _imaging(session)


@router.patch("/cameras/{code}/imaging")
async def change_imaging(
    code: str, asked: ImagingAsked, caller: Writer, doors: Doors, network: Network
) -> ImagingShown:
    """Set the camera's picture, for good. Answers how it is then."""
    head = await Head.of(doors, network, caller, code, "imaging")
    given = asked.model_dump(exclude_none=True)
    async with doors.db.transaction() as session:
        why = ", ".join(f"{name} {value}" for name, value in given.items())
        act = audit.Act(caller.username, "camera.imaging", f"camera:{code}", head.row.platform, why=why)
        await audit.append(session, act, doors.clock())
    modes = {name: given.pop(name) for name in MODES if name in given}
    async with head.session() as onvif:
        if given or modes:
            await Imaging(onvif).change(given, modes)
        return await _imaging(onvif)


async def _imaging(session: OnvifSession) -> ImagingShown:
    state = await Imaging(session).state()
    levels = {
        name: LevelShown(value=level.value, least=level.least, most=level.most) for name, level in state.levels.items()
    }
    modes = {name: ModeShown(value=mode.value, offered=list(mode.offered)) for name, mode in state.modes.items()}
    ir_cut = state.modes.get("ir_cut", Mode("", ()))
    return ImagingShown(levels=levels, modes=modes, ir_cut=ir_cut.value, ir_cut_modes=list(ir_cut.offered))


class ClockAsked(BaseModel):
    """The operator's word that the camera's clock may be set."""

    model_config = ConfigDict(extra="forbid")

    allow: Literal[True]


class DeviceClockShown(BaseModel):
    offset: float | None = Field(description="Its clock less ours, seconds; null where it does not tell it.")
    device_time: datetime | None
    mode: str = Field(description="manual, ntp, or empty where it is not told.")
    zone: str = Field(description="Its time zone, as POSIX writes it.")
    daylight_saving: bool | None


@router.get("/cameras/{code}/clock")
async def get_clock(code: str, caller: Writer, doors: Doors, network: Network) -> DeviceClockShown:
    """What the camera's clock says now, and by whom it is set."""
    head = await Head.of(doors, network, caller, code, None)
    async with head.session() as onvif:
        told = await read_device_clock(onvif)
        at = None if told.offset is None else onvif.device_now()
    return DeviceClockShown(
        offset=None if told.offset is None else told.offset.total_seconds(),
        device_time=at,
        mode=told.mode,
        zone=told.zone,
        daylight_saving=told.daylight_saving,
    )


class ClockShown(BaseModel):
    """Its clock less ours, seconds, before and after."""

    before: float | None
    after: float | None


@router.post("/cameras/{code}/clock")
async def correct_clock(code: str, asked: ClockAsked, caller: Writer, doors: Doors, network: Network) -> ClockShown:
    """Set the camera's clock to ours, where it is set by hand. One that is set by NTP is refused."""
    head = await Head.of(doors, network, caller, code, None)
    async with doors.db.transaction() as session:
        act = audit.Act(caller.username, "camera.clock", f"camera:{code}", head.row.platform, why="set")
        await audit.append(session, act, doors.clock())
    async with head.session() as onvif:
        before = await onvif.read_clock()
        after = await set_clock(onvif)
    network.control.forget(head.row.onvif_address or "")
    async with doors.db.transaction() as session:
        row = await found_camera(session, caller, code, held=True)
        row.clock_offset = None if after is None else after.total_seconds()
        row.notices = [code for code in row.notices if code != reasons.CLOCK_WRONG.code]
        row.changed_at = doors.clock()
        await session.flush()
        shown = shown_camera(row)
    _tell(doors, shown)
    return ClockShown(
        before=None if before is None else before.total_seconds(),
        after=None if after is None else after.total_seconds(),
    )
