"""Where browsers cannot play a camera's main stream, its sub-stream is shown as it is: pulled once, and it is said."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from gateway.streams import aiortc_seams as seams
from gateway.streams.address import StreamAddress
from gateway.streams.backoff import Backoff
from gateway.streams.bus import FrameBus
from gateway.streams.on_demand import OnDemandSource
from gateway.streams.playable import Playability, PlayableSource
from gateway.streams.pull import PullLimits
from gateway.streams.rtsp_out import RtspServer
from gateway.streams.source import RemoteSource
from gateway.streams.whep import WhepDoor

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)

pytestmark = pytest.mark.integration
LIMITS = PullLimits(3.0, 2.0, 5.0)
PATH = "cameras/1/playable"


class Peer(Protocol):
    port: int

    def url(self, path: str = "film") -> str: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...


@pytest.fixture
async def sub(peer: Peer) -> AsyncIterator[OnDemandSource]:
    """Plain H.264, 320x180."""
    source = OnDemandSource(StreamAddress(peer.url()), name="sub", limits=LIMITS, retry=Backoff(0.2, 0.5), linger=0.1)
    yield source
    await source.close()


@pytest.fixture
async def door() -> AsyncIterator[WhepDoor]:
    opened = WhepDoor(parts.LOOPBACK, connect_within=5)
    yield opened
    await opened.close_all()


@pytest.fixture
async def client() -> AsyncIterator[RTCPeerConnection]:
    connection = seams.new_connection()
    yield connection
    await connection.close()


async def offer_of(connection: RTCPeerConnection) -> str:
    connection.addTransceiver("video", direction="recvonly")
    await connection.createOffer()
    for transceiver in connection.getTransceivers():
        ice = transceiver.receiver.transport.transport._connection
        ice.get_component_candidates = seams._host_candidates(ice, parts.LOOPBACK)  # type: ignore[method-assign]
    await connection.setLocalDescription(await connection.createOffer())
    return connection.localDescription.sdp


async def test_a_viewer_of_h265_gets_the_sub_stream_as_it_is_and_the_last_one_lets_it_go(
    live_h265: FrameBus, door: WhepDoor, client: RTCPeerConnection, sub: OnDemandSource
) -> None:
    opened = await door.open(live_h265, await offer_of(client), sub=sub)
    assert opened.note == "sub_stream;width=320;height=180"
    await client.setRemoteDescription(RTCSessionDescription(opened.answer, "answer"))
    track = client.getReceivers()[-1].track
    async with asyncio.timeout(8):
        assert {((await track.recv()).width) for _ in range(20)} == {320}
    other = seams.new_connection()
    again = await door.open(live_h265, await offer_of(other), sub=sub)
    assert again.note == opened.note
    counts = door.counts()
    assert (counts.viewers, counts.sub_streams, counts.transcodings) == (2, 2, 0)
    await door.close(opened.viewing_id)
    await asyncio.sleep(0.3)
    assert sub.connected, "somebody still watches"
    await door.close(again.viewing_id)
    await parts.until(lambda: not sub.connected, 3)
    assert door.counts().sub_streams == 0
    await other.close()


@pytest.mark.parametrize("sub_stream", ["h265", "missing"])
async def test_a_sub_stream_that_cannot_be_played_either_leaves_the_main_one_transcoded(
    live_bframes: FrameBus, door: WhepDoor, client: RTCPeerConnection, peer: Peer, sub_stream: str
) -> None:
    source = OnDemandSource(StreamAddress(peer.url(sub_stream)), name="sub", limits=LIMITS, linger=0.1)
    begun = time.monotonic()
    opened = await door.open(live_bframes, await offer_of(client), sub=source)
    assert opened.note == "transcoded"
    assert time.monotonic() - begun < 6
    assert door.counts().sub_streams == 0
    await parts.until(lambda: not source.connected, 3)
    await source.close()


async def test_a_main_stream_that_browsers_play_needs_no_sub_stream(
    live: FrameBus, door: WhepDoor, client: RTCPeerConnection, sub: OnDemandSource
) -> None:
    assert (await door.open(live, await offer_of(client), sub=sub)).note is None
    assert not sub.connected


async def test_a_room_reads_the_sub_stream_with_its_note_and_waits_for_it_when_it_is_away(
    live_h265: FrameBus, sub: OnDemandSource, peer: Peer
) -> None:
    playability = Playability()
    server = RtspServer(lambda path: PlayableSource(live_h265, sub, playability) if path == PATH else None)
    port = await server.start("127.0.0.1", 0)
    username, password = server.lend(PATH, "room", time.time() + 60)
    address = StreamAddress(f"rtsp://127.0.0.1:{port}/{PATH}", username, password)
    room = RemoteSource(address, limits=PullLimits(8.0, 1.0, 5.0))
    await room.start()
    await parts.until(lambda: room.bus.last_keyframe is not None, 8)
    assert room.bus.last_keyframe is not None
    assert (room.bus.last_keyframe.codec, room.bus.last_keyframe.width) == ("h264", 320)
    assert room.note == "sub_stream;width=320;height=180"
    peer.kill()
    await parts.until(lambda: room.state.phase == "away", 8)
    peer.start()
    frames = room.bus.stats().frames
    await parts.until(lambda: room.bus.stats().frames > frames, 12)
    assert room.bus.last_keyframe is not None
    assert room.bus.last_keyframe.codec == "h264"
    await room.stop()
    await parts.until(lambda: not sub.connected, 3)
    await server.stop()
