"""The inference process: camera workers connect to its socket, send small pictures and get back what the engine saw."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from math import isfinite

import msgspec
import numpy as np
import structlog

from detectors.card import Card
from detectors.card_file import load_card
from detectors.networks import CUES, WHOLE, Networks, open_networks
from detectors.observation import Box, Detection
from detectors.refusals import WeightsRefused
from detectors.watch import NEARER, WEIGHTS
from gateway.processes.channel import Channel, listen
from gateway.processes.messages import (
    AskCard,
    Done,
    EngineCard,
    LookAt,
    LookBeside,
    Message,
    Sample,
    Seen,
    SeenObject,
    SharePictures,
)
from gateway.processes.shared_pictures import Picture, SharedPictures
from gateway.refusals import Refusal
from gateway.settings import WorkerSettings
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.inference.hang import TURN, HangWatch
from gateway.workers.inference.look_queue import MOST_CAMERAS, LookQueue, WaitingLook
from gateway.workers.inference.promotion import card_in_force
from gateway.workers.inference.shadow import FOLDER, Shadow, forget_past

log = structlog.get_logger(__name__)

SOCKET_NAME = "inference.sock"
PARTING_SECONDS = 2.0
FAILED = 1
"""With what the process ends whose engine has failed."""
REST, BACKLOG = 2.0, 8
"""Seconds for which at most, after the parts of one stall were looked for, those of the next one wait while more looks
wait than this times what the engine takes at once (some three tenths of a second's work; cameras come in bursts): a
stall is told in minutes, a fire in seconds."""
SHOWN_WITHIN = 5.0
"""Seconds within which a picture that the new weights want is shown; later another one is asked for."""

LONGEST_WAIT = 60.0
"""Seconds from now within which a picture was taken and is dropped; cameras give one five."""
MOST_URGENT = max(WEIGHTS.values()) * (1 + NEARER)
"""Of a camera with a fire in sight."""
LONGEST_NAME = 64
"""Characters of a camera's code and of a part's name."""
MOST_HELD = 256 * 1024 * 1024
"""Bytes of pictures of one worker that crossed the channel and wait; most lie in its own memory."""
MOST_SHOWN = 6000
"""Detections of one picture: more than boxes and density find together."""


class EngineFailed(Exception):
    """The engine looks at nothing any more."""


class InferenceServer:
    """One engine, as many threads that feed it as it takes pictures at once, any number of camera workers."""

    def __init__(
        self, networks: Networks, shadow: Shadow | WeightsRefused | None = None, most_cameras: int = MOST_CAMERAS
    ) -> None:
        """``shadow``: or why there is none, though the settings name one. ``most_cameras``: of one camera worker."""
        self.beside(shadow)
        self._comparing: asyncio.Task[None] | None = None
        self._shown_until = 0.0
        self._networks = networks
        self._at_once = networks.detector.at_once
        clocks = time.monotonic, time.time
        self._queue = LookQueue(*clocks, few=BACKLOG * self._at_once, most_cameras=most_cameras)
        self._aside = LookQueue(*clocks, most_cameras=most_cameras)
        """Questions about parts of a stall, answered one at a time beside the others: none waits for such a one. While
        there are more looks than the engine carries, few of them are asked (see REST)."""
        self._channels: dict[Channel, asyncio.Task[None]] = {}
        self._answering: set[WaitingLook] = set()
        """Looks that the engine takes now."""
        self._failed: BaseException | None = None
        self._looks = 0
        self._busy_seconds = 0.0
        self._unusable = 0
        self._threads = ThreadPoolExecutor(self._at_once + 1, thread_name_prefix="engine")

    def beside(self, shadow: Shadow | WeightsRefused | None) -> None:
        """These new weights look beside those in force from now on, or they cannot."""
        self._shadow = None if isinstance(shadow, WeightsRefused) else shadow
        self._shadow_refused = shadow if isinstance(shadow, WeightsRefused) else None

    @property
    def card(self) -> Card:
        return self._networks.detector.card

    @property
    def comparing(self) -> bool:
        """Whether new weights look at a picture now."""
        return self._comparing is not None and not self._comparing.done()

    async def handle(self, message: Message) -> Message | None:
        """Control asks nothing of this worker but to live."""
        return Done()

    def samples(self) -> list[Sample]:
        """Raises ``EngineFailed``, which ends the process: it would live on and see nothing."""
        if self._failed is not None:
            raise EngineFailed("the engine looks at nothing any more") from self._failed
        queues = self._queue, self._aside
        weights = {"weights": self.card.name, "sha256": self.card.sha256, "card_sha256": self.card.card_sha256}
        return [
            Sample("gateway_looks_total", {}, self._looks, "counter"),
            Sample(
                "gateway_looks_dropped_total",
                {"why": "replaced"},
                sum(one.dropped_replaced for one in queues),
                "counter",
            ),
            Sample("gateway_looks_dropped_total", {"why": "late"}, sum(one.dropped_late for one in queues), "counter"),
            Sample("gateway_looks_unusable_total", {}, self._unusable, "counter"),
            Sample("gateway_engine_busy_seconds_total", {}, self._busy_seconds, "counter"),
            Sample("gateway_engine_at_once", {}, self._at_once),
            Sample("gateway_looks_waiting", {}, sum(map(len, queues))),
            Sample("gateway_weights_info", weights, 1),
            *self._shadow_samples(),
        ]

    def _shadow_samples(self) -> Iterator[Sample]:
        """Each says of which weights it is: the file that the settings name may be another by now."""
        if self._shadow_refused is not None:
            yield Sample("gateway_shadow_refused", {"reason": self._shadow_refused.reason}, 1)
        if (shadow := self._shadow) is not None:
            of = {"sha256": shadow.card.sha256, "card_sha256": shadow.card.card_sha256}
            yield Sample("gateway_shadow_looks_total", of, shadow.looks, "counter")
            yield Sample("gateway_shadow_differing_total", of, shadow.differing, "counter")
            yield Sample("gateway_shadow_gave_way_total", of, shadow.given_way, "counter")

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asking = _Asking(self)
        channel = Channel(reader, writer, asking.handle, name="inference-client", at_once=256)
        asking.pid = channel.peer_pid()
        running = asyncio.create_task(channel.run())
        self._channels[channel] = running
        try:
            await running
        finally:
            del self._channels[channel]

    async def close(self) -> None:
        """Part with the camera workers."""
        for channel in self._channels:
            channel.close()
        if self._channels:
            await asyncio.wait(self._channels.values(), timeout=PARTING_SECONDS)

    async def run_engine(self) -> None:
        """Look at as many pictures at once as the engine takes. One that it refuses hurts no other. What ends one of
        those who feed it ends all, is said, and makes ``samples`` raise."""
        try:
            async with asyncio.TaskGroup() as engine:
                for work in (self._watch(), self._feed_aside(), *(self._feed() for _ in range(self._at_once))):
                    engine.create_task(work)
        except* Exception as errors:
            self._failed = errors.exceptions[0]
            log.exception("engine_failed", reason=type(self._failed).__name__, detail=str(self._failed))
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _watch(self) -> None:
        watch = HangWatch()
        while True:
            await asyncio.sleep(TURN)
            watch.turn(self._answering, compiling=self._networks.detector.compiling)

    async def _feed(self) -> None:
        while True:
            await self._answer(await self._queue.next())

    async def _feed_aside(self) -> None:
        while True:
            await self._answer(await self._aside.next())
            with suppress(TimeoutError):
                async with asyncio.timeout(REST):
                    await self._queue.calm()

    async def _answer(self, waiting: WaitingLook) -> None:
        began = time.perf_counter()
        self._answering.add(waiting)
        try:
            seen = await asyncio.get_running_loop().run_in_executor(self._threads, self._detect, waiting)
        except Exception as error:
            self._unusable += 1
            log.exception("look_failed", camera=waiting.look.code)
            if not waiting.answer.done():
                waiting.answer.set_exception(
                    Refusal(
                        "invalid",
                        "picture_unusable",
                        "画面无法分析",
                        f"the picture could not be looked at: {error}",
                    )
                )
            return
        finally:
            self._answering.remove(waiting)
            self._busy_seconds += time.perf_counter() - began
        self._looks += 1
        if self._wants(waiting, seen):
            seen = msgspec.structs.replace(seen, beside=True)
        if not waiting.answer.done():
            waiting.answer.set_result(seen)

    def _wants(self, waiting: WaitingLook, seen: Seen) -> bool:
        """Whether the new weights are to be shown this picture: one at a time, and only while nothing waits."""
        if self._shadow is None or waiting.look.part != WHOLE or waiting.answer.done() or len(self._queue):
            return False
        if self.comparing or time.monotonic() < self._shown_until or not self._shadow.wants(_detections(seen.objects)):
            return False
        self._shown_until = time.monotonic() + SHOWN_WITHIN
        return True

    def show(self, shown: LookBeside) -> None:
        """Let the new weights look at what they asked for; left out where they are busy."""
        if self._shadow is None or self.comparing:
            return
        self._shown_until = 0.0
        small = _picture(shown.picture, shown.width, shown.height)
        full = _picture(shown.full, shown.full_width, shown.full_height) if shown.full else small
        glimpse = Glimpse(small, (shown.full_width, shown.full_height), shown.taken_at, "main", lambda: full)
        within = None if shown.stalls is None else Box(*shown.stalls)
        work = self._shadow.compare(
            shown.code,
            glimpse,
            _detections(shown.objects),
            counts=shown.counts,
            stalls=within,
            idle=lambda: not len(self._queue),
        )
        self._comparing = asyncio.create_task(work)

    async def look(self, look: LookAt, picture: Picture, asker: int) -> Seen:
        """What the engine sees in a picture, when the turn comes of the process that asks. Raises ``Refusal`` where it
        was dropped."""
        seen = await (self._aside if look.part == CUES else self._queue).put(look, picture, asker)
        assert isinstance(seen, Seen)  # noqa: S101 - the engine's answer
        return seen

    def _detect(self, waiting: WaitingLook) -> Seen:
        found = self._networks.look(waiting.picture, waiting.look.part)
        objects = [SeenObject(d.label, d.score, d.box.x1, d.box.y1, d.box.x2, d.box.y2) for d in found.detections]
        return Seen(waiting.look.taken_at, objects, dict(found.judged))


class _Asking:
    """One camera worker at the door: what it asks, and the memory where its pictures lie."""

    def __init__(self, server: InferenceServer) -> None:
        self._server = server
        self._pictures: SharedPictures | None = None
        self._held = 0
        self.pid = 0

    async def handle(self, message: Message) -> Message | None:
        match message:
            case LookAt():
                _refuse_look(message, time.time())
                size = len(message.picture) if isinstance(message.picture, bytes) else 0
                if self._held + size > MOST_HELD:
                    raise Refusal("unavailable", "too_much_waits", "待分析画面过多", "too many bytes of pictures wait")
                self._held += size
                try:
                    return await self._server.look(message, self._picture(message), self.pid)
                finally:
                    self._held -= size
            case AskCard():
                return EngineCard(self._server.card)
            case SharePictures():
                self._pictures = SharedPictures.of(self.pid, message.descriptor, message.slot_bytes)
                return Done()
            case LookBeside():
                _refuse_shown(message, time.time())
                self._server.show(message)
                return Done()
        raise Refusal("invalid", "unexpected_message", "意外的消息", "unexpected message")

    def _picture(self, look: LookAt) -> Picture:
        if isinstance(look.picture, bytes):
            return _picture(look.picture, look.width, look.height)
        if self._pictures is None:
            raise Refusal("invalid", "no_memory", "尚未共享内存", "no memory is shared over this connection")
        return self._pictures.picture(look.picture, look.width, look.height)


def _refuse_look(look: LookAt, now: float) -> None:
    """A worker gone wrong would come before all others for ever, by what is no number too, or fill the memory with
    names."""
    timely = look.taken_at <= now + LONGEST_WAIT and look.deadline <= now + LONGEST_WAIT
    if not (timely and 0 <= look.urgency <= MOST_URGENT and max(len(look.code), len(look.part)) <= LONGEST_NAME):
        raise Refusal("invalid", "look_invalid", "分析请求无效", "no look has such a time, urgency or name")


def _refuse_shown(shown: LookBeside, now: float) -> None:
    """What is kept of it is shown to people, the newest first."""
    numbers = [shown.taken_at, *(shown.stalls or ())]
    for one in shown.objects[:MOST_SHOWN]:
        numbers += (one.score, one.x1, one.y1, one.x2, one.y2)
    well = (
        len(shown.objects) <= MOST_SHOWN and all(map(isfinite, numbers)) and 0 <= shown.taken_at <= now + LONGEST_WAIT
    )
    if not (well and len(shown.code) <= LONGEST_NAME and shown.code.isalnum()):
        raise Refusal("invalid", "look_invalid", "分析请求无效", "no look has such objects, places or names")


def _picture(raw: bytes, width: int, height: int) -> Picture:
    if not raw or min(width, height) < 1 or len(raw) != width * height * 3:
        raise Refusal("invalid", "picture_size", "画面大小不符", "the picture is not width × height × 3 bytes")
    return np.frombuffer(raw, np.uint8).reshape(height, width, 3)


def _detections(objects: list[SeenObject]) -> tuple[Detection, ...]:
    return tuple(Detection(o.label, o.score, Box(o.x1, o.y1, o.x2, o.y2)) for o in objects)


def _shadow(settings: WorkerSettings, in_force: Card) -> Shadow | WeightsRefused | None:
    """None where the settings name no new weights, or those in force. Unusable ones are said, and the old ones go on
    alone."""
    folder = settings.data_folder / FOLDER
    try:
        if (
            settings.inference.shadow is None
            or load_card(settings.inference.shadow).card_sha256 == in_force.card_sha256
        ):
            forget_past(folder, None)
            return None
        networks = open_networks(settings.inference.engine, settings.inference.shadow, 1)
        forget_past(folder, networks.detector.card.card_sha256)
        return Shadow(networks, folder)
    except WeightsRefused as refused:
        log.error("shadow_refused", reason=refused.reason, detail=refused.en)
        return refused
    except Exception as error:  # whatever else new weights or their folder do: the old ones go on
        log.exception("shadow_refused", reason="unforeseen")
        return WeightsRefused("unforeseen", "未预见的故障", f"an unforeseen fault: {error}")


@asynccontextmanager
async def open_inference(name: str, settings: WorkerSettings, channel: Channel) -> AsyncIterator[InferenceServer]:
    """Load the engine, then listen: who can connect finds it ready. Unusable weights end the process, saying why.

    New weights to look beside it are opened meanwhile, however long they take: nobody waits for them, nor does the end
    of the process."""
    card = card_in_force(settings.data_folder, settings.inference)
    networks = await asyncio.to_thread(open_networks, settings.inference.engine, card, settings.inference.threads)
    detector = networks.detector
    log.info(
        "engine_ready",
        weights=detector.card.name,
        sha256=detector.card.sha256,
        engine=settings.inference.engine,
        precision=detector.precision,
        at_once=detector.at_once,
        judge=networks.judge is not None,
    )
    server = InferenceServer(networks, most_cameras=settings.cameras.per_worker)
    engine = asyncio.create_task(server.run_engine())
    listening = await listen(settings.run_folder / SOCKET_NAME, server.accept)

    async def open_beside() -> None:
        server.beside(await asyncio.to_thread(_shadow, settings, detector.card))

    opening = asyncio.create_task(open_beside())
    try:
        yield server
    except EngineFailed:
        os._exit(FAILED)  # the interpreter would wait for the thread of a look that never ends
    finally:
        listening.close()
        await server.close()
        engine.cancel()
    if server.comparing or not opening.done():
        os._exit(0)  # as above
