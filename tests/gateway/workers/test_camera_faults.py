"""Each fault that a camera can have, switched on and off while a worker of the product watches it: told, and cured.

One worker, one camera for each fault, all at once; the cameras are real ones, with RTSP and a picture that goes wrong.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.lone_worker import LoneWorker, lone_worker
from gateway.processes.messages import AssignCamera, ClockOffset, HealthChanged
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualFleet
from gateway.virtual.spoiling import FAULTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

PASSWORD = "made-for-this-test"
FILM = RenderedFootage("quiet", seed=45, seconds=12.0, fps=8, size=(480, 270))
SETTLED = 12.0
"""Seconds of good pictures by which a fault can be told; the camera looks every two seconds."""
WITHIN, UNPLUGGED_WITHIN, CURED_WITHIN = 30.0, 10.0, 15.0
"""What is promised, and held to: in the worker's own time, less what this machine was late in waking anybody."""
GIVEN_UP_AFTER = 60.0
WAKES = 0.05

Step = Callable[[VirtualFleet, LoneWorker, int], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """What goes wrong, how it is cured, and the state it must lead to within the time."""

    state: str
    begin: Step
    cure: Step
    within: float = WITHIN


class Lateness:
    """How much later than asked this machine wakes who sleeps: what other work on it adds to every time measured."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time() + WAKES
            await asyncio.sleep(WAKES)
            self.seconds += loop.time() - asked


def shown(name: str) -> Fault:
    async def begin(fleet: VirtualFleet, _worker: LoneWorker, number: int) -> None:
        await fleet.show(number, name)

    async def cure(fleet: VirtualFleet, _worker: LoneWorker, number: int) -> None:
        await fleet.show(number, None)

    return Fault({"repeated": "frozen", "silent": "stalled"}.get(name, name), begin, cure)


async def unplug(fleet: VirtualFleet, _worker: LoneWorker, number: int) -> None:
    await fleet.unplug(number)


async def plug(fleet: VirtualFleet, _worker: LoneWorker, number: int) -> None:
    await fleet.plug(number)


async def change_password(fleet: VirtualFleet, _worker: LoneWorker, number: int) -> None:
    await fleet.change_password(number, "another-one")


async def tell_password(fleet: VirtualFleet, worker: LoneWorker, number: int) -> None:
    assign(fleet, worker, number, "another-one")


async def set_password_back(fleet: VirtualFleet, _worker: LoneWorker, number: int) -> None:
    await fleet.change_password(number, PASSWORD)


async def skew(_fleet: VirtualFleet, worker: LoneWorker, number: int) -> None:
    worker.channel.send(ClockOffset(code(number), 7200.0))


async def set_clock(_fleet: VirtualFleet, worker: LoneWorker, number: int) -> None:
    worker.channel.send(ClockOffset(code(number), 0.5))


CASES = [
    *(shown(name) for name in (*FAULTS, "repeated", "silent")),
    Fault("offline", unplug, plug, UNPLUGGED_WITHIN),
    Fault("auth_failed", change_password, tell_password),
    Fault("auth_failed", change_password, set_password_back),
    Fault("clock_skewed", skew, set_clock),
]


def code(number: int) -> str:
    return f"9900000000131{number:07}"


def assign(fleet: VirtualFleet, worker: LoneWorker, number: int, password: str = PASSWORD) -> None:
    url = fleet.devices[number].rtsp_url
    worker.channel.send(AssignCamera(code(number), code(number), "hub", 1, url, "viewer", password, []))


async def until(worker: LoneWorker, number: int, state: str, within: float, late: Lateness) -> HealthChanged:
    """The report of the state, which came in time. Raises ``AssertionError`` with what the camera was in instead."""
    begun, late_before = time.time(), late.seconds
    try:
        async with asyncio.timeout(GIVEN_UP_AFTER):
            while worker.states.get(code(number)) != state:
                worker.heard.clear()
                await worker.heard.wait()
    except TimeoutError:
        history = [told.state for told in worker.told if told.code == code(number)]
        raise AssertionError(f"{state} not told but {history}") from None
    told = next(told for told in reversed(worker.told) if told.code == code(number))
    took, late_by = told.at - begun, late.seconds - late_before
    assert took <= within + late_by, f"{state} told after {took:.1f} s, {late_by:.1f} s of it the machine's"
    return told


async def test_each_fault_is_told_in_time_and_its_cure_too(tmp_path: Path, footage_cache: Path) -> None:
    cameras = [VirtualCamera(case.state, FILM, "viewer", PASSWORD, faults=FAULTS) for case in CASES]
    cameras.append(VirtualCamera("well", FILM, "viewer", PASSWORD, faults=FAULTS))
    async with VirtualFleet(cameras, footage_cache, multicast=False) as fleet, lone_worker(tmp_path / "w") as worker:
        for number in range(len(cameras)):
            assign(fleet, worker, number)
        async with asyncio.timeout(60):
            await worker.until_live(len(cameras))
        late = Lateness()
        measuring = asyncio.create_task(late.measure())
        await asyncio.sleep(SETTLED)  # good pictures must have been seen before a bad one is told from them

        async def drive(number: int, case: Fault) -> None:
            await case.begin(fleet, worker, number)
            told = await until(worker, number, case.state, case.within, late)
            if case.state in FAULTS:
                assert told.evidence is not None
                assert told.evidence.startswith(b"\xff\xd8")
            await case.cure(fleet, worker, number)
            await until(worker, number, "live", CURED_WITHIN, late)

        driven = await asyncio.gather(
            *(drive(number, case) for number, case in enumerate(CASES)), return_exceptions=True
        )
        measuring.cancel()
        failed = {case.state: str(error) for case, error in zip(CASES, driven, strict=True) if error is not None}
        assert not failed
        passed = {(told.code, told.state) for told in worker.told} - {
            (code(number), state)
            for number, case in enumerate(CASES)
            for state in ("connecting", "live", case.state, "stalled" if case.state == "offline" else "")
        }
        others = {told.state for told in worker.told if told.code == code(len(CASES))}
    assert others == {"connecting", "live"}, "a camera that is well is disturbed by none of them"
    assert {state for _, state in passed} <= {"connecting", "live", "offline"}, passed
