"""The one connection to a camera's stream: RTSP on the event loop, its pictures onto the bus, undecoded.

It comes back by itself, later each time, and says in words why there is no picture. Every wait on the network has a
time limit. Passwords are in no error and no log.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import structlog

from gateway.streams.address import StreamAddress
from gateway.streams.backoff import Backoff
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.framing import StreamDescription
from gateway.streams.pull_reasons import SENTENCES, PullEnded, PullReason, why_not_connected
from gateway.streams.rtsp_in_pump import Pump
from gateway.streams.rtsp_in_reading import Counted, Kind, Patience, Reading
from gateway.streams.rtsp_in_sdp import SoundTrack, VideoTrack
from gateway.streams.rtsp_in_session import RtspSession
from gateway.streams.rtsp_in_transport import ConnectionReports, DatagramPorts, channels_in, interleaved
from gateway.streams.tls_trust import CertificateRefused
from gateway.streams.way import Way

log = structlog.get_logger(__name__)

RETRY = Backoff(first=1.0, longest=30.0)
RETRY_AFTER_WRONG_PASSWORD = Backoff(first=15.0, longest=300.0)
"""Cameras lock an account after a few wrong attempts."""
_LOGIN_REFUSED = ("auth_failed", "forbidden", "clear_login_needed")
_CHECKS = 4
"""Looks at whether something comes, within the time that nothing may."""


@dataclass(frozen=True, slots=True)
class PullLimits:
    """Seconds. ``opening`` bounds each of the two steps of opening: the connection, and what is said before it plays;
    ``silence`` is how long no packet may come."""

    opening: float = 8.0
    silence: float = 5.0
    keyframe: float = 30.0


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


class CameraPull:
    """Pulls ``address`` onto ``bus``. All calls belong to the event loop.

    ``name`` is for logs. ``first_epoch``: the bus's frames had lower epochs before. ``sound``: take the camera's sound
    too, where there is one. ``counted``: what an earlier pull has counted, to be counted on.
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
        counted: Counted | None = None,
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
        self.counted = Counted() if counted is None else counted
        self._epoch = first_epoch - 1
        self._failures = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.state = PullState("stopped", clock())
        self.title = ""
        """What the other end calls its pictures (SDP)."""

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
        if self._task is not None:
            raise RuntimeError("a pull is started once")
        self._task = asyncio.create_task(self._run(), name=f"pull-{self._name}")

    async def stop(self) -> None:
        """End the connection, at once. Nothing is published after this, and the camera has been let go."""
        if self._task is None or self._task.done():
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._tell(PullState("stopped", self._clock()))

    async def _run(self) -> None:
        while True:
            self._tell(PullState("connecting", self._clock(), failures=self._failures))
            try:
                await self._connection()
            except PullEnded as ended:
                reason = ended.reason
            except Exception as defect:  # noqa: BLE001 - a defect here must not leave a camera without its pull
                log.error("pull_failed", camera=self._name, error=type(defect).__name__)
                reason = "invalid_answer"
            self._failures += 1
            backoff = self._retry_after_wrong_password if reason in _LOGIN_REFUSED else self._retry
            pause = backoff.pause(self._failures, self._chance)
            self._tell(PullState("away", self._clock(), reason, pause, self._failures))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()

    def _tell(self, state: PullState) -> None:
        if state.phase in ("away", "stopped"):
            self._bus.interrupted()
        if state.phase != self.state.phase or state.reason != self.state.reason:
            log.info("pull_state", camera=self._name, phase=state.phase, reason=state.reason)
        self.state = state
        self._on_state(state)

    async def _connection(self) -> None:
        """One connection, from opening to its end, which ``PullEnded`` tells."""
        address = self._address
        try:
            async with asyncio.timeout(self._limits.opening):
                connection = await self._way.connect(address)
        except CertificateRefused as refused:
            log.warning("certificate_refused", camera=self._name, sha256=refused.fingerprint)
            raise PullEnded("certificate_refused") from None
        except OSError as error:
            raise PullEnded(why_not_connected(error)) from None
        session = RtspSession(connection, address)
        with ExitStack() as stack:
            stack.callback(session.close)
            try:
                async with asyncio.timeout(self._limits.opening):
                    pump = await self._opened(session, address, stack)
            except TimeoutError:
                raise PullEnded("timeout") from None
            await pump.run(self._limits.silence / _CHECKS)

    async def _opened(self, session: RtspSession, address: StreamAddress, stack: ExitStack) -> Pump:
        """The stream plays; ports are closed when ``stack`` is."""
        description = await session.describe()
        sound = description.sound if self._with_sound else None
        self._bus.audio = sound.audio if sound is not None else None
        self.title = description.video.title
        reading = Reading(
            description.video,
            sound,
            epoch=self._epoch + 1,
            counted=self.counted,
            patience=Patience(self._limits.silence, self._limits.keyframe),
            publish=self._publish,
            live=self._live,
            clock=self._clock,
            now=asyncio.get_running_loop().time,
        )
        carriers: list[DatagramPorts | ConnectionReports] = []

        def check() -> None:
            for one in carriers:
                one.check()
            reading.check()

        pump = Pump(session, check, lambda: self._bus.hurried)
        over_udp = self._way.transport(address) == "udp"
        tracks: list[tuple[Kind, VideoTrack | SoundTrack]] = [("video", description.video)]
        if sound is not None:
            tracks.append(("sound", sound))
        for number, (kind, track) in enumerate(tracks):
            if over_udp:
                connection = session.connection
                port = DatagramPorts(kind, connection.own_address, connection.peer_address, reading, pump.end)
                stack.callback(port.close)
                port.answered(await session.set_up(track.control, port.asked))
                carriers.append(port)
            else:
                answer = await session.set_up(track.control, interleaved(2 * number))
                rtp, rtcp = channels_in(answer, 2 * number)
                for channel in (rtp, rtcp):
                    reading.on_channel(channel, kind)
                if rtp != rtcp:
                    carriers.append(ConnectionReports(kind, rtcp, reading, session.connection.send))
        await session.play(reading)
        return pump

    def _publish(self, frame: EncodedFrame) -> None:
        self._epoch = frame.epoch
        self._bus.publish(frame)

    def _live(self, stream: StreamDescription) -> None:
        self._failures = 0
        self._tell(PullState("live", self._clock(), stream=stream))
