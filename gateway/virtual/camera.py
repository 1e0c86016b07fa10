"""What a virtual camera is: its name, what it shows, its login and its quirks."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.virtual.footage import Footage
from gateway.virtual.quirks import Quirks
from gateway.virtual.spoiling import Change


@dataclass(frozen=True, slots=True)
class VirtualCamera:
    """``footage`` is the main stream; ``sub`` a smaller one, if it has one. No default password: the caller makes it.

    ``faults``: what can go wrong with its picture while it runs (``spoiling.FAULTS``); the pictures for it are prepared
    beforehand. ``ptz``, ``events``, ``imaging``: services it has besides.

    ``lng``/``lat`` (WGS-84) say where it pretends to stand; it does not tell anybody, whoever registers it does.
    """

    name: str
    footage: Footage
    username: str
    password: str = field(repr=False)
    sub: Footage | None = None
    quirks: Quirks = field(default_factory=Quirks)
    model: str = "VC-2000"
    faults: tuple[Change, ...] = ()
    ptz: bool = False
    events: bool = True
    imaging: bool = True
    lng: float | None = None
    lat: float | None = None
