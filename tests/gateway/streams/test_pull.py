"""A camera is pulled from a real RTSP server: it goes away, comes back, refuses, stalls; each with its reason."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Protocol

import pytest
import structlog

from gateway.refusals import Refusal
from gateway.streams.address import StreamAddress
from gateway.streams.backoff import Backoff
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.nal import ParameterSets, is_random_access, nal_type, nal_units
from gateway.streams.pull import CameraPull, PullLimits, PullState

pytestmark = pytest.mark.integration

SOON = Backoff(first=0.1, longest=0.3)
LIMITS = PullLimits(opening=3.0, silence=1.0, keyframe=5.0)


class Peer(Protocol):
    port: int

    def url(self, path: str = "film") -> str: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...
    @property
    def process(self) -> object: ...


class Pulled:
    """A pull, what it said, and the frames it brought."""

    def __init__(self, address: StreamAddress, limits: PullLimits = LIMITS) -> None:
        self.bus = FrameBus()
        self.states: list[PullState] = []
        self.frames: list[EncodedFrame] = []
        self.bus.tap(self.frames.append)
        self.pull = CameraPull(
            address, self.bus, self.states.append, limits=limits, retry=SOON, retry_after_wrong_password=SOON,
            chance=lambda: 0.0,
        )  # fmt: skip

    def reasons(self) -> list[str]:
        return [state.reason for state in self.states if state.reason is not None]

    def phases(self) -> list[str]:
        return [state.phase for state in self.states]

    async def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def pulling(address: StreamAddress, limits: PullLimits = LIMITS) -> AsyncIterator[Pulled]:
    pulled = Pulled(address, limits)
    await pulled.pull.start()
    try:
        yield pulled
    finally:
        await pulled.pull.stop()


def in_order(frames: list[EncodedFrame]) -> bool:
    return all(a.epoch < b.epoch or a.pts < b.pts for a, b in pairwise(frames))


async def test_whole_pictures_arrive_with_their_parameters_and_times(peer: Peer) -> None:
    async with pulling(StreamAddress(peer.url())) as pulled:
        await pulled.until(lambda: len(pulled.frames) >= 60)
        frames = pulled.frames[:60]
        assert frames[0].keyframe
        keys = [at for at, frame in enumerate(frames) if frame.keyframe]
        assert {b - a for a, b in pairwise(keys)} == {25}
        for frame in frames:
            kinds = [nal_type("h264", unit) for unit in nal_units(frame.data)]
            if frame.keyframe:
                assert ParameterSets.found_in("h264", nal_units(frame.data)).complete
                assert kinds[:2] == [7, 8]
            assert len([kind for kind in kinds if kind in (1, 5)]) == 2, "both slices of a picture are in its frame"
        assert {b.pts - a.pts for a, b in pairwise(frames)} == {3600}
        assert {(frame.width, frame.height, frame.clock_rate) for frame in frames} == {(320, 180, 90_000)}
        assert {frame.composition_offset for frame in frames} == {0}
        live = pulled.states[-1]
        assert live.phase == "live"
        assert live.stream is not None
        assert (live.stream.codec, live.stream.b_frames) == ("h264", False)
        assert pulled.bus.last_frame_at is not None
    assert pulled.phases()[-1] == "stopped"
    assert pulled.bus.gop() == ()


async def test_nothing_is_published_and_no_thread_is_left_after_a_stop(peer: Peer) -> None:
    before = threading.active_count()
    async with pulling(StreamAddress(peer.url())) as pulled:
        await pulled.until(lambda: pulled.frames)
    count = len(pulled.frames)
    await asyncio.sleep(0.2)
    assert len(pulled.frames) == count
    assert threading.active_count() <= before + 1


@pytest.mark.parametrize(("codec", "rate", "size"), [("pcm_alaw", 8000, None), ("aac", 16_000, 2)])
async def test_the_cameras_sound_rides_the_bus_beside_its_pictures(
    peer: Peer, codec: str, rate: int, size: int | None
) -> None:
    bus, pictures = FrameBus(), list[EncodedFrame]()
    bus.tap(pictures.append)
    pull = CameraPull(StreamAddress(peer.url(f"heard-{codec}")), bus, lambda _state: None, limits=LIMITS, sound=True)
    listening = bus.sound.listen()
    await pull.start()
    async with asyncio.timeout(15):
        heard = [frame for _ in range(20) if (frame := await listening.take()) is not None]
    await pull.stop()
    assert bus.audio is not None
    assert (bus.audio.codec, bus.audio.sample_rate, len(bus.audio.config) or None) == (codec, rate, size)
    assert {(frame.kind, frame.codec) for frame in heard} == {("audio", codec)}
    assert in_order(heard)
    assert {frame.kind for frame in pictures} == {"video"}
    assert listening.drops == 0


async def test_h265_is_pulled_as_it_is(peer: Peer) -> None:
    async with pulling(StreamAddress(peer.url("h265"))) as pulled:
        await pulled.until(lambda: sum(frame.keyframe for frame in pulled.frames) >= 2)
        for frame in pulled.frames:
            assert frame.codec == "hevc"
            if frame.keyframe:
                units = nal_units(frame.data)
                assert ParameterSets.found_in("hevc", units).complete
                assert any(is_random_access("hevc", unit) for unit in units)
        assert in_order(pulled.frames)
        assert pulled.frames[0].width == 320


async def test_b_frames_are_noticed_and_their_times_kept(peer: Peer) -> None:
    async with pulling(StreamAddress(peer.url("bframes"))) as pulled:
        await pulled.until(lambda: len(pulled.frames) >= 75)
        stream = pulled.pull.state.stream
        assert stream is not None
        assert stream.b_frames
        frames = pulled.frames[25:75]
        assert in_order(pulled.frames)
        shown = sorted(frame.pts + frame.composition_offset for frame in frames)
        assert {b - a for a, b in pairwise(shown)} == {3600}


async def test_a_camera_that_changes_its_picture_size_begins_a_new_epoch(peer: Peer) -> None:
    async with pulling(StreamAddress(peer.url("changing"))) as pulled:
        await pulled.until(lambda: {frame.width for frame in pulled.frames} == {320, 480})
        change = next(at for at, frame in enumerate(pulled.frames) if frame.width == 480)
        assert pulled.frames[change].keyframe
        assert pulled.frames[change].epoch == pulled.frames[change - 1].epoch + 1
        await pulled.until(lambda: pulled.pull.state.stream is not None and pulled.pull.state.stream.height == 270)


async def test_a_camera_that_dies_and_comes_back_is_pulled_again(peer: Peer) -> None:
    async with pulling(StreamAddress(peer.url())) as pulled:
        await pulled.until(lambda: len(pulled.frames) >= 30)
        peer.kill()
        await pulled.until(lambda: "refused" in pulled.reasons())
        assert pulled.reasons()[0] in ("stream_ended", "connection_lost")
        assert pulled.bus.gop() == (), "its last picture is not the present"
        first = len(pulled.frames)
        peer.start()
        await pulled.until(lambda: len(pulled.frames) >= first + 30)
        assert pulled.frames[first].keyframe
        assert pulled.frames[first].epoch == pulled.frames[first - 1].epoch + 1
        assert pulled.phases()[-1] == "live"
        assert in_order(pulled.frames)


async def test_a_camera_that_falls_silent_is_said_to_stall(peer: Peer) -> None:
    async with pulling(StreamAddress(peer.url())) as pulled:
        await pulled.until(lambda: pulled.frames)
        peer.process.send_signal(signal.SIGSTOP)  # type: ignore[attr-defined]
        try:
            await pulled.until(lambda: pulled.reasons())
            assert pulled.reasons()[0] == "stalled"
            await pulled.until(lambda: len(pulled.reasons()) >= 2)
            assert pulled.reasons()[1] == "timeout"
        finally:
            peer.process.send_signal(signal.SIGCONT)  # type: ignore[attr-defined]
        await pulled.until(lambda: pulled.phases()[-1] == "live")


async def test_a_wrong_password_is_said_and_never_shown(guarded_peer: Peer) -> None:
    secret = "not-the-password"
    with structlog.testing.capture_logs() as logs:
        async with pulling(StreamAddress(guarded_peer.url(), "us er", secret)) as pulled:
            await pulled.until(lambda: pulled.reasons())
            away = pulled.states[-1]
            assert away.reason == "auth_failed"
            assert "密码" in away.zh
            assert "password" in away.en
            assert away.retry_in is not None
            assert away.retry_in > 0
    assert secret not in repr((logs, pulled.states, pulled.pull.__dict__))


async def test_a_password_full_of_signs_opens_the_stream(guarded_peer: Peer) -> None:
    async with pulling(StreamAddress(guarded_peer.url(), "us er", "p:a@s/s%w?ord")) as pulled:
        await pulled.until(lambda: pulled.frames)
        assert pulled.reasons() == []


@pytest.mark.parametrize(
    ("path", "reason"), [("nothing-here", "not_found"), ("sound", "no_video"), ("raw", "unsupported_codec")]
)
async def test_what_cannot_be_shown_is_refused_with_its_reason(peer: Peer, path: str, reason: str) -> None:
    async with pulling(StreamAddress(peer.url(path))) as pulled:
        await pulled.until(lambda: pulled.reasons())
        assert pulled.reasons()[0] == reason
        assert pulled.frames == []


async def test_nobody_there_and_nobody_answering_are_told_apart() -> None:
    mute = await asyncio.start_server(lambda _reader, _writer: asyncio.sleep(30), "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    limits = PullLimits(opening=1.0, silence=1.0)
    try:
        async with pulling(StreamAddress(f"rtsp://127.0.0.1:{port}/x"), limits) as pulled:
            await pulled.until(lambda: pulled.reasons())
            assert pulled.reasons()[0] == "timeout"
    finally:
        mute.close()
    async with pulling(StreamAddress("rtsp://127.0.0.1:1/x")) as pulled:
        await pulled.until(lambda: len(pulled.reasons()) >= 3)
        assert set(pulled.reasons()) == {"refused"}
        pauses = [state.retry_in for state in pulled.states if state.phase == "away"]
        assert pauses[:3] == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\n\r\n", b"\xff" * 5000, b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 9]
)
async def test_a_peer_that_is_no_camera_does_no_harm(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(100)
            writer.write(answer)
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with pulling(StreamAddress(f"rtsp://127.0.0.1:{port}/x")) as pulled:
            await pulled.until(lambda: len(pulled.reasons()) >= 2)
    finally:
        server.close()


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "rtsp://", "file:///etc/passwd", "rtsp://u:p@host/x", "rtsp://h:99999/", "rtsp://h/\n"],
)
def test_only_rtsp_addresses_without_credentials_are_taken(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        StreamAddress(url, "user", "password")
    assert refused.value.reason == "stream_address_invalid"
