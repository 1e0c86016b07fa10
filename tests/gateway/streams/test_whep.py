"""A camera's H.264 reaches a viewer as it is, from the cached picture on; what would be a black picture is refused."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from av import VideoFrame

from gateway.refusals import Refusal
from gateway.streams import aiortc_seams as seams
from gateway.streams.bus import FrameBus
from gateway.streams.whep import WhepDoor

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)

FILM = parts.film()
NO_NEXT_KEYFRAME = parts.film(5 * parts.GOP, gop=5 * parts.GOP)
"""For ten seconds: what is shown before can but come from the cache."""


@pytest.fixture
async def door() -> AsyncIterator[WhepDoor]:
    opened = WhepDoor(parts.LOOPBACK, most_sessions=2, connect_within=15)
    yield opened
    await opened.close_all()


@pytest.fixture
async def client() -> AsyncIterator[RTCPeerConnection]:
    connection = seams.new_connection()
    yield connection
    await connection.close()


async def offer_of(connection: RTCPeerConnection, *kinds: str) -> str:
    for kind in kinds or ("video",):
        connection.addTransceiver(kind, direction="recvonly")
    await connection.createOffer()
    for transceiver in connection.getTransceivers():
        ice = transceiver.receiver.transport.transport._connection
        ice.get_component_candidates = seams._host_candidates(ice, parts.LOOPBACK)  # type: ignore[method-assign]
    await connection.setLocalDescription(await connection.createOffer())
    return connection.localDescription.sdp


async def pictures(connection: RTCPeerConnection, count: int) -> list[VideoFrame]:
    track = connection.getReceivers()[-1].track
    async with asyncio.timeout(20):
        return [await track.recv() for _ in range(count)]


@pytest.mark.parametrize("kinds", [("video",), ("audio", "video"), ("video", "audio")])
async def test_a_viewer_decodes_the_film_from_the_cached_keyframe(
    door: WhepDoor, client: RTCPeerConnection, kinds: tuple[str, ...]
) -> None:
    bus = FrameBus()
    async with parts.playing(bus, NO_NEXT_KEYFRAME, ahead=20):
        opened = await door.open(bus, await offer_of(client, *kinds))
        begun = asyncio.get_running_loop().time()
        await client.setRemoteDescription(RTCSessionDescription(opened.answer, "answer"))
        track = next(r.track for r in client.getReceivers() if r.track is not None and r.track.kind == "video")
        async with asyncio.timeout(20):
            shown = [await track.recv() for _ in range(40)]
        assert asyncio.get_running_loop().time() - begun < 9
        assert {(frame.width, frame.height) for frame in shown} == {(parts.WIDTH, parts.HEIGHT)}
        stamps = [frame.pts for frame in shown]
        assert stamps == sorted(set(stamps))
        await door.close(opened.viewing_id)
        counts = door.counts()
        assert (counts.viewers, counts.frames_lost) == (0, 0)
        assert counts.frames_sent >= 40


async def test_the_last_of_the_cache_is_not_a_group_of_pictures_behind(
    door: WhepDoor, client: RTCPeerConnection
) -> None:
    bus = FrameBus()
    for number, frame in enumerate(FILM[:40]):
        bus.publish(replace(frame, arrival=1.0 + number / parts.FRAMES_PER_SECOND))
    opened = await door.open(bus, await offer_of(client))
    await client.setRemoteDescription(RTCSessionDescription(opened.answer, "answer"))
    shown = await pictures(client, 36)
    assert shown[-1].pts - shown[0].pts < 90_000 // 10


async def test_a_lost_picture_is_served_from_the_cache_at_most_once_a_second(
    door: WhepDoor, client: RTCPeerConnection
) -> None:
    bus = FrameBus()
    async with parts.playing(bus, FILM, ahead=20):
        opened = await door.open(bus, await offer_of(client))
        await client.setRemoteDescription(RTCSessionDescription(opened.answer, "answer"))
        await pictures(client, 15)
        session = door.session(opened.viewing_id)
        assert session is not None
        loop = asyncio.get_running_loop()
        before, began = session.frames_sent, loop.time()
        receiver = client.getReceivers()[-1]
        ssrc = receiver.getSynchronizationSources()[0].source
        for _ in range(5):
            await seams.request_keyframe(receiver, ssrc)
        await parts.until(lambda: session.frames_sent - before >= 20)
        await asyncio.sleep(0.2)
        live = (loop.time() - began) * parts.FRAMES_PER_SECOND
        assert 10 <= session.frames_sent - before - live <= parts.GOP
        assert len(await pictures(client, 20)) == 20


@pytest.mark.parametrize("source", ["h265", "b_frames"])
async def test_what_browsers_cannot_play_is_transcoded_once_for_all_and_it_is_said(
    live_h265: FrameBus, live_bframes: FrameBus, door: WhepDoor, client: RTCPeerConnection, source: str
) -> None:
    bus = live_h265 if source == "h265" else live_bframes
    other = seams.new_connection()
    for connection in (client, other):
        opened = await door.open(bus, await offer_of(connection))
        assert opened.note == "transcoded"
        await connection.setRemoteDescription(RTCSessionDescription(opened.answer, "answer"))
        shown = await pictures(connection, 20)
        assert {(frame.width, frame.height) for frame in shown} == {(320, 180)}
        stamps = [frame.pts for frame in shown]
        assert stamps == sorted(set(stamps))
    assert door.counts().transcodings == 1
    await other.close()
    await door.close_all()
    assert door.counts().transcodings == 0
    assert bus.stats().subscribers == 0


async def test_one_transcoding_too_many_is_refused_in_words(live_h265: FrameBus, client: RTCPeerConnection) -> None:
    door = WhepDoor(parts.LOOPBACK, most_transcodings=1)
    offer = await offer_of(client)
    await door.open(live_h265, offer)
    other = FrameBus()
    for frame in live_h265.gop():
        other.publish(frame)
    with pytest.raises(Refusal, match="transcodings_too_many") as refused:
        await door.open(other, offer)
    assert "H.264" in refused.value.zh
    await door.close_all()


async def test_a_source_whose_pictures_cannot_be_decoded_gives_no_picture_and_leaves_nothing(
    door: WhepDoor, client: RTCPeerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.streams.playable.FIRST_FRAME_WITHIN", 0.3)
    bus = FrameBus()
    for frame in FILM[:5]:
        bus.publish(replace(frame, codec="hevc"))
    with pytest.raises(Refusal, match="no_picture"):
        await door.open(bus, await offer_of(client))
    assert door.viewers == door.counts().transcodings == 0


@pytest.mark.parametrize(
    ("offer", "reason"),
    [
        ("", "sdp_malformed"),
        ("v=0\r\nm=video", "sdp_malformed"),
        ("\x00" * 100, "sdp_malformed"),
        ("v=0\r\n" + "a=x\r\n" * 20_000, "sdp_too_large"),
        ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "sdp_incomplete"),
    ],
)
async def test_a_broken_offer_is_refused(door: WhepDoor, offer: str, reason: str) -> None:
    bus = FrameBus()
    with pytest.raises(Refusal) as refused:
        await door.open(bus, offer)
    assert refused.value.reason == reason
    assert refused.value.field == "offer"


async def test_every_cut_and_every_missing_line_of_an_offer_is_answered_or_refused(client: RTCPeerConnection) -> None:
    door = WhepDoor(parts.LOOPBACK, most_sessions=500)
    bus = FrameBus()
    for frame in FILM[:15]:
        bus.publish(replace(frame, arrival=1.0))
    lines = (await offer_of(client)).splitlines()
    kinds = set()
    for number in range(0, len(lines), 2):
        for text in ("\r\n".join(lines[:number]), "\r\n".join(lines[:number] + lines[number + 1 :])):
            try:
                await door.open(bus, text + "\r\n")
            except Refusal as refusal:
                kinds.add(refusal.kind)
    assert kinds == {"invalid"}
    await door.close_all()
    assert door.viewers == 0


async def test_an_offer_of_no_codec_of_ours_is_refused_and_one_of_vp8_alone_gets_the_camera_transcoded(
    door: WhepDoor, client: RTCPeerConnection
) -> None:
    text = (await offer_of(client)).replace("H264", "H263")
    with pytest.raises(Refusal, match="codecs_not_offered"):
        await door.open(FrameBus(), text.replace("VP8", "VP7"))
    bus = FrameBus()
    async with parts.playing(bus, FILM, ahead=20):
        opened = await door.open(bus, text)
        assert opened.note == "transcoded"
        assert "H264" not in opened.answer
        await client.setRemoteDescription(RTCSessionDescription(opened.answer, "answer"))
        seen = (await pictures(client, 10))[-1]
        assert np.median(seen.to_ndarray(format="gray")) == pytest.approx(60, abs=20)
    await door.close_all()


async def test_one_viewer_too_many_is_refused_and_one_that_never_connects_is_closed() -> None:
    ended: list[tuple[str, str]] = []
    door = WhepDoor(
        parts.LOOPBACK, most_sessions=1, connect_within=0.4, on_closed=lambda key, why: ended.append((key, why))
    )
    client = seams.new_connection()
    offer = await offer_of(client)
    bus = FrameBus()
    async with parts.playing(bus, FILM, ahead=13):
        opened = await door.open(bus, offer, viewing_id="one")
        with pytest.raises(Refusal, match="viewers_too_many"):
            await door.open(bus, offer)
        await parts.until(lambda: door.viewers == 0)
        assert ended == [("one", "never_connected")]
        assert opened.viewing_id == "one"
    await client.close()
    await door.close_all()


async def test_a_viewing_ends_when_b_frames_come_later_and_whoever_comes_back_sees_them_transcoded(
    client: RTCPeerConnection,
) -> None:
    ended: list[str] = []
    door = WhepDoor(parts.LOOPBACK, on_closed=lambda key, why: ended.append(why))
    bus = FrameBus()
    offer = await offer_of(client)
    async with parts.playing(bus, FILM, ahead=20):
        opened = await door.open(bus, offer)
        await client.setRemoteDescription(RTCSessionDescription(opened.answer, "answer"))
        await pictures(client, 5)
    for frame in parts.film(12, bframes=2):
        bus.publish(replace(frame, epoch=1))
    await parts.until(lambda: ended == ["b_frames"])
    assert (await door.open(bus, offer)).note == "transcoded"
    await door.close_all()


async def test_a_thousand_offers_at_once_are_answered_within_bounds_and_disturb_nobody(
    client: RTCPeerConnection,
) -> None:
    door = WhepDoor(parts.LOOPBACK, most_sessions=4, connect_within=15)
    bus = FrameBus()
    async with parts.playing(bus, FILM, ahead=20):
        opened = await door.open(bus, await offer_of(client))
        await client.setRemoteDescription(RTCSessionDescription(opened.answer, "answer"))
        await pictures(client, 20)
        offer = client.localDescription.sdp
        answers = await asyncio.gather(*(door.open(bus, offer) for _ in range(1000)), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, Refusal)]
        assert {refusal.reason for refusal in refused} == {"viewers_too_many"}
        assert len(answers) - len(refused) == 3
        session = door.session(opened.viewing_id)
        assert session is not None
        assert len(await pictures(client, 25)) == 25
        assert session.frames_lost == 0
    await door.close_all()


@pytest.mark.integration
@pytest.mark.timeout(60)
@parts.needs_chromium
async def test_a_browser_shows_the_camera(door: WhepDoor) -> None:
    bus = FrameBus()

    async def whep(name: str, offer: str) -> str:
        return (await door.open(bus, offer, viewing_id=name)).answer

    async with parts.playing(bus, NO_NEXT_KEYFRAME, ahead=30), parts.chromium() as browser:
        page = await browser.new_page()
        await page.expose_function("whep", whep)
        await page.set_content(parts.PAGE)
        viewer = parts.Viewer(page)
        async with asyncio.timeout(20):
            first_picture_ms = await page.evaluate("watch('camera', false, 'whep')")
        assert first_picture_ms < 9_000, "the picture came with the next keyframe, not from the cache"
        before = await viewer.numbers("camera")

        async def goes_on() -> bool:
            now = await viewer.numbers("camera")
            return now["time"] - before["time"] > 1 and now["decoded"] - before["decoded"] > 25

        await parts.until(goes_on)
        assert before["width"] == parts.WIDTH
        await page.close()
        assert door.viewers == 1
