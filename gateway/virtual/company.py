"""A company of virtual cameras for trials: well-behaved ones, and beside them one of every odd kind of a catalogue."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.virtual.camera import VirtualCamera
from gateway.virtual.footage import RenderedFootage
from gateway.virtual.quirks import Kind, Quirks
from gateway.virtual.spoiling import FAULTS

MAIN = RenderedFootage("quiet", seed=45, seconds=12.0, fps=10, size=(640, 360))
SUB = RenderedFootage("quiet", seed=45, seconds=12.0, fps=10, size=(320, 180))
WELL = Kind("well", "registered", Quirks())


def company(count: int, username: str, password: str, kinds: Sequence[Kind]) -> tuple[tuple[VirtualCamera, Kind], ...]:
    """``count`` cameras: each kind once, if there is room, all others well-behaved; every second of those has a head
    that turns. They share two films, so that fifty cost no more to prepare than one."""
    shown = [WELL] * max(0, count - len(kinds)) + list(kinds)
    return tuple(
        (_camera(number, kind, username, password), kind) for number, kind in enumerate(shown[:count], start=1)
    )


def _camera(number: int, kind: Kind, username: str, password: str) -> VirtualCamera:
    well = kind is WELL
    return VirtualCamera(
        f"{number:02} {kind.name}",
        MAIN,
        username,
        password,
        sub=SUB,
        quirks=kind.quirks,
        faults=FAULTS if well else (),
        ptz=well and number % 2 == 0,
    )
