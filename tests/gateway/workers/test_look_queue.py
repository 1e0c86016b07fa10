"""Which picture is looked at next."""

from __future__ import annotations

import asyncio
from collections import Counter

import numpy as np
import pytest

from gateway.processes.messages import LookAt
from gateway.refusals import Refusal
from gateway.workers.inference.look_queue import LookQueue


def look(code: str, taken_at: float, deadline: float = 100.0, *, part: str = "whole", urgency: float = 1.0) -> LookAt:
    return LookAt(code, b"", 0, 0, taken_at, deadline, part, urgency)


def put(queue: LookQueue, asked: LookAt) -> asyncio.Future[object]:
    return queue.put(asked, np.zeros((1, 1, 3), np.uint8))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def served(cameras: dict[str, float], rounds: int) -> Counter[str]:
    """An engine that carries one picture a second, and cameras (with their urgency) that each send one a second."""
    clock = Clock()
    queue, looked = LookQueue(clock), Counter[str]()
    for _ in range(rounds):
        clock.now += 1.0
        for code, urgency in cameras.items():
            put(queue, look(code, clock.now, clock.now + 5, urgency=urgency)).add_done_callback(
                lambda one: one.exception()
            )
        looked[(await queue.next()).look.code] += 1
    return looked


async def test_of_cameras_never_looked_at_the_newest_picture_is_first() -> None:
    queue = LookQueue(lambda: 50.0)
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
    queue = LookQueue(lambda: 50.0)
    put(queue, look("a", 1.0))
    put(queue, look("a", 1.0, part="tile-0"))
    assert {(await queue.next()).look.part for _ in range(2)} == {"whole", "tile-0"}


async def test_a_newer_picture_of_a_camera_replaces_its_older_one_which_is_refused_and_counted() -> None:
    queue = LookQueue(lambda: 50.0)
    older = put(queue, look("a", 1.0))
    put(queue, look("a", 2.0))
    with pytest.raises(Refusal, match="look_replaced"):
        await older
    assert (await queue.next()).look.taken_at == 2.0
    assert queue.dropped_replaced == 1


async def test_a_late_picture_is_dropped_and_counted_instead_of_looked_at() -> None:
    queue = LookQueue(lambda: 50.0)
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
    queue = LookQueue(lambda: 50.0, size=3)
    answers = [put(queue, look(f"camera-{n}", float(n))) for n in range(10)]
    assert len(queue) == 3
    refused = await asyncio.gather(*answers[:7], return_exceptions=True)
    assert all(isinstance(answer, Refusal) for answer in refused)


async def test_a_picture_nobody_waits_for_any_more_is_passed_over() -> None:
    queue = LookQueue(lambda: 50.0)
    put(queue, look("gone", 9.0)).cancel()
    put(queue, look("a", 1.0))
    assert (await queue.next()).look.code == "a"


async def test_it_says_when_no_more_than_a_few_wait() -> None:
    queue = LookQueue(lambda: 0.0, few=1)
    put(queue, look("a", 1.0))
    await asyncio.wait_for(queue.calm(), 1)
    put(queue, look("b", 1.0))
    waiting = asyncio.create_task(queue.calm())
    await asyncio.sleep(0)
    assert not waiting.done()
    await queue.next()
    await asyncio.wait_for(waiting, 1)
