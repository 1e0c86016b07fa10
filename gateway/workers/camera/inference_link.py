"""The camera worker's line to the inference process: one connection for all its cameras, made anew when it breaks.

An engine reads its card once and lives with it; other weights come with another engine, and so with another connection.
Each connection begins with the card, and each answer is given with that of the connection it came over: what weights
saw is never judged by the card of others, though they are put in force while it is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

import structlog

from detectors.card import Card
from detectors.networks import WHOLE
from gateway.processes.channel import Channel, ChannelClosed, MessageTooLarge, connect
from gateway.processes.messages import AskCard, Done, EngineCard, LookAt, Message, Seen, SharePictures
from gateway.processes.shared_pictures import Picture, PictureMemory
from gateway.refusals import Refusal

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 5.0
PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Looked:
    """What an engine saw, and the card by which it looks."""

    seen: Seen
    card: Card


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection to one engine, and the card that it has for as long as it lives."""

    channel: Channel
    card: Card
    shares: bool
    """Whether the engine reads pictures where this process lays them; otherwise they cross the channel."""


class InferenceLink:
    """``look`` answers what was seen, or None: no engine now, or the picture was not looked at in time. ``card`` is
    that of the last engine there was; None before the first."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._line: _Line | None = None
        self._running: asyncio.Task[None] | None = None
        self._memory = PictureMemory()
        self.card: Card | None = None
        self.unanswered = 0

    def start(self) -> None:
        self._running = asyncio.create_task(self._run(), name="inference-link")

    async def stop(self) -> None:
        if self._line is not None:
            self._line.channel.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._memory.close()

    @property
    def connected(self) -> bool:
        return self._line is not None

    async def look(
        self,
        code: str,
        picture: Picture,
        *,
        taken_at: float,
        deadline: float,
        timeout: float,
        part: str = WHOLE,
        urgency: float = 1.0,
    ) -> Looked | None:
        """Ask the engine about a picture (BGR H×W×3); see ``LookAt``. ``timeout`` in seconds; late pictures are dropped
        by the engine itself and counted there."""
        line = self._line
        if line is None:
            self.unanswered += 1
            return None
        height, width = picture.shape[:2]
        slot = self._memory.lay(picture) if line.shares else None
        where = picture.tobytes() if slot is None else slot
        look = LookAt(code, where, width, height, taken_at, deadline, part, urgency)
        try:
            answer = await line.channel.request(look, timeout=timeout)
        except (ChannelClosed, TimeoutError):
            self.unanswered += 1
            return None
        except Refusal as refusal:
            if refusal.kind == "invalid":
                log.warning("look_refused", camera=code, reason=refusal.reason)
            self.unanswered += 1
            return None
        except MessageTooLarge as error:
            log.warning("look_refused", camera=code, reason="picture_too_large", detail=str(error))
            self.unanswered += 1
            return None
        finally:
            if slot is not None:
                self._memory.give_back(slot)
        return Looked(answer, line.card) if isinstance(answer, Seen) else None

    def tell(self, message: Message, weights: str) -> None:
        """Say to the engine of these weights (sha256) what wants no answer; lost where it is gone, or does not keep up,
        and where it is too large to be said, which is logged."""
        line = self._line
        if line is None or line.card.sha256 != weights:
            return
        try:
            with contextlib.suppress(ChannelClosed):
                line.channel.send(message)
        except MessageTooLarge as error:
            log.warning("engine_not_told", reason="picture_too_large", detail=str(error))

    async def _run(self) -> None:
        while True:
            try:
                channel = await connect(self._socket, _nothing_asked, name="inference", timeout=CONNECT_SECONDS)
            except (ChannelClosed, OSError):
                await asyncio.sleep(PAUSE)
                continue
            await self._serve(channel)
            log.warning("inference_lost")
            await asyncio.sleep(PAUSE)

    async def _serve(self, channel: Channel) -> None:
        """Until the engine is gone. One that does not say its card is asked for nothing else."""
        running = asyncio.create_task(channel.run(), name="inference")
        try:
            told = await channel.request(AskCard(), timeout=CONNECT_SECONDS)
            if isinstance(told, EngineCard):
                self.card = told.card
                self._line = _Line(channel, told.card, await self._share(channel))
                log.info("inference_connected", weights=told.card.name, sha256=told.card.sha256)
                await running
        except (ChannelClosed, TimeoutError, Refusal) as error:
            log.warning("inference_card_unknown", detail=str(error))
        finally:
            self._line = None
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _share(self, channel: Channel) -> bool:
        try:
            memory = SharePictures(self._memory.descriptor, self._memory.slot_bytes)
            await channel.request(memory, timeout=CONNECT_SECONDS)
            return True
        except Refusal as refusal:
            log.warning("pictures_cross_the_channel", reason=refusal.reason, detail=refusal.en)
            return False


async def _nothing_asked(_message: Message) -> Message | None:
    return Done()
