"""A rule that wants to look every two seconds, at cameras whose keyframes come every 2, 10 and 60 s. Time is passed in:
frames are really encoded and really decoded, as fast as the machine can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any, cast

import av
import numpy as np
import pytest

from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.keyframes import PictureUnreadable
from gateway.streams.on_demand import OnDemandSource
from gateway.streams.pull import PullState
from gateway.workers.camera.awake import Decoding
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.camera.look_plan import Wish
from gateway.workers.camera.looks import Looks
from gateway.workers.camera.waking import WakeBudget

FPS, BEGUN = 5, 1_900_000_000.0
IDLE = Wish(2.0, urgent=False)


class Inline(Executor):
    """Runs what it is given at once, so that a test's time stands still meanwhile. ``fails``: how often it cannot.
    ``busy``: it has no time."""

    fails = 0
    busy = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.fails:
            self.fails -= 1
            raise RuntimeError("can't start new thread")
        future: Future[Any] = Future()
        if self.busy:
            return future
        try:
            future.set_result(fn(*args, **kwargs))
        except PictureUnreadable as error:
            future.set_exception(error)
        return future


@cache
def group(seconds: int, width: int = 160) -> tuple[tuple[bytes, bool], ...]:
    """One group of pictures of that length, whose brightness is the second it was taken at."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = width, 96
    encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, FPS), Fraction(FPS)
    keys = f"keyint={FPS * 100}:scenecut=0:bframes=0:repeat-headers=1:annexb=1"
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": keys}
    packets = []
    for number in range(seconds * FPS):
        picture = av.VideoFrame.from_ndarray(np.full((96, width, 3), 40 + number // FPS * 3, np.uint8), "bgr24")
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    return tuple((bytes(packet), packet.is_keyframe) for packet in packets)


@dataclass
class Sub:
    """A sub-stream that is there as soon as somebody uses it."""

    gop: int
    bus: FrameBus = field(default_factory=FrameBus)
    users: int = 0
    state: PullState | None = None

    def acquire(self) -> None:
        self.users += 1

    def release(self) -> None:
        self.users -= 1


@dataclass
class Scene:
    """A camera whose time the test moves, and what was looked at. ``found``: what is wished for once one has looked.
    ``engine``: each look lasts until it is free. ``spoilt``: its main stream cannot be decoded. ``said``: what ailed it
    at each change."""

    looks: Looks
    bus: FrameBus
    gop: int
    sub: Sub | None
    budget: WakeBudget
    threads: Inline
    awake: Inline
    wish: Wish = IDLE
    live: bool = True
    now: float = BEGUN
    frames: int = 0
    fails: int = 0
    spoilt: bool = False
    said: list[str | None] = field(default_factory=list)
    found: Wish | None = None
    engine: asyncio.Event | None = None
    seen: list[Glimpse] = field(default_factory=list)

    async def plays(self, seconds: float) -> None:
        for _ in range(round(seconds * FPS)):
            self.now = BEGUN + self.frames / FPS
            _publish(self.bus, self.gop, self.frames, self.now, 160, spoilt=self.spoilt)
            if self.sub is not None and self.sub.users:
                _publish(self.sub.bus, self.sub.gop, self.frames, self.now, 96)
            self.frames += 1
            await _settled()
            if self.frames % 2 == 0:
                await self.looks.decide()
                await _settled()

    def gaps(self, since: float) -> list[float]:
        """Seconds between the looks of the time after ``since`` seconds."""
        times = [glimpse.arrival for glimpse in self.seen if glimpse.arrival >= BEGUN + since]
        return [round(after - before, 2) for before, after in pairwise(times)]


def _publish(bus: FrameBus, gop: int, number: int, now: float, width: int, *, spoilt: bool = False) -> None:
    data, key = group(gop, width)[number % (gop * FPS)]
    data = b"\x00\x00\x00\x01\x65" + bytes(range(1, 200)) if spoilt else data
    bus.publish(EncodedFrame("video", "h264", data, number * 90_000 // FPS, 90_000, now, key, 0, width, 96))


async def _settled() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


@asynccontextmanager
async def scene(gop: int, *, cores: float = 1.0, sub_gop: int | None = None) -> AsyncIterator[Scene]:
    bus, budget, threads, awake = FrameBus(), WakeBudget(cores), Inline(), Inline()
    sub = Sub(sub_gop) if sub_gop is not None else None

    async def look(glimpse: Glimpse) -> None:
        if made.fails:
            made.fails -= 1
            raise ValueError("a picture that nobody foresaw")
        made.seen.append(glimpse)
        if made.engine is not None:
            await made.engine.wait()
        made.wish = made.found or made.wish

    looks = Looks(
        "a",
        bus,
        lambda: made.wish,
        look,
        live=lambda: made.live,
        budget=budget,
        decoding=Decoding(threads, awake, lambda: (96, 96), lambda: made.now, batch=0.0),
        sub=cast(OnDemandSource | None, sub),
        changed=lambda: made.said.append(made.looks.ailment),
    )
    made = Scene(looks, bus, gop, sub, budget, threads, awake)
    looks.start()
    await _settled()
    yield made
    await looks.stop()


async def test_keyframes_every_two_seconds_are_all_that_is_decoded() -> None:
    async with scene(2, sub_gop=2) as camera:
        await camera.plays(20)
        assert set(camera.gaps(0)) == {2.0}
        assert camera.looks.decoded == "keyframes"
        assert camera.looks.seconds_awake == 0
        assert camera.sub is not None
        assert camera.sub.users == 0, "nobody connects to what is not needed"
        assert not camera.looks.rate_unmet


@pytest.mark.parametrize("gop", [10, 60])
async def test_keyframes_that_come_too_slowly_wake_the_sub_stream(gop: int) -> None:
    async with scene(gop, sub_gop=2) as camera:
        await camera.plays(40)
        assert camera.looks.decoded == "sub"
        assert max(camera.gaps(8)) <= 2.2
        assert {glimpse.profile for glimpse in camera.seen if glimpse.arrival > BEGUN + 8} == {"sub"}
        assert not camera.looks.rate_unmet
        assert camera.looks.seconds_awake < 0.2, "of a sub-stream with enough keyframes nothing else is decoded"


@pytest.mark.parametrize("gop", [10, 60])
async def test_without_a_sub_stream_the_main_one_is_decoded_while_the_budget_allows_it(gop: int) -> None:
    async with scene(gop) as camera:
        await camera.plays(40)
        assert camera.looks.decoded == "main"
        assert max(camera.gaps(8)) <= 2.2
        assert not camera.looks.rate_unmet
        newest = camera.seen[-1]
        shown = 40 + int((newest.arrival - BEGUN) % gop) * 3
        assert abs(float(newest.small.mean()) - shown) < 4, "what is looked at is the present, not the last keyframe"
        assert camera.seen[-1].full().shape == (96, 160, 3)


@pytest.mark.parametrize("gop", [10, 60])
async def test_without_sub_stream_and_budget_the_rate_is_said_to_be_unmet_and_who_waits_is_counted(gop: int) -> None:
    async with scene(gop, cores=0) as camera:
        await camera.plays(20)
        assert camera.looks.decoded == "keyframes"
        assert camera.looks.rate_unmet
        assert camera.budget.waiting == 1
        camera.wish = Wish(120.0, urgent=False)
        await camera.plays(1)
        assert not camera.looks.rate_unmet
        assert camera.budget.waiting == 0


async def test_a_camera_whose_pictures_come_more_than_a_minute_apart_says_that_no_hazard_can_be_told() -> None:
    """It said that it was looked at less often than its rules want, as one that tells a fire a second late."""
    async with scene(60, cores=0) as camera:
        await camera.plays(50)
        assert (camera.looks.rate_unmet, camera.looks.ailment) == (True, None), "at a minute rules still can"
    async with scene(70, cores=0) as camera:
        await camera.plays(68)
        assert camera.said[-1:] == ["looks_too_rare"]
        await camera.plays(82)
        assert camera.looks.ailment == "looks_too_rare", "nor is it well for a moment at each keyframe"
        camera.live = False
        await camera.looks.decide()
        assert camera.looks.ailment is None


async def test_a_candidate_is_looked_at_every_half_second_and_the_camera_sleeps_again_after_it() -> None:
    async with scene(2, sub_gop=10) as camera:
        await camera.plays(10)
        camera.wish = Wish(0.5, urgent=True)
        await camera.plays(10)
        assert camera.looks.decoded == "sub"
        assert max(camera.gaps(10)) <= 2.0, "until the sub-stream shows a picture the keyframes are looked at"
        assert camera.looks.rate_unmet
        await camera.plays(5)
        assert max(camera.gaps(21)) <= 0.6
        assert not camera.looks.rate_unmet
        camera.wish = IDLE
        await camera.plays(10)
        assert camera.looks.decoded == "keyframes"
        assert camera.sub is not None
        assert camera.sub.users == 0
        assert (camera.budget.awake, camera.budget.waiting) == (0, 0)


async def test_a_look_that_finds_a_candidate_wakes_the_camera_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waited up to half a second for the next time that this was decided: the second sighting makes a fire."""
    monkeypatch.setattr("gateway.workers.camera.looks.DECIDE_EVERY", 60.0)
    async with scene(2) as camera:
        for number in range(2 * FPS):  # time goes on, and nobody decides
            _publish(camera.bus, 2, number, BEGUN + number / FPS, 160)
            await _settled()
        assert camera.looks.decoded == "keyframes"
        camera.now, camera.found = BEGUN + 2.0, Wish(0.5, urgent=True)
        _publish(camera.bus, 2, 2 * FPS, camera.now, 160)
        await _settled()
        assert camera.looks.decoded == "main"


async def test_an_event_of_the_camera_wakes_it_for_its_time() -> None:
    async with scene(2) as camera:
        await camera.plays(6)
        camera.looks.ask(0.5, seconds=5.0)
        await camera.plays(5)
        assert camera.looks.decoded == "main"
        await camera.plays(8)
        assert camera.looks.decoded == "keyframes"


async def test_a_sub_stream_that_cannot_be_had_is_replaced_by_the_main_one() -> None:
    async with scene(10, sub_gop=2) as camera:
        assert camera.sub is not None
        camera.sub.state = PullState("away", BEGUN, "rejected", 1.0, failures=3)
        await camera.plays(16)
        assert camera.looks.decoded == "main"
        assert camera.sub.users == 0
        assert not camera.looks.rate_unmet


async def test_a_camera_that_is_away_is_neither_awake_nor_unmet() -> None:
    async with scene(60) as camera:
        await camera.plays(10)
        camera.live = False
        await camera.looks.decide()
        assert camera.looks.decoded == "keyframes"
        assert not camera.looks.rate_unmet
        assert camera.budget.awake == 0


async def test_a_camera_woken_from_rest_is_looked_at_as_it_is_now_and_not_as_it_was() -> None:
    """Its decoder begins with all since the last keyframe: pictures of half a minute ago were looked at first, and
    while that lasted those of now were left out."""
    async with scene(60) as camera:
        camera.wish = Wish(120.0, urgent=False)
        await camera.plays(31)
        camera.seen.clear()
        camera.wish = Wish(0.5, urgent=True)
        await camera.plays(3)
        assert camera.looks.decoded == "main"
        assert min(glimpse.arrival for glimpse in camera.seen) >= BEGUN + 30.5
        assert max(camera.gaps(31)) <= 0.6


async def test_a_sub_stream_that_somebody_watches_already_is_looked_at_no_further_back_than_the_main_one_was() -> None:
    """A picture older than the last one that was looked at told, so it was thought, that the clock was set back."""
    async with scene(2, sub_gop=60) as camera:
        assert camera.sub is not None
        camera.sub.acquire()
        await camera.plays(31)
        camera.wish = Wish(0.5, urgent=True)
        await camera.plays(3)
        assert camera.looks.decoded == "sub"
        assert min(camera.gaps(0)) > 0


async def test_after_the_clock_was_set_back_a_camera_is_looked_at_as_before() -> None:
    async with scene(2) as camera:
        await camera.plays(20)
        camera.seen.clear()
        camera.frames -= 10 * FPS
        await camera.plays(6)
        assert [round(glimpse.arrival - BEGUN) for glimpse in camera.seen] == [10, 12, 14]


async def test_a_camera_that_nobody_sees_says_so_though_the_clock_was_set_back() -> None:
    """Until the clock had caught up it passed for one that had just come."""
    async with scene(2) as camera:
        await camera.plays(20)
        camera.live = False
        await camera.looks.decide()
        camera.live, camera.threads.busy, camera.awake.busy = True, True, True
        camera.frames -= 15 * FPS
        await camera.plays(8)
        assert camera.looks.rate_unmet


async def test_what_was_asked_for_ten_seconds_is_over_though_the_clock_was_set_back() -> None:
    async with scene(2) as camera:
        await camera.plays(20)
        camera.looks.ask(0.5, seconds=5.0)
        await camera.plays(1)
        assert camera.looks.decoded == "main"
        camera.frames -= 15 * FPS
        await camera.plays(12)
        assert camera.looks.decoded == "keyframes"


async def test_a_sub_stream_is_tried_again_though_the_clock_was_set_back() -> None:
    async with scene(10, sub_gop=2) as camera:
        assert camera.sub is not None
        await camera.plays(100)
        camera.sub.state = PullState("away", BEGUN, "rejected", 1.0, failures=3)
        await camera.plays(12)
        assert camera.looks.decoded == "main"
        camera.frames, camera.sub.state = 0, None
        await camera.plays(40)
        assert camera.looks.decoded == "sub"


async def test_a_look_that_fails_leaves_the_camera_watched() -> None:
    async with scene(2) as camera:
        camera.fails = 1
        await camera.plays(10)
        assert len(camera.seen) == 4


async def test_a_keyframe_that_could_not_be_decoded_for_once_leaves_the_camera_watched() -> None:
    async with scene(2) as camera:
        camera.threads.fails = 1
        await camera.plays(10)
        assert len(camera.seen) == 4


async def test_a_camera_that_is_awake_stays_watched_though_a_frame_of_it_could_not_be_decoded_for_once() -> None:
    """Its task had ended, and it counted as awake for as long as a rule wanted it so."""
    async with scene(60) as camera:
        await camera.plays(20)
        assert camera.looks.decoded == "main"
        camera.awake.fails = 1
        await camera.plays(20)
        assert camera.looks.decoded == "main"
        assert camera.seen[-1].arrival > BEGUN + 37
        assert max(camera.gaps(25)) <= 2.2


async def test_a_camera_that_is_awake_waits_for_no_keyframes_of_others() -> None:
    """Fifty cameras' keyframes came within a second, and a fire's second look waited behind them."""
    async with scene(60) as camera:
        await camera.plays(20)
        camera.wish = Wish(0.5, urgent=True)
        camera.threads.busy = True
        await camera.plays(10)
        assert max(camera.gaps(21)) <= 0.6


async def test_a_candidate_is_looked_at_every_half_second_in_a_sub_stream_whose_keyframes_sufficed_before() -> None:
    """The keyframe with which every frame begins to be decoded came before: counted twice, it had no distance."""
    async with scene(10, sub_gop=2) as camera:
        await camera.plays(30)
        assert camera.looks.decoded == "sub"
        camera.wish = Wish(0.5, urgent=True)
        await camera.plays(20)
        assert max(camera.gaps(35)) <= 0.6


async def test_a_keyframe_of_a_camera_that_is_awake_is_looked_at_though_another_look_lasts() -> None:
    """It was left out, so that a woken camera's fire could be told later than a sleeping one's: what lies between
    keyframes shows it less surely."""
    async with scene(2) as camera:
        await camera.plays(4)
        camera.wish = Wish(0.5, urgent=True)
        await camera.plays(3.6)
        assert camera.looks.decoded == "main"
        camera.engine = asyncio.Event()
        await camera.plays(0.6)
        assert camera.seen[-1].arrival < BEGUN + 8, "a look before the keyframe, which lasts"
        camera.engine.set()
        await _settled()
        assert camera.seen[-1].arrival == BEGUN + 8


async def test_a_keyframe_of_a_camera_that_is_awake_waits_for_no_keyframes_of_others() -> None:
    async with scene(2) as camera:
        await camera.plays(4)
        camera.wish = Wish(0.5, urgent=True)
        await camera.plays(3)
        camera.threads.busy = True
        await camera.plays(5)
        assert {BEGUN + 8, BEGUN + 10} <= {glimpse.arrival for glimpse in camera.seen}


async def test_keyframes_of_a_camera_that_is_awake_are_looked_at_no_more_often_than_the_rules_want(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream may change to keyframes alone, twenty-five a second, before anybody decides anew what is decoded."""
    monkeypatch.setattr("gateway.workers.camera.looks.DECIDE_EVERY", 60.0)
    async with scene(60) as camera:
        await camera.plays(20)
        assert camera.looks.decoded == "main"
        camera.seen.clear()
        for _ in range(10 * FPS):
            camera.now = BEGUN + camera.frames / FPS
            _publish(camera.bus, 60, 0, camera.now, 160)
            camera.frames += 1
            await _settled()
        assert camera.looks.decoded == "main"
        assert 4 <= len(camera.seen) <= 6


async def test_a_camera_whose_keyframes_cannot_be_decoded_says_so_until_they_can() -> None:
    """It was live and well, and nobody saw anything of it."""
    async with scene(1, cores=0) as camera:
        await camera.plays(6)
        camera.spoilt = True
        await camera.plays(6)
        assert camera.looks.rate_unmet
        assert camera.looks.ailment == camera.said[-1] == "pictures_unreadable"
        camera.spoilt = False
        await camera.plays(4)
        assert camera.seen[-1].arrival > BEGUN + 12
        assert (camera.looks.rate_unmet, camera.looks.ailment, camera.said[-1]) == (False, None, None)


async def test_where_keyframes_cannot_be_decoded_the_sub_stream_serves_until_they_can() -> None:
    """They came often enough, so that nothing else was tried."""
    async with scene(1, sub_gop=2) as camera:
        camera.spoilt = True
        await camera.plays(20)
        assert camera.looks.decoded == "sub"
        assert max(camera.gaps(8)) <= 2.2
        assert not camera.looks.rate_unmet
        assert camera.looks.ailment == "pictures_unreadable", "clips are of the main stream"
        camera.spoilt = False
        await camera.plays(45)
        assert camera.looks.decoded == "keyframes"
        assert camera.looks.ailment is None
        assert max(camera.gaps(8)) <= 2.2


async def test_a_single_keyframe_that_cannot_be_decoded_is_made_up_for_by_the_next_one() -> None:
    async with scene(1) as camera:
        await camera.plays(3.8)
        camera.spoilt = True
        await camera.plays(1)
        camera.spoilt = False
        await camera.plays(5)
        assert camera.gaps(0)[:3] == [2.0, 3.0, 2.0]
        assert camera.said == []


async def test_keyframes_that_cannot_be_decoded_are_not_all_tried_where_there_are_many() -> None:
    """A stream may be of keyframes alone: of every one of them nothing but the work would come."""
    async with scene(1, cores=0) as camera:
        for _ in range(20 * FPS):
            camera.now = BEGUN + camera.frames / FPS
            _publish(camera.bus, 1, 0, camera.now, 160, spoilt=True)
            camera.frames += 1
            await _settled()
        assert 10 <= camera.looks.unreadable <= 40


async def test_looks_that_fail_one_and_all_are_said_until_one_does_not() -> None:
    async with scene(2) as camera:
        camera.fails = 5
        await camera.plays(9)
        assert camera.said == ["looks_failed"]
        await camera.plays(4)
        assert camera.said == ["looks_failed", None]


async def test_what_ailed_a_camera_that_went_away_is_not_said_of_it_any_more() -> None:
    async with scene(1, cores=0) as camera:
        camera.spoilt = True
        await camera.plays(6)
        assert camera.looks.ailment == "pictures_unreadable"
        camera.live = False
        await camera.looks.decide()
        assert camera.looks.ailment is None
