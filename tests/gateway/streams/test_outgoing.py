"""A viewer's stream begins at a keyframe, again after each loss and each new epoch, and its time never goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import pairwise

from gateway.streams.access_unit import AccessUnit, read_access_unit
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.outgoing import CACHED_STEP, OutgoingVideo, PacketisedFrames, Timeline

PARAMETERS = b"\x00\x00\x00\x01\x67\x42\xe0\x1f\x00\x00\x01\x68\xce"
IDR, P_SLICE, B_SLICE = b"\x00\x00\x01\x65\xb8", b"\x00\x00\x01\x41\x9a", b"\x00\x00\x01\x01\x9e"
NOW = 1000.0


def frame(number: int, *, key: bool = False, epoch: int = 0, arrival: float = NOW + 1, pts: int = -1) -> EncodedFrame:
    data = (PARAMETERS + IDR if key else P_SLICE) + b"%d" % number
    return EncodedFrame("video", "h264", data, pts if pts >= 0 else number * 3600, 90_000, arrival, key, epoch)


def outgoing(bus: FrameBus, *, ask: Callable[[], None] | None = None) -> OutgoingVideo:
    return OutgoingVideo(
        bus, "viewer", PacketisedFrames(), clock=lambda: NOW, start="next_keyframe" if ask else "gop_cache",
        ask_source=ask,
    )  # fmt: skip


async def sent(video: OutgoingVideo, count: int) -> list[bytes]:
    """The numbers at the ends of the next frames."""
    frames = []
    async with asyncio.timeout(30):
        for _ in range(count):
            given = await video.next_frame()
            assert given is not None
            frames.append(given.payloads[-1][-1:])
    return frames


def test_the_kind_of_slice_is_read_from_the_bitstream() -> None:
    assert read_access_unit(PARAMETERS + IDR) == AccessUnit(True, False, True)
    assert read_access_unit(P_SLICE) == AccessUnit(False, False, False)
    assert read_access_unit(B_SLICE).b_slice
    assert read_access_unit(b"\x00\x00\x01\x01\x00").b_slice is False
    assert read_access_unit(b"") == read_access_unit(b"\x00\x00\x01") == AccessUnit(False, False, False)


def test_cached_frames_take_less_time_than_one_and_live_ones_their_own() -> None:
    timeline = Timeline()
    cached = [timeline.cached() for _ in range(250)]
    assert cached[-1] - cached[0] < 3600
    live = [timeline.live(frame(number)) for number in range(250, 260)]
    assert live[0] == cached[-1] + CACHED_STEP
    assert {later - earlier for earlier, later in pairwise(live)} == {3600}


def test_time_goes_on_when_the_source_begins_anew_or_its_clock_goes_back() -> None:
    timeline = Timeline()
    stamps = [timeline.live(frame(number)) for number in (5, 6)]
    stamps += [timeline.live(frame(0, epoch=1, pts=pts)) for pts in (0, 3600, 100, 7200)]
    stamps += [timeline.live(frame(0, epoch=2, pts=2**40))]
    assert stamps == sorted(set(stamps))
    assert stamps[-1] - stamps[0] < 5 * 3600


async def test_a_new_epoch_is_shown_from_its_first_keyframe() -> None:
    bus = FrameBus()
    video = outgoing(bus)
    bus.publish(frame(1, key=True, arrival=NOW - 1))
    assert await sent(video, 1) == [b"1"]
    for given in (frame(2), frame(3, epoch=1), frame(4, epoch=1, key=True), frame(5, epoch=1)):
        bus.publish(given)
    assert await sent(video, 3) == [b"2", b"4", b"5"]
    assert video.skipped == 1
    video.close()
    assert await video.next_frame() is None


async def test_a_viewer_that_lost_frames_goes_on_at_a_keyframe() -> None:
    bus = FrameBus()
    video = outgoing(bus)
    bus.publish(frame(0, key=True, arrival=NOW - 1))
    assert await sent(video, 1) == [b"0"]
    for number in range(1, 1000):
        bus.publish(frame(number, key=number % 100 == 7))
    assert video.lost > 0
    given = await video.next_frame()
    assert given is not None
    assert any(payload[0] & 0x1F in (5, 24) for payload in given.payloads), "a keyframe with its parameters"
    video.close()


async def test_a_browser_is_asked_for_a_keyframe_when_a_viewer_joins() -> None:
    bus = FrameBus()
    asked: list[int] = []
    video = outgoing(bus, ask=lambda: asked.append(1))
    bus.publish(frame(0, key=True))
    next_frame = asyncio.create_task(video.next_frame())
    await asyncio.sleep(0)
    assert asked == [1]
    bus.publish(frame(1))
    bus.publish(frame(2, key=True))
    given = await asyncio.wait_for(next_frame, 30)
    assert given is not None
    assert given.payloads[-1].endswith(b"2")
    video.close()


class Wire:
    """Sends at once what is not too large; a test may hold it up."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.room = True

    def room_for(self, size: int) -> bool:
        return self.room

    def frame_now(self, payloads: Sequence[bytes], timestamp: int, codec: str | None = None) -> None:
        self.sent.append(payloads[-1][-1:])


async def test_while_a_viewer_waits_frames_leave_as_they_are_published_and_never_out_of_turn() -> None:
    bus, wire = FrameBus(), Wire()
    video = outgoing(bus, ask=lambda: None)
    video.can_send_at_once(wire)
    waiting = asyncio.create_task(video.next_frame())
    await asyncio.sleep(0)
    for number in range(3):
        bus.publish(frame(number, key=number == 1))
    assert wire.sent == [b"1", b"2"], "from the first keyframe on"
    wire.room = False
    bus.publish(frame(3))
    wire.room = True
    bus.publish(frame(4))
    assert wire.sent == [b"1", b"2"], "what waits goes first"
    given = await asyncio.wait_for(waiting, 1)
    assert given is not None
    assert given.payloads[-1].endswith(b"3")
    assert await sent(video, 1) == [b"4"]
    assert (video.sent, video.lost) == (4, 0)
    video.close()


async def test_a_viewer_goes_over_to_another_size_at_its_newest_keyframe_and_time_goes_on() -> None:
    large, small = FrameBus(), FrameBus()
    video = outgoing(large)
    large.publish(frame(0, key=True, arrival=NOW - 1, pts=90_000_000))
    large.publish(frame(1, pts=90_003_600))
    stamps = []
    for _ in range(2):
        given = await video.next_frame()
        assert given is not None
        stamps.append(given.timestamp)
    waiting = asyncio.create_task(video.next_frame())
    await asyncio.sleep(0)
    for number, key in ((5, True), (6, False)):
        small.publish(frame(number, key=key, arrival=NOW - 1))
    video.turn_to(small)
    large.publish(frame(2))
    given = await asyncio.wait_for(waiting, 1)
    assert given is not None
    assert given.payloads[-1].endswith(b"5")
    stamps.append(given.timestamp)
    assert await sent(video, 1) == [b"6"]
    small.publish(frame(7))
    given = await video.next_frame()
    assert given is not None
    stamps.append(given.timestamp)
    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[1] < 3600
    video.close()
    assert await video.next_frame() is None


def test_a_frame_is_packetised_once_for_all_viewers() -> None:
    packetised = PacketisedFrames(kept=2)
    first = frame(1, key=True)
    assert packetised.of(first) is packetised.of(first)
    held = packetised.of(first)
    for number in range(2, 5):
        packetised.of(frame(number))
    assert packetised.of(first) is not held
