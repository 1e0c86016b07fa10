"""A camera's sound reaches a viewer: G.711 as it is, AAC as Opus that is still the same tone."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from av import AudioFrame

from gateway.streams import aiortc_seams as seams
from gateway.streams.bus import FrameBus
from gateway.streams.frame import AudioFormat, EncodedFrame
from gateway.streams.opus import OpusCoder
from gateway.streams.outgoing_sound import OpusSounds
from gateway.streams.whep import WhepDoor

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)

FILM = parts.film(50)
TONE = 440
RATES = {"pcm_alaw": 8000, "pcm_mulaw": 8000, "aac": 16_000}


def tone(codec: str, seconds: float = 2.0) -> tuple[AudioFormat, list[EncodedFrame]]:
    """A camera's sound, encoded."""
    rate = RATES[codec]
    encoder = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout = rate, "mono"
    encoder.format = "fltp" if codec == "aac" else "s16"
    encoder.time_base = Fraction(1, rate)
    encoder.open()
    size = 1024 if codec == "aac" else 160
    made = []
    for begin in range(0, int(seconds * rate), size):
        wave = 0.5 * np.sin(2 * np.pi * TONE * np.arange(begin, begin + size) / rate)
        samples = wave.astype(np.float32) if codec == "aac" else (wave * 32767).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), str(encoder.format.name), "mono")
        frame.sample_rate, frame.pts = rate, begin
        for packet in encoder.encode(frame):
            pts = len(made) * size * 90_000 // rate
            made.append(EncodedFrame("audio", codec, bytes(packet), pts, 90_000, 0.0, False))  # type: ignore[arg-type]
    return AudioFormat(codec, rate, 1, bytes(encoder.extradata or b"")), made  # type: ignore[arg-type]


def loudest(samples: np.ndarray[tuple[int, ...], np.dtype[np.int16]], rate: int) -> float:
    """The frequency with the most power."""
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    return float(np.fft.rfftfreq(samples.size, 1 / rate)[spectrum.argmax()])


@asynccontextmanager
async def humming(bus: FrameBus, codec: str) -> AsyncIterator[None]:
    """In real time, over and over."""
    bus.audio, sound = tone(codec)
    step = sound[1].pts - sound[0].pts

    async def hum() -> None:
        for number in range(100_000):
            bus.publish(replace(sound[number % len(sound)], pts=number * step, arrival=time.time()))
            await asyncio.sleep(step / 90_000)

    task = asyncio.create_task(hum())
    yield
    task.cancel()


async def test_aac_becomes_opus_of_the_same_length_and_tone() -> None:
    audio, sound = tone("aac")
    coder = OpusCoder(audio)
    coded = [made for frame in sound for made in coder.take(frame)]
    assert 90 <= len(coded) <= 101
    assert {later.pts - earlier.pts for earlier, later in pairwise(coded)} == {960}
    decoder = av.CodecContext.create("opus", "r")
    decoder.sample_rate = 48_000
    heard = [frame.to_ndarray()[0] for made in coded for frame in decoder.decode(av.Packet(made.data))]
    samples = np.concatenate(heard)[24_000:72_000]
    assert abs(loudest(samples, 48_000) - TONE) < 5


async def test_damaged_sound_makes_nothing_and_breaks_nothing() -> None:
    audio, sound = tone("aac", 0.5)
    coder = OpusCoder(audio)
    for frame in sound:
        coder.take(replace(frame, data=bytes(reversed(frame.data))))
    assert [made for frame in tone("aac")[1] for made in coder.take(frame)]


@pytest.mark.parametrize(("codec", "sent_as"), [("pcm_alaw", "PCMA"), ("pcm_mulaw", "PCMU"), ("aac", "opus")])
async def test_a_viewer_hears_the_camera(codec: str, sent_as: str) -> None:
    bus, door, client = FrameBus(), WhepDoor(parts.LOOPBACK), seams.new_connection()
    async with parts.playing(bus, FILM, ahead=20), humming(bus, codec):
        opened = await door.open(bus, await offer_of(client))
        audio = opened.answer[opened.answer.index("m=audio") : opened.answer.index("m=video")]
        assert f" {sent_as}/" in audio
        assert audio.count("a=rtpmap") == 1
        await client.setRemoteDescription(RTCSessionDescription(opened.answer, "answer"))
        track = next(r.track for r in client.getReceivers() if r.track is not None and r.track.kind == "audio")
        async with asyncio.timeout(8):
            heard = [await track.recv() for _ in range(60)]
        samples = np.concatenate(
            [frame.to_ndarray().reshape(-1)[:: len(frame.layout.channels)] for frame in heard[10:]]
        )
        assert abs(loudest(samples, heard[0].sample_rate) - TONE) < 10
        await door.close(opened.viewing_id)
        await parts.until(lambda: bus.sound.listeners == 0)
    await door.close_all()
    await client.close()


async def test_one_who_comes_after_the_coder_failed_hears_the_camera_though_another_still_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A coder that had failed was given to all who came while one listened: they heard nothing."""
    bus, sounds = FrameBus(), OpusSounds()
    bus.audio, sound = tone("aac")

    def fails(_coder: OpusCoder, _frame: EncodedFrame) -> list[EncodedFrame]:
        raise ValueError("sound that nobody foresaw")

    with monkeypatch.context() as faulty:
        faulty.setattr(OpusCoder, "take", fails)
        first = sounds.listen(bus)
        assert first is not None
        waiting = asyncio.create_task(first.next_frame())
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while not waiting.done():
                bus.publish(sound[0])
                await asyncio.sleep(0.01)
    second = sounds.listen(bus)
    assert second is not None
    hearing = asyncio.create_task(second.next_frame())
    async with asyncio.timeout(10):
        for frame in sound:
            bus.publish(frame)
            await asyncio.sleep(0.01)
            if hearing.done():
                break
        assert await hearing is not None
    first.close()
    second.close()
    await sounds.close()


async def test_without_sound_a_viewer_sees_all_the_same() -> None:
    bus, door, client = FrameBus(), WhepDoor(parts.LOOPBACK), seams.new_connection()
    async with parts.playing(bus, FILM, ahead=20):
        opened = await door.open(bus, await offer_of(client))
        assert "a=inactive" in opened.answer[: opened.answer.index("m=video")]
    await door.close_all()
    await client.close()


async def offer_of(connection: RTCPeerConnection) -> str:
    for kind in ("audio", "video"):
        connection.addTransceiver(kind, direction="recvonly")
    await connection.createOffer()
    seams.bind_addresses(connection, parts.LOOPBACK)
    await connection.setLocalDescription(await connection.createOffer())
    return connection.localDescription.sdp
