"""Everyone gets every frame or, being slow, whole groups of pictures less; nobody slows another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.bus import FrameBus, Subscription
from gateway.streams.frame import EncodedFrame


def frame(number: int, *, key: bool = False, epoch: int = 0, size: int = 10) -> EncodedFrame:
    return EncodedFrame("video", "h264", b"x" * size, number, 90_000, float(number), key, epoch)


def publish(bus: FrameBus, numbers: Sequence[int], *, every: int = 10) -> None:
    """Frames with these numbers, a keyframe at every tenth."""
    for number in numbers:
        bus.publish(frame(number, key=number % every == 0))


async def take(subscription: Subscription, count: int | None = None) -> list[int]:
    """The numbers of what waits (or of the next ``count`` frames)."""
    wanted = len(subscription) if count is None else count
    async with asyncio.timeout(30):
        return [(await anext(subscription)).pts for _ in range(wanted)]


def undamaged(numbers: list[int], *, every: int = 10) -> bool:
    """A decoder can use every frame: it begins at a keyframe and each gap is followed by one."""
    return all(number % every == 0 or (at > 0 and numbers[at - 1] == number - 1) for at, number in enumerate(numbers))


async def test_a_subscriber_begins_with_the_cached_group_and_goes_on_live() -> None:
    bus = FrameBus()
    publish(bus, range(15))
    subscription = bus.subscribe("viewer", 5)
    publish(bus, range(15, 18))
    assert await take(subscription) == list(range(10, 18))


async def test_a_subscriber_knows_when_it_has_caught_up_with_the_present() -> None:
    bus = FrameBus()
    publish(bus, range(13))
    subscription = bus.subscribe("viewer", 5)
    publish(bus, [13])
    assert subscription.catching_up
    await take(subscription, 3)
    assert not subscription.catching_up
    assert not bus.subscribe("late", 5, "next_keyframe").catching_up


async def test_a_subscriber_may_wait_for_the_next_keyframe_or_take_the_very_next_frame() -> None:
    bus = FrameBus()
    publish(bus, range(15))
    patient = bus.subscribe("patient", 50, "next_keyframe")
    holder = bus.subscribe("holder", 50, "next_frame")
    publish(bus, range(15, 23))
    assert await take(patient) == [20, 21, 22]
    assert await take(holder) == list(range(15, 23))
    assert patient.drops == 0, "frames before its beginning are not lost"


async def test_a_bus_without_a_picture_makes_its_subscribers_begin_at_the_first_keyframe() -> None:
    bus = FrameBus()
    subscription = bus.subscribe("viewer", 5)
    publish(bus, range(7, 12))
    assert await take(subscription) == [10, 11]


async def test_a_slow_subscriber_loses_whole_groups_and_the_others_nothing() -> None:
    bus = FrameBus()
    slow, quick = bus.subscribe("slow", 15), bus.subscribe("quick", 15)
    seen: list[int] = []
    for number in range(1000):
        publish(bus, [number])
        seen += await take(quick)
    assert seen == list(range(1000))
    assert quick.drops == 0
    waiting = await take(slow)
    assert undamaged(waiting)
    assert waiting[-1] == 999
    assert slow.drops + len(waiting) == 1000
    assert bus.stats().drops == slow.drops


async def test_a_group_longer_than_the_queue_is_dropped_until_the_next_keyframe() -> None:
    bus = FrameBus()
    subscription = bus.subscribe("slow", 4)
    publish(bus, range(9))
    assert await take(subscription) == []
    assert subscription.drops == 9
    publish(bus, [9, 10, 11])
    assert await take(subscription) == [10, 11]
    assert subscription.drops == 10


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 25))
def test_what_a_subscriber_takes_is_never_damaged(rhythm: list[int], maxsize: int) -> None:
    async def run() -> None:
        bus = FrameBus()
        publish(bus, range(5))
        subscription = bus.subscribe("viewer", maxsize)
        taken: list[int] = []
        number = 5
        for step in rhythm:
            if step % 2:
                publish(bus, range(number, number + step))
                number += step
            else:
                taken += await take(subscription, min(step, len(subscription)))
        taken += await take(subscription)
        assert undamaged(taken)
        assert len(taken) + subscription.drops == number

    asyncio.run(run())


async def test_one_who_wants_keyframes_only_gets_the_newest() -> None:
    bus = FrameBus()
    publish(bus, range(15))
    subscription = bus.subscribe("looks", 1, keyframes_only=True)
    assert await take(subscription) == [10]
    publish(bus, range(15, 55))
    assert await take(subscription) == [50]
    assert subscription.drops == 3


async def test_the_cache_holds_one_group_of_one_epoch_within_its_bounds() -> None:
    bus = FrameBus(gop_frames=8, gop_bytes=1000)
    publish(bus, range(8))
    assert [held.pts for held in bus.gop()] == list(range(8))
    publish(bus, [8, 9])
    assert bus.gop() == (), "a group that outgrew its bounds is not kept in part"
    publish(bus, [10])
    bus.publish(frame(11, size=991))
    assert bus.gop() == ()
    bus.publish(frame(20, key=True))
    bus.publish(frame(21, epoch=1))
    assert bus.gop() == ()
    assert bus.last_keyframe is not None
    assert bus.last_keyframe.pts == 20


async def test_closing_a_subscription_or_the_bus_ends_the_iteration() -> None:
    bus = FrameBus()
    closed, open_ = bus.subscribe("closed", 5), bus.subscribe("open", 5)
    waiting = asyncio.create_task(anext(closed, None))
    await asyncio.sleep(0)
    closed.close()
    closed.close()
    assert await asyncio.wait_for(waiting, 30) is None
    publish(bus, range(3))
    assert bus.stats().subscribers == 1
    bus.close()
    publish(bus, range(3))
    assert [seen.pts async for seen in open_] == [0, 1, 2], "what waits is still handed out"
    assert await anext(bus.subscribe("late", 5), None) is None


async def test_a_subscriber_cancelled_while_it_waits_loses_nothing() -> None:
    bus = FrameBus()
    subscription = bus.subscribe("viewer", 5)
    waiting = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    waiting.cancel()
    publish(bus, [0])
    await asyncio.gather(waiting, return_exceptions=True)
    assert await take(subscription) == [0]


async def test_a_subscriber_that_leaves_while_a_frame_is_handed_out_disturbs_nobody() -> None:
    bus = FrameBus()
    first, second = bus.subscribe("first", 5), bus.subscribe("second", 5)
    bus.tap(lambda _: first.close())
    publish(bus, [0])
    assert await take(second) == [0]


async def test_a_tap_sees_every_frame_until_it_is_removed() -> None:
    bus = FrameBus()
    seen: list[int] = []
    remove = bus.tap(lambda given: seen.append(given.pts))
    publish(bus, range(3))
    remove()
    publish(bus, range(3, 5))
    assert seen == [0, 1, 2]
    assert bus.last_frame_at == 4.0
    assert bus.stats().frames == 5
    assert bus.stats().keyframes == 1
    assert bus.stats().bytes == 50


async def test_who_comes_while_the_source_is_away_is_shown_nothing_old() -> None:
    bus = FrameBus()
    publish(bus, range(15))
    bus.interrupted()
    assert bus.last_keyframe is None
    subscription = bus.subscribe("viewer", 5)
    publish(bus, range(15, 22))
    assert await take(subscription) == [20, 21]
