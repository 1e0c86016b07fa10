"""Cameras that go wrong while the service watches them, and the real footage on which nothing may be called wrong.

First part: the service, virtual cameras registered with it, two for each fault; all faults begin at once, each is
cured once it has been told. Second part: the judge alone on all distinct real footage there is, as a camera encodes
it, in the weather it was taken in and in rendered rain, fog and night; what is repeated counts once.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.health_footage import false_changes
from bench.own_service import Service, own_service
from bench.result import Result
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualFleet
from gateway.virtual.spoiling import FAULTS

FILM = RenderedFootage("quiet", seed=45, seconds=24.0, fps=10, size=(640, 360))
EACH = 2
SETTLED = 20.0
WITHIN, UNPLUGGED_WITHIN, CURED_WITHIN = 30.0, 10.0, 15.0
GIVEN_UP_AFTER = 60.0
TARGETS = {
    "right_state_share": ("==", 1.0),
    "seconds_to_state_p95": ("<=", WITHIN),
    "seconds_to_offline_max": ("<=", UNPLUGGED_WITHIN),
    "seconds_to_live_p95": ("<=", CURED_WITHIN),
    "false_changes": ("==", 0.0),
}
Step = Callable[["Trial", int], Awaitable[None]]


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Trial:
    """The service and the cameras registered with it; ``codes`` in the fleet's order."""

    service: Service
    fleet: VirtualFleet
    codes: tuple[str, ...]
    password: str


@dataclass(frozen=True)
class Fault:
    """What goes wrong and how it is cured."""

    state: str
    begin: Step
    cure: Step


def shown(fault: str, state: str | None = None) -> Fault:
    return Fault(
        state or fault, lambda trial, n: trial.fleet.show(n, fault), lambda trial, n: trial.fleet.show(n, None)
    )


async def change_password(trial: Trial, number: int) -> None:
    await trial.fleet.change_password(number, "another-password")


async def tell_password(trial: Trial, number: int) -> None:
    """The operator enters the new password."""
    login = {"username": "onvif", "password": "another-password"}
    onvif = trial.fleet.devices[number].onvif_address
    status, answer = await trial.service.ask(
        "PATCH", f"/cameras/{trial.codes[number]}", {**login, "onvif_address": onvif}
    )
    if status != 200:
        say(f"the new password was refused: {answer}")


async def set_password_back(trial: Trial, number: int) -> None:
    """At the camera; the gateway must notice by itself, without locking the account."""
    await trial.fleet.change_password(number, trial.password)


def clock(seconds: float) -> Step:
    async def shift(trial: Trial, number: int) -> None:
        trial.fleet.shift_clock(number, seconds)

    return shift


FAULTS_TRIED = (
    *(shown(fault) for fault in FAULTS),
    shown("repeated", "frozen"),
    shown("silent", "stalled"),
    Fault("offline", lambda trial, n: trial.fleet.unplug(n), lambda trial, n: trial.fleet.plug(n)),
    Fault("auth_failed", change_password, tell_password),
    Fault("auth_failed", change_password, set_password_back),
    Fault("clock_skewed", clock(7200.0), clock(0.0)),
)


async def camera_health() -> Result:
    """See the head of this module."""
    with tempfile.TemporaryDirectory(prefix="gateway-health-") as name:
        folder = Path(name)
        figures = await faults_told(folder)
        footage = await false_changes(folder / "real", say)
    figures["false_changes"] = None if footage is None else float(footage.false)
    figures["minutes_of_distinct_footage"] = None if footage is None else round(footage.distinct_minutes, 2)
    figures["minutes_with_rendered_weather"] = None if footage is None else round(footage.rendered_minutes, 2)
    return Result("camera_health", figures, TARGETS)


async def faults_told(folder: Path) -> dict[str, float | None]:
    """Every fault at once, on cameras of its own, beside two that stay well."""
    password = secrets.token_urlsafe(12)
    tried = [fault for fault in FAULTS_TRIED for _ in range(EACH)]
    cameras = [
        VirtualCamera(f"{number} {fault.state}", FILM, "onvif", password, faults=FAULTS)
        for number, fault in enumerate(tried)
    ]
    cameras += [VirtualCamera(f"well {number}", FILM, "onvif", password, faults=FAULTS) for number in range(EACH)]
    async with (
        VirtualFleet(cameras, folder / "footage", multicast=False) as fleet,
        own_service(folder / "service") as service,
    ):
        codes = []
        for device in fleet.devices:
            asked = {"username": "onvif", "password": password, "name": device.camera.name, "lng": 120.0, "lat": 30.0}
            _, made = await service.ask("POST", "/cameras", {"onvif_address": device.onvif_address, **asked})
            codes.append(str(made["code"]))
        trial = Trial(service, fleet, tuple(codes), password)
        say(f"{len(codes)} cameras registered")
        await asyncio.gather(*(until(trial, number, "live") for number in range(len(codes))))
        await asyncio.sleep(SETTLED)
        told = await asyncio.gather(*(drive(trial, number, fault) for number, fault in enumerate(tried)))
        wrong = await disturbed(trial, range(len(tried), len(codes)))
    to_state = [seconds for seconds, _ in told if seconds is not None]
    to_live = [seconds for _, seconds in told if seconds is not None]
    offline = [seconds for fault, (seconds, _) in zip(tried, told, strict=True) if fault.state == "offline" and seconds]
    return {
        "right_state_share": round(len(to_state) / len(tried), 3),
        "seconds_to_state_p95": round(float(np.percentile(to_state, 95)), 1) if to_state else None,
        "seconds_to_offline_max": round(max(offline), 1) if offline else None,
        "live_again_share": round(len(to_live) / len(tried), 3),
        "seconds_to_live_p95": round(float(np.percentile(to_live, 95)), 1) if to_live else None,
        "well_cameras_disturbed": float(wrong),
    }


async def drive(trial: Trial, number: int, fault: Fault) -> tuple[float | None, float | None]:
    """Seconds to the right state and, from the cure, back to live; None: not within a minute."""
    await fault.begin(trial, number)
    to_state = await until(trial, number, fault.state)
    await fault.cure(trial, number)
    to_live = await until(trial, number, "live")
    say(f"{trial.fleet.devices[number].camera.name:16} told after {to_state} s, live again after {to_live} s")
    return to_state, to_live


async def until(trial: Trial, number: int, state: str) -> float | None:
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < GIVEN_UP_AFTER:
        _, health = await trial.service.ask("GET", f"/cameras/{trial.codes[number]}/health")
        if health["state"] == state:
            return round(passed, 1)
        await asyncio.sleep(0.25)
    return None


async def disturbed(trial: Trial, numbers: range) -> int:
    """How many of the cameras that stayed well were ever said to be anything else once they were live."""
    found = 0
    for number in numbers:
        _, history = await trial.service.ask("GET", f"/cameras/{trial.codes[number]}/health/history")
        found += any(change["state"] not in ("connecting", "live") for change in history["items"])
    return found
