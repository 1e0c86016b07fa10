"""The one connection to a camera's stream: RTSP in a thread of its own, its packets onto the bus, undecoded.

It comes back by itself, later each time, and says in words why there is no picture. Every wait on the network has a
time limit. FFmpeg's errors carry the whole address with the password; they are turned into reasons and never logged.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import av
import av.error
import structlog
from av.container import InputContainer
from av.packet import Packet

from gateway.streams import nal
from gateway.streams.address import StreamAddress
from gateway.streams.assembly import Assembler, CodecChanged, Piece
from gateway.streams.backoff import Backoff
from gateway.streams.bus import FrameBus
from gateway.streams.frame import VideoCodec
from gateway.streams.framing import Framing, StreamDescription
from gateway.streams.handover import Handover
from gateway.streams.nal import ParameterSets
from gateway.streams.pull_reasons import SENTENCES, PullReason, why_it_ended, why_not_opened
from gateway.streams.sound_framing import SoundFraming, format_of
from gateway.streams.source_time import CLOCK_RATE
from gateway.streams.tls_tunnel import CertificateRefused
from gateway.streams.way import Way

log = structlog.get_logger(__name__)

RETRY = Backoff(first=1.0, longest=30.0)
RETRY_AFTER_WRONG_PASSWORD = Backoff(first=15.0, longest=300.0)
"""Cameras lock an account after a few wrong attempts."""

_OPTIONS = {
    # 0.19 s to open instead of 1.1 s (measured); what it does not find out the keyframes tell.
    "analyzeduration": "100000",
    "allowed_media_types": "video+audio",
    "protocol_whitelist": "rtsp,rtp,tcp,udp",
    "user_agent": "gateway",
}
_SOCKET_SLACK = 2.0


@dataclass(frozen=True, slots=True)
class PullLimits:
    """Seconds. ``opening`` bounds each of the two steps of opening; ``silence`` is how long no packet may come."""

    opening: float = 8.0
    silence: float = 5.0
    keyframe: float = 30.0

    @property
    def stopping(self) -> float:
        """``stop`` answers within this time: FFmpeg's waits cannot be broken off, only end."""
        return 2 * self.opening + self.silence


@dataclass(frozen=True, slots=True)
class PullState:
    """``connecting``; ``live`` from the first keyframe on, with ``stream``; ``away`` with the reason, in words in
    ``zh`` and ``en``, and the seconds until the next attempt; ``stopped``. ``at``: seconds since the epoch, UTC."""

    phase: Literal["connecting", "live", "away", "stopped"]
    at: float
    reason: PullReason | None = None
    retry_in: float | None = None
    failures: int = 0
    stream: StreamDescription | None = None

    @property
    def zh(self) -> str:
        return SENTENCES[self.reason][0] if self.reason else ""

    @property
    def en(self) -> str:
        return SENTENCES[self.reason][1] if self.reason else ""


class _Ended(Exception):
    def __init__(self, reason: PullReason) -> None:
        super().__init__(reason)
        self.reason: PullReason = reason


