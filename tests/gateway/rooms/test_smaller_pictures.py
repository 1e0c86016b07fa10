"""A camera's smaller stream in a room: for small tiles and for thin lines, and only what the viewer can play."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.rooms.arrangement import Arrangement
from gateway.rooms.member import CameraMember
from gateway.rooms.room import SMALL_TILES
from gateway.rooms.rooms import Rooms
from gateway.rooms.watching import Gates, Watching
from gateway.settings import WebRtcSettings
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame, VideoCodec
from gateway.streams.offers import Offer
from gateway.streams.outgoing import PacketisedFrames

LOOPBACK = WebRtcSettings(addresses=("127.0.0.1",))
IDR = b"\x00\x00\x00\x01\x67\x42\xe0\x1f\x00\x00\x01\x68\xce\x00\x00\x01\x65\xb8"
P_SLICE, B_SLICE = b"\x00\x00\x01\x41\x9a", b"\x00\x00\x01\x01\x9e"


@dataclass
class Stream:
    """A camera's stream, or its smaller one."""

    bus: FrameBus = field(default_factory=FrameBus)
    users: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def close(self) -> None: ...

    def acquire(self) -> None:
        self.users += 1

    def release(self) -> None:
        self.users -= 1

    def publish(self, data: bytes, *, key: bool = False, codec: VideoCodec = "h264") -> None:
        self.bus.publish(EncodedFrame("video", codec, data, next(self._numbers) * 3600, 90_000, 1.0, key))


class Transcoded:
    """Gives a bus for what the viewer cannot play."""

    def __init__(self) -> None:
        self.bus = FrameBus()
        self.users = 0

    def take(self, *_: Any, small: bool) -> FrameBus:
        self.users += 1
        return self.bus

    def leave(self, *_: Any) -> None:
        self.users -= 1


def watching(large: Stream, small: Stream, transcodings: Any = None) -> Watching:
    camera = CameraMember("camera", large, small, 0.0, lambda: 0.0)
    gates = Gates(lambda: True, lambda: True)
    offer = Offer("", ("video",), ("h264",), frozenset())
    return Watching(
        LOOPBACK, offer, camera, "viewer", PacketisedFrames(), transcodings, clock=lambda: 1.0,
        on_ended=lambda _: None, gates=gates,
    )  # fmt: skip


async def test_the_smaller_stream_is_sent_once_it_shows_something_and_let_go_when_it_is_not_wanted() -> None:
    large, small = Stream(), Stream()
    large.publish(IDR, key=True)
    one = watching(large, small)
    assert not one.send_smaller(wanted=True)
    assert (small.users, one.video._bus) == (1, large.bus), "the large one goes on until the smaller one is there"
    small.publish(IDR, key=True)
    assert one.send_smaller(wanted=True)
    assert (small.users, one.video._bus) == (1, small.bus)
    small.bus.interrupted()
    assert not one.send_smaller(wanted=True)
    assert one.video._bus is large.bus, "a smaller stream that is away is not waited for"
    assert not one.send_smaller(wanted=False)
    assert small.users == 0
    await one.close()
    assert small.users == 0


@pytest.mark.parametrize(("codec", "next_picture"), [("hevc", P_SLICE), ("h264", B_SLICE)])
async def test_a_smaller_stream_that_no_browser_shows_is_not_sent(codec: VideoCodec, next_picture: bytes) -> None:
    large, small = Stream(), Stream()
    large.publish(IDR, key=True)
    small.publish(IDR, key=True, codec=codec)
    small.publish(next_picture, codec=codec)
    one = watching(large, small)
    assert not one.send_smaller(wanted=True)
    assert one.video._bus is large.bus
    await one.close()
    assert small.users == 0


async def test_a_camera_in_h265_is_not_transcoded_while_its_smaller_stream_is_sent() -> None:
    large, small, transcoded = Stream(), Stream(), Transcoded()
    large.publish(b"\x00\x00\x00\x01\x40\x01", key=True, codec="hevc")
    small.publish(IDR, key=True)
    one = watching(large, small, transcoded)
    playing = asyncio.create_task(one.video.next_frame())
    await asyncio.sleep(0)
    assert (transcoded.users, one.video._bus) == (1, transcoded.bus)
    assert one.send_smaller(wanted=True)
    assert (transcoded.users, one.video._bus) == (0, small.bus)
    given = await asyncio.wait_for(playing, 1)
    assert given is not None
    assert given.codec == "h264"
    playing = asyncio.create_task(one.video.next_frame())
    assert not one.send_smaller(wanted=False)
    large.publish(b"\x00\x00\x00\x01\x40\x01", key=True, codec="hevc")
    await asyncio.sleep(0.01)
    assert (transcoded.users, one.video._bus) == (1, transcoded.bus)
    await one.close()
    await asyncio.wait_for(playing, 1)
    assert (transcoded.users, small.users) == (0, 0)


@dataclass
class Shown:
    """What the room asks of a watching."""

    wanted: bool = False
    can_be_smaller: bool = True
    sound_lost: int = 0

    def send_smaller(self, *, wanted: bool) -> bool:
        self.wanted = wanted
        return wanted

    def send_as_it_is(self) -> None: ...
    async def close(self) -> None: ...


async def test_of_many_pictures_at_once_all_but_the_stages_are_small_and_nobody_is_told_of_a_thin_line() -> None:
    told: list[Any] = []
    rooms = Rooms(LOOPBACK, lambda _: None, on_unsent=lambda *said: told.append(said))
    await rooms.open_room("r")
    room = rooms._rooms["r"]
    room.add_person("viewer")
    names = [f"camera{number}" for number in range(SMALL_TILES)]
    for name in names:
        await room.add_camera(name, Stream(), Stream())
    watchings = {name: Shown() for name in names}
    viewer = room._members["viewer"]
    viewer.watchings.update(watchings)  # type: ignore[arg-type]  # the parts that are asked
    room.arrange(1, Arrangement(stage=names[0]))
    await room.sweep()
    assert {name for name, one in watchings.items() if one.wanted} == set(names[1:])
    del viewer.watchings[names[-1]]
    await room.sweep()
    assert not any(watchings[name].wanted for name in names[:-1])
    assert told == []
    await rooms.close()
