"""Which picture is looked at next."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from gateway.processes.messages import LookAt
from gateway.refusals import Refusal
from gateway.workers.inference.look_queue import LookQueue


def look(code: str, taken_at: float, deadline: float = 100.0, *, part: str = "whole", urgency: float = 1.0) -> LookAt:
    return LookAt(code, b"", 0, 0, taken_at, deadline, part, urgency)


def put(queue: LookQueue, asked: LookAt, asker: int = 1) -> asyncio.Future[object]:
    return queue.put(asked, np.zeros((1, 1, 3), np.uint8), asker)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def served(cameras: dict[str, float], rounds: int) -> Counter[str]:
    """An engine that carries one picture a second, and cameras (with their urgency) that each send one a second."""
    clock = Clock()
    queue, looked = LookQueue(clock, clock), Counter[str]()
    for _ in range(rounds):
        clock.now += 1.0
        for code, urgency in cameras.items():
            put(queue, look(code, clock.now, clock.now + 5, urgency=urgency)).add_done_callback(
                lambda one: one.exception()
            )
        looked[(await queue.next()).look.code] += 1
    return looked


class Contest:
    """Processes that ask a busy engine: of the pictures that they send each second it looks at ``carries``."""

    def __init__(self, carries: int, size: int = 400) -> None:
        self.clock, self.wall, self.carries = Clock(), Clock(), carries
        self.queue = LookQueue(self.clock, self.wall, size=size, most_cameras=50)
        self.looked: dict[int, Counter[str]] = {}

    async def second(self, asked: dict[int, Iterable[tuple[str, float]]]) -> None:
        """``asked``: by process the cameras, each with its urgency, of which it sends a picture."""
        self.clock.now += 1.0
        self.wall.now += 1.0
        for asker, cameras in asked.items():
            for code, urgency in cameras:
                one = look(code, self.wall.now, self.wall.now + 5, urgency=urgency)
                put(self.queue, one, asker).add_done_callback(lambda answer: answer.exception())
        for _ in range(min(self.carries, len(self.queue))):
            chosen = await self.queue.next()
            self.looked.setdefault(chosen.asker, Counter())[chosen.look.code] += 1

    def looks(self, asker: int) -> int:
        return self.looked[asker].total()


def cameras(number: int, urgency: float = 1.0) -> list[tuple[str, float]]:
    return [(f"camera-{n}", urgency) for n in range(number)]


async def test_a_worker_that_invents_cameras_takes_no_more_than_half_of_the_engine_from_others() -> None:
    """A camera never looked at comes first: one with a new name in each question once took every look."""
    contest, names = Contest(carries=10), itertools.count()
    for _ in range(60):
        invented = [(f"invented-{next(names)}", 8.0) for _ in range(30)]
        await contest.second({1: invented, 2: cameras(50), 3: cameras(50)})
    assert contest.looks(1) <= 301
    for honest in (2, 3):
        assert contest.looks(honest) >= 145
        assert min(contest.looked[honest].values()) >= 2
        assert len(contest.looked[honest]) == 50


async def test_a_worker_that_invents_cameras_is_at_worst_taken_for_a_full_one() -> None:
    contest, names = Contest(carries=26), itertools.count()
    for _ in range(60):
        invented = [(f"invented-{next(names)}", 1.0) for _ in range(100)]
        await contest.second({1: invented, 2: cameras(2)})
    assert contest.looks(2) / 2 >= 0.9 * 60 * 26 / 52


async def test_a_camera_among_fifty_is_looked_at_as_often_as_one_of_two() -> None:
    contest = Contest(carries=13)
    for _ in range(100):
        await contest.second({1: cameras(50), 2: cameras(2)})
    assert contest.looks(1) / 50 == pytest.approx(25, rel=0.1)
    assert contest.looks(2) / 2 == pytest.approx(25, rel=0.1)


async def test_a_fire_is_looked_at_more_often_than_other_workers_cameras_too() -> None:
    contest = Contest(carries=10)
    for _ in range(60):
        await contest.second({1: cameras(1, urgency=8.0), 2: cameras(50)})
    assert contest.looks(1) >= 2 * 600 / 51
    assert min(contest.looked[2].values()) >= 8


async def test_a_worker_that_was_quiet_has_nothing_saved_up() -> None:
    contest = Contest(carries=10)
    await contest.second({1: cameras(1), 2: cameras(20)})
    for _ in range(100):
        await contest.second({2: cameras(20)})
    contest.looked.clear()
    for _ in range(10):
        await contest.second({1: cameras(20), 2: cameras(20)})
    assert contest.looks(2) >= 45


async def test_a_worker_that_had_a_fire_for_an_hour_is_not_made_to_pay_for_it_afterwards() -> None:
    contest = Contest(carries=10)
    for _ in range(400):
        await contest.second({1: cameras(4, urgency=8.0), 2: cameras(40)})
    contest.looked.clear()
    for _ in range(100):
        await contest.second({1: cameras(4), 2: cameras(40)})
    assert contest.looks(1) / 4 >= 0.7 * contest.looks(2) / 40


async def test_a_clock_that_is_set_back_starves_no_camera() -> None:
    """Those looked at before the step once counted as looked at just now until the clock had made up for it."""
    contest = Contest(carries=10)
    for _ in range(11):
        await contest.second({1: cameras(20)})
    contest.wall.now -= 3600.0
    contest.looked.clear()
    for _ in range(60):
        await contest.second({1: cameras(20)})
    assert set(contest.looked[1].values()) == {30}


async def test_a_worker_that_names_another_ones_camera_does_not_take_its_place() -> None:
    queue = LookQueue(lambda: 50.0, lambda: 50.0)
    honest = put(queue, look("a", 1.0), asker=1)
    put(queue, look("a", 2.0), asker=2)
    assert {(await queue.next()).asker for _ in range(2)} == {1, 2}
    assert not honest.done()


async def test_where_too_many_wait_it_is_the_one_that_sent_most_whose_oldest_gives_way() -> None:
    """Pictures said to be of tomorrow once drove out all those of today."""
    queue = LookQueue(lambda: 50.0, lambda: 50.0, size=10)
    honest = [put(queue, look(f"camera-{n}", 49.0), asker=1) for n in range(4)]
    flood = [put(queue, look(f"camera-{n}", 60.0 + n), asker=2) for n in range(20)]
    assert not any(answer.done() for answer in honest)
    assert sum(isinstance(answer.exception(), Refusal) for answer in flood if answer.done()) == 14


async def test_of_cameras_never_looked_at_the_newest_picture_is_first() -> None:
    queue = LookQueue(lambda: 50.0, lambda: 50.0)
    for code, taken_at in (("a", 1.0), ("b", 3.0), ("c", 2.0)):
        put(queue, look(code, taken_at))
    assert [(await queue.next()).look.code for _ in range(3)] == ["b", "c", "a"]


async def test_an_engine_that_carries_a_part_of_the_pictures_shares_itself_out_evenly() -> None:
    looked = await served({f"camera-{n}": 1.0 for n in range(10)}, 100)
    assert set(looked.values()) == {10}


async def test_a_camera_half_way_to_an_alert_is_looked_at_more_often_and_idle_ones_are_not_forgotten() -> None:
    looked = await served({"burning": 4.0, **{f"idle-{n}": 1.0 for n in range(9)}}, 120)
    assert looked["burning"] >= 3 * looked["idle-0"]
    assert min(looked.values()) >= 8


async def test_parts_of_a_picture_wait_beside_the_whole_one() -> None:
    queue = LookQueue(lambda: 50.0, lambda: 50.0)
    put(queue, look("a", 1.0))
    put(queue, look("a", 1.0, part="tile-0"))
    assert {(await queue.next()).look.part for _ in range(2)} == {"whole", "tile-0"}


async def test_a_newer_picture_of_a_camera_replaces_its_older_one_which_is_refused_and_counted() -> None:
    queue = LookQueue(lambda: 50.0, lambda: 50.0)
    older = put(queue, look("a", 1.0))
    put(queue, look("a", 2.0))
    with pytest.raises(Refusal, match="look_replaced"):
        await older
    assert (await queue.next()).look.taken_at == 2.0
    assert queue.dropped_replaced == 1


async def test_a_late_picture_is_dropped_and_counted_instead_of_looked_at() -> None:
    queue = LookQueue(lambda: 50.0, lambda: 50.0)
    late = put(queue, look("a", 1.0, deadline=49.0))
    put(queue, look("b", 0.5))
    assert (await queue.next()).look.code == "b"
    waiting = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Refusal, match="look_late"):
        await late
    assert queue.dropped_late == 1
    waiting.cancel()


async def test_the_queue_is_bounded_whoever_fills_it() -> None:
    queue = LookQueue(lambda: 50.0, lambda: 50.0, size=3)
    answers = [put(queue, look(f"camera-{n}", float(n))) for n in range(10)]
    assert len(queue) == 3
    refused = await asyncio.gather(*answers[:7], return_exceptions=True)
    assert all(isinstance(answer, Refusal) for answer in refused)


async def test_a_picture_nobody_waits_for_any_more_is_passed_over() -> None:
    queue = LookQueue(lambda: 50.0, lambda: 50.0)
    put(queue, look("gone", 9.0)).cancel()
    put(queue, look("a", 1.0))
    assert (await queue.next()).look.code == "a"


async def test_it_says_when_no_more_than_a_few_wait() -> None:
    queue = LookQueue(lambda: 0.0, lambda: 0.0, few=1)
    put(queue, look("a", 1.0))
    await asyncio.wait_for(queue.calm(), 1)
    put(queue, look("b", 1.0))
    waiting = asyncio.create_task(queue.calm())
    await asyncio.sleep(0)
    assert not waiting.done()
    await queue.next()
    await asyncio.wait_for(waiting, 1)