class CameraPull:
    """Pulls ``address`` onto ``bus``. ``on_state`` and the bus are called on the loop that ``start`` was called on.

    ``name`` is for logs and the thread. ``first_epoch``: the bus's frames had lower epochs before. ``sound``: take the
    camera's sound too, where there is one.
    """

    def __init__(
        self,
        address: StreamAddress,
        bus: FrameBus,
        on_state: Callable[[PullState], None],
        *,
        name: str = "camera",
        limits: PullLimits | None = None,
        retry: Backoff = RETRY,
        retry_after_wrong_password: Backoff = RETRY_AFTER_WRONG_PASSWORD,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        first_epoch: int = 0,
        sound: bool = False,
        way: Way | None = None,
    ) -> None:
        self._address = address
        self._bus = bus
        self._on_state = on_state
        self._name = name
        self._way = way or Way()
        self._limits = limits or PullLimits()
        self._retry = retry
        self._retry_after_wrong_password = retry_after_wrong_password
        self._clock = clock
        self._chance = chance
        self._with_sound = sound
        self.packets = 0
        self._epoch = first_epoch - 1
        self._failures = 0
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._finished: asyncio.Future[None] | None = None
        self._handover: Handover | None = None
        self.state = PullState("stopped", clock())

    @property
    def drops(self) -> int:
        """Frames that the event loop was too late for."""
        return self._handover.drops if self._handover is not None else 0

    @property
    def epoch(self) -> int:
        """The epoch of the newest frames."""
        return self._epoch

    def readdress(self, address: StreamAddress) -> None:
        """Where and as whom to connect from now on. A connection that stands is kept; a pause ends."""
        self._address = address
        self._wake.set()

    async def start(self) -> None:
        """Begin; answers at once. May be called once."""
        if self._finished is not None:
            raise RuntimeError("a pull is started once")
        loop = asyncio.get_running_loop()
        self._finished = loop.create_future()
        self._handover = Handover(loop, self._bus.publish, hurried=lambda: self._bus.hurried)
        threading.Thread(target=self._run, args=(self._handover,), name=f"pull-{self._name}", daemon=True).start()

    async def stop(self) -> None:
        """End the connection. Nothing is published after this, and the camera has been let go (see PullLimits)."""
        self._stop.set()
        self._wake.set()
        if self._finished is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(self._finished), self._limits.stopping + _SOCKET_SLACK)
        except TimeoutError:
            log.error("pull_does_not_stop", camera=self._name)

    def _run(self, handover: Handover) -> None:
        while not self._stop.is_set():
            self._tell(handover, PullState("connecting", self._clock(), failures=self._failures))
            try:
                self._connection(handover)
                break
            except _Ended as ended:
                reason = ended.reason
            except Exception as defect:  # noqa: BLE001 - a defect here must not leave a camera without its thread
                log.error("pull_failed", camera=self._name, error=type(defect).__name__)
                reason = "invalid_answer"
            self._failures += 1
            backoff = self._retry_after_wrong_password if reason in ("auth_failed", "forbidden") else self._retry
            pause = backoff.pause(self._failures, self._chance)
            self._tell(handover, PullState("away", self._clock(), reason, pause, self._failures))
            self._wake.wait(pause)
            self._wake.clear()
        self._tell(handover, PullState("stopped", self._clock()))
        handover.call(self._finish)

    def _finish(self) -> None:
        if self._finished is not None and not self._finished.done():
            self._finished.set_result(None)

    def _tell(self, handover: Handover, state: PullState) -> None:
        def told() -> None:
            if state.phase in ("away", "stopped"):
                self._bus.interrupted()
            if state.phase != self.state.phase or state.reason != self.state.reason:
                log.info("pull_state", camera=self._name, phase=state.phase, reason=state.reason)
            self.state = state
            self._on_state(state)

        handover.call(told)

    def _connection(self, handover: Handover) -> None:
        """One connection, from opening to its end. Answers only when it is to stop."""
        begun = time.monotonic()
        socket_limit = self._limits.silence + _SOCKET_SLACK
        out_of_time = min(self._limits.opening, socket_limit) * 0.95
        address = self._address
        try:
            with self._way.to(address, handover.loop, self._limits.opening) as reached:
                container = av.open(
                    reached.with_credentials(),
                    "r",
                    options=_OPTIONS
                    | {"timeout": str(round(socket_limit * 1e6)), "rtsp_transport": self._way.transport(address)},
                    timeout=(self._limits.opening, self._limits.silence),
                )
                with container:
                    self._read(container, handover)
        except CertificateRefused as refused:
            log.warning("certificate_refused", camera=self._name, sha256=refused.fingerprint)
            raise _Ended("certificate_refused") from None
        except (av.error.FFmpegError, OSError) as error:
            late = time.monotonic() - begun >= out_of_time
            raise _Ended(why_not_opened(error, out_of_time=late)) from None

    def _read(self, container: InputContainer, handover: Handover) -> None:
        if not container.streams.video:
            raise _Ended("no_video")
        video = container.streams.video[0]
        codec = _codec(getattr(video.codec_context, "name", ""))
        sound, sound_framing = self._sound_of(container, handover)
        for other in container.streams:
            if other is not video and other is not sound:
                other.discard = av.stream.Discard.all
        sdp = nal.nal_units(bytes(video.codec_context.extradata or b""))
        assembler = Assembler(codec, ParameterSets.found_in(codec, sdp))
        framing = Framing(codec, self._epoch + 1)
        rate = (video.time_base or 0) * CLOCK_RATE
        seen_at = whole_at = time.monotonic()
        told: StreamDescription | None = None
        packets: Iterator[Packet[Any]] = container.demux(video) if sound is None else container.demux(video, sound)
        while not self._stop.is_set():
            try:
                packet = next(packets)
            except StopIteration:
                raise _Ended("stream_ended") from None
            except (av.error.FFmpegError, OSError) as error:
                raise _Ended(why_it_ended(error)) from None
            if not packet.size:
                continue
            self.packets += 1
            if sound_framing is not None and packet.stream is not video:
                if time.monotonic() - seen_at > self._limits.silence:
                    raise _Ended("stalled")  # a camera that is heard and not seen is as good as silent
                heard = sound_framing.frame(packet, self._clock(), self._epoch)
                if heard is not None and told is not None and not handover.put(heard):
                    return
                continue
            seen_at = time.monotonic()
            pts = None if packet.pts is None else round(packet.pts * rate)
            dts = None if packet.dts is None else round(packet.dts * rate)
            try:
                units = assembler.take(Piece(bytes(packet), pts, dts, self._clock()), packet.is_keyframe)
            except CodecChanged:
                raise _Ended("codec_changed") from None
            for unit in units:
                whole_at = time.monotonic()
                frame = framing.frame(unit)
                self._epoch = frame.epoch
                if not handover.put(frame):
                    return
                if framing.stream != told:
                    told, self._failures = framing.stream, 0
                    self._tell(handover, PullState("live", self._clock(), stream=told))
            # Bytes may come for ever without a picture.
            if not units and time.monotonic() - whole_at > self._patience(assembler):
                raise _Ended("no_keyframe" if assembler.waiting else "stalled")

    def _patience(self, assembler: Assembler) -> float:
        return self._limits.keyframe if assembler.waiting else self._limits.silence

    def _sound_of(
        self, container: InputContainer, handover: Handover
    ) -> tuple[av.AudioStream, SoundFraming] | tuple[None, None]:
        """The camera's sound where viewers can play it; the bus is told of its format."""
        found = [(stream, format_of(stream)) for stream in container.streams.audio] if self._with_sound else []
        stream, audio = next(((stream, audio) for stream, audio in found if audio is not None), (None, None))

        def told() -> None:
            self._bus.audio = audio

        handover.call(told)
        return (None, None) if stream is None or audio is None else (stream, SoundFraming(stream, audio))


def _codec(name: str) -> VideoCodec:
    if name == "h264":
        return "h264"
    if name == "hevc":
        return "hevc"
    raise _Ended("unsupported_codec")
