"""Frames cross from a thread to the loop in order and in batches; a loop that stands still loses whole groups."""

from __future__ import annotations

import asyncio

from gateway.streams.frame import EncodedFrame
from gateway.streams.handover import PATIENCE, Handover


def frame(number: int, *, key: bool = False) -> EncodedFrame:
    return EncodedFrame("video", "h264", b"", number, 90_000, 0.0, key)


async def test_frames_cross_in_order_and_calls_come_after_them() -> None:
    seen: list[int] = []
    handover = Handover(asyncio.get_running_loop(), lambda given: seen.append(given.pts))

    def work() -> None:
        for number in range(100):
            assert handover.put(frame(number, key=number == 0))
        assert handover.call(lambda: seen.append(-1))

    await asyncio.to_thread(work)
    await asyncio.sleep(0)
    assert seen == [*range(100), -1]
    assert handover.drops == 0


async def test_a_loop_that_stands_still_gets_the_newest_from_a_keyframe_on() -> None:
    seen: list[int] = []
    handover = Handover(asyncio.get_running_loop(), lambda given: seen.append(given.pts), most=15)
    for number in range(44):
        handover.put(frame(number, key=number % 10 == 0))
    await asyncio.sleep(0)
    assert seen == list(range(40, 44))
    assert handover.drops == 40


async def test_a_closed_loop_is_told() -> None:
    loop = asyncio.new_event_loop()
    handover = Handover(loop, lambda _given: None)
    loop.close()
    assert not handover.put(frame(0, key=True))


async def test_frames_that_nobody_waits_for_cross_together_and_a_keyframe_takes_them_along() -> None:
    seen: list[int] = []
    now, hurried = [0.0], [False]
    handover = Handover(
        asyncio.get_running_loop(),
        lambda given: seen.append(given.pts),
        hurried=lambda: hurried[0],
        clock=lambda: now[0],
    )

    async def put(number: int, *, key: bool = False) -> list[int]:
        handover.put(frame(number, key=key))
        await asyncio.sleep(0)
        return seen

    assert await put(0, key=True) == [0]
    assert await put(1) == [0]
    now[0] += PATIENCE / 2
    assert await put(2) == [0]
    now[0] += PATIENCE / 2
    assert await put(3) == [0, 1, 2, 3]
    assert await put(4) == [0, 1, 2, 3]
    assert await put(5, key=True) == [0, 1, 2, 3, 4, 5]
    await put(6)
    handover.call(lambda: seen.append(-1))
    await asyncio.sleep(0)
    assert seen[-2:] == [6, -1], "whatever is told comes after the frames before it"
    hurried[0] = True
    assert (await put(7))[-1] == 7
