"""A camera's sound to WebRTC viewers: G.711 and Opus as they are, AAC as Opus, coded once for all who listen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from gateway.streams.bus import FrameBus
from gateway.streams.frame import AudioFormat
from gateway.streams.offers import Offer
from gateway.streams.opus import SAMPLE_RATE, OpusCoder
from gateway.streams.rtp_sending import OutgoingFrame
from gateway.streams.rtsp_out_rtp import RtpTimeline
from gateway.streams.sound import Sound

log = structlog.get_logger(__name__)

PCMA, PCMU, OPUS = "audio/pcma", "audio/pcmu", "audio/opus"
_SENT_AS = {"pcm_alaw": PCMA, "pcm_mulaw": PCMU, "opus": OPUS, "aac": OPUS}


def sent_as(audio: AudioFormat | None, offer: Offer) -> str | None:
    """The MIME type in which a viewer hears the source; None where there is nothing to hear, or it offers no such."""
    wanted = _SENT_AS[audio.codec] if audio is not None else None
    return wanted if wanted in offer.sound else None


class OutgoingSound:
    """One viewer's sound; ``next_frame`` is what ``aiortc_seams.send_encoded`` asks for. ``left`` hears the end."""

    def __init__(self, sound: Sound, codec: str, left: Callable[[], None]) -> None:
        self._listening = sound.listen()
        self._codec = codec
        self._left: Callable[[], None] | None = left
        self._timeline = RtpTimeline(0, clock_rate=SAMPLE_RATE if codec == "opus" else 8000)

    async def next_frame(self) -> OutgoingFrame | None:
        while (frame := await self._listening.take()) is not None:
            if frame.codec == self._codec:
                return OutgoingFrame([frame.data], self._timeline.of(frame))
        return None

    def close(self) -> None:
        self._listening.close()
        if self._left is not None:
            left, self._left = self._left, None
            left()


class OpusSounds:
    """The Opus of sources that send AAC, for as long as somebody listens. One thread for all: a source takes 2 %."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="opus")
        self._coding: dict[FrameBus, _Coding] = {}

    def listen(self, bus: FrameBus) -> OutgoingSound | None:
        """One viewer more of ``bus``; None where it has no sound."""
        audio = bus.audio
        if audio is None:
            return None
        if audio.codec != "aac":
            return OutgoingSound(bus.sound, audio.codec, lambda: None)
        coding = self._coding.get(bus)
        if coding is None or coding.audio != audio or coding.task.done():
            coding = self._coding[bus] = _Coding(bus, audio, self._thread)
        coding.listeners += 1
        return OutgoingSound(coding.sound, "opus", lambda: self._leave(bus, coding))

    async def close(self) -> None:
        for coding in self._coding.values():
            coding.task.cancel()
        await asyncio.gather(*(coding.task for coding in self._coding.values()), return_exceptions=True)
        self._thread.shutdown(wait=False)

    def _leave(self, bus: FrameBus, coding: _Coding) -> None:
        coding.listeners -= 1
        if coding.listeners == 0:
            coding.task.cancel()
            if self._coding.get(bus) is coding:
                del self._coding[bus]


class _Coding:
    def __init__(self, bus: FrameBus, audio: AudioFormat, thread: ThreadPoolExecutor) -> None:
        self.audio = audio
        self.sound = Sound()
        self.listeners = 0
        self.task = asyncio.create_task(self._run(bus, thread), name="opus")

    async def _run(self, bus: FrameBus, thread: ThreadPoolExecutor) -> None:
        heard = bus.sound.listen()
        loop = asyncio.get_running_loop()
        try:
            coder = await loop.run_in_executor(thread, OpusCoder, self.audio)
            while (frame := await heard.take()) is not None:
                for made in await loop.run_in_executor(thread, coder.take, frame):
                    self.sound.publish(made)
        except Exception:  # the pictures go on without
            log.exception("sound_not_coded")
        finally:
            heard.close()
            self.sound.close()
