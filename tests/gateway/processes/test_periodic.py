"""A periodic work goes on whatever ends one of its turns, and one row's fault costs only that row."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gateway.processes import periodic
from gateway.processes.periodic import LONGEST_PUT_OFF, LONGEST_WAIT, PeriodicWork, Rows, samples
from gateway.refusals import Refusal

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

AWAY = Refusal("unavailable", "database_busy", "数据库繁忙，请稍后重试。", "The database is busy; try again shortly.")


def fail(fault: Exception) -> None:
    raise fault


class Turns:
    """Turns that fail one after the other with what is listed, go well after that, and end the work after the last."""

    def __init__(self, *faults: Exception | None) -> None:
        self.faults = list(faults)
        self.waits: list[float] = []
        self.reasons: list[str | None] = []

    async def turn(self) -> None:
        if not self.faults:
            raise asyncio.CancelledError
        fault = self.faults.pop(0)
        if fault is not None:
            raise fault

    async def run(self, every: float = 1.0) -> PeriodicWork:
        async def pause(seconds: float) -> None:
            self.waits.append(seconds)
            self.reasons.append(work.failing)

        work = PeriodicWork("sweeping", self.turn, every, pause=pause)
        with pytest.raises(asyncio.CancelledError):
            await work.run()
        return work


@pytest.mark.parametrize(
    "fault", [AWAY, OSError(28, "No space left on device"), KeyError("row"), ExceptionGroup("", [ValueError()])]
)
async def test_a_work_goes_on_whatever_ended_a_turn_and_says_why_until_one_goes_well(fault: Exception) -> None:
    turns = Turns(fault, None, None)
    work = await turns.run()
    assert turns.faults == []
    reason = fault.reason if isinstance(fault, Refusal) else type(fault).__name__
    assert turns.reasons == [reason, None, None]
    assert work.faults == 1


async def test_while_turns_go_on_failing_for_an_unforeseen_reason_they_come_later_each_time_up_to_a_bound() -> None:
    turns = Turns(*(RuntimeError("a bug") for _ in range(6)), None, RuntimeError("a bug"))
    await turns.run()
    assert turns.waits == [1.0, 2.0, 4.0, 8.0, LONGEST_WAIT, LONGEST_WAIT, 1.0, 1.0]


async def test_a_database_that_is_away_makes_no_turn_later() -> None:
    turns = Turns(AWAY, AWAY, AWAY)
    await turns.run()
    assert turns.waits == [1.0, 1.0, 1.0]


async def test_an_hourly_work_that_failed_does_not_wait_an_hour() -> None:
    turns = Turns(AWAY, None)
    await turns.run(every=3600.0)
    assert turns.waits == [LONGEST_WAIT, 3600.0]


async def test_a_work_that_waits_for_nothing_is_not_tried_without_a_pause() -> None:
    turns = Turns(RuntimeError("a bug"), None)
    await turns.run(every=0.0)
    assert turns.waits == [1.0, 0.0]


async def test_a_work_that_is_told_to_end_while_a_task_of_its_own_fails_ends() -> None:
    """A group of tasks that is cancelled and has a fault at once tells of the fault alone."""
    begun = asyncio.Event()

    async def fails_when_told_to_end() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            raise RuntimeError("a bug")

    async def turn() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails_when_told_to_end())

    running = asyncio.create_task(PeriodicWork("sweeping", turn, 0.0).run())
    await begun.wait()
    running.cancel()
    _, still = await asyncio.wait({running}, timeout=0.5)
    assert not still


async def test_a_wake_that_comes_during_a_turn_is_not_lost() -> None:
    woken, turned = asyncio.Event(), asyncio.Queue[int]()

    async def turn() -> None:
        turned.put_nowait(1)
        if turned.qsize() == 1:
            woken.set()

    running = asyncio.create_task(PeriodicWork("sweeping", turn, 60.0, woken=woken).run())
    async with asyncio.timeout(1):
        while turned.qsize() < 2:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert turned.qsize() == 2


def test_a_row_that_fails_keeps_none_of_the_others_back(clock: ManualClock) -> None:
    rows = Rows("sweeping")
    done: list[str] = []
    for key in ("a", "b", "c"):
        with rows.by_itself(key, clock()):
            if key == "b":
                fail(KeyError("limit"))
            done.append(key)
    assert done == ["a", "c"]
    assert len(rows) == 1


def test_a_row_that_fails_again_is_left_alone_longer_each_time_up_to_a_bound(clock: ManualClock) -> None:
    rows = Rows("sweeping")
    waits: list[float] = []
    for _ in range(9):
        failed_at = clock()
        with rows.by_itself("a", failed_at):
            fail(KeyError("limit"))
        while not rows.ready(["a"], clock()):
            clock.advance(seconds=1)
        waits.append((clock() - failed_at).total_seconds())
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_row_that_failed_is_tried_again_after_the_clock_was_set_back(clock: ManualClock) -> None:
    """It was put off until a time that came again only a day later: a folder's recordings, and the disk filled up."""
    rows = Rows("sweeping")
    with rows.by_itself("a", clock()):
        fail(KeyError("limit"))
    clock.advance(days=-1)
    assert rows.ready(["a"], clock()) == ["a"]


def test_a_row_that_the_database_failed_is_tried_again_as_soon_as_any(clock: ManualClock) -> None:
    rows = Rows("sweeping")
    for _ in range(9):
        with rows.by_itself("a", clock()):
            fail(AWAY)
        clock.advance(seconds=1)
        assert rows.ready(["a"], clock()) == ["a"]


def test_a_row_that_went_well_is_as_any_other(clock: ManualClock) -> None:
    rows = Rows("sweeping")
    with rows.by_itself("a", clock()):
        fail(KeyError("limit"))
    with rows.by_itself("a", clock()):
        pass
    assert len(rows) == 0
    assert rows.ready(["a", "b"], clock()) == ["a", "b"]


def test_a_row_that_nobody_asks_for_any_more_is_forgotten_and_so_is_the_first_of_too_many(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periodic, "MOST_PUT_OFF", 2)
    rows = Rows("sweeping")
    for key in ("a", "b", "c"):
        with rows.by_itself(key, clock()):
            fail(KeyError("limit"))
    assert rows.ready(["a", "b", "c"], clock()) == ["a"]
    clock.advance(seconds=(2 * LONGEST_PUT_OFF + timedelta(seconds=2)).total_seconds())
    rows.ready([], clock())
    assert len(rows) == 0


async def test_the_metrics_say_which_work_fails_and_how_many_rows_are_put_off(clock: ManualClock) -> None:
    turns = Turns(OSError(28, "No space left on device"))
    work = await turns.run()
    with work.rows.by_itself("a", clock()):
        fail(KeyError("limit"))
    told = {one.name: (one.labels, one.value) for one in samples([work])}
    labels = {"work": "sweeping"}
    assert told["gateway_work_failing"] == (labels, 1.0)
    assert told["gateway_work_faults_total"] == (labels, 1)
    assert told["gateway_work_rows_put_off"] == (labels, 1)
