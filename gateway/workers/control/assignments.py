"""Who pulls which camera: tells workers what they own, and keeps what they report about its health."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import structlog

from camera_registry.health import LIVE_PICTURE
from gateway.clock import Clock
from gateway.live import LiveHub, Notice
from gateway.processes.messages import AssignCamera, HealthChanged, LoginRefused, Message, ReleaseCamera, SceneLearned
from gateway.processes.supervisor import Supervisor, WorkerSpec
from gateway.refusals import Refusal
from gateway.workers.control.links import WorkerLinks
from gateway.workers.control.placement import Placement
from gateway.workers.control.quarantine import Quarantine

log = structlog.get_logger(__name__)

CAMERA_WORKER = "gateway.workers.camera"
AGAIN_SECONDS, LONGEST_AGAIN = 1.0, 60.0
"""Seconds until a worker is told again; longer each time after faults that nobody foresaw."""
MOST_UNNOTED = 16
"""Changes of one camera that may wait for the database."""
TOLD_WITHIN = 2.0
MOST_OF_SCENES = 8 * 1024 * 1024
"""Bytes of the scenes that an order carries: those of 290 presets. A message is not larger than ``MAX_FRAME``."""


@dataclass(frozen=True, slots=True)
class PulledCamera:
    """A camera as its worker is told of it."""

    code: str
    camera_id: str
    platform: str
    stream_url: str
    username: str | None
    password: str | None = field(repr=False)
    rules: tuple[dict[str, Any], ...] = ()
    sub_stream_url: str | None = None
    clear_login: bool = False
    suppressions: tuple[dict[str, Any], ...] = ()
    scenes: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    preset: str | None = ""


@dataclass(frozen=True, slots=True)
class HealthHeard:
    """A camera's state as it was told, and when; ``evidence``: the picture that was judged, JPEG."""

    state: str
    reason: str
    at: datetime
    evidence: bytes | None = field(default=None, repr=False)


class PulledCameras(Protocol):
    """The records of the cameras that are to be pulled."""

    async def codes(self) -> list[str]: ...

    async def one(self, code: str) -> PulledCamera | None:
        """None: gone, or not to be pulled."""

    async def keep_scene(self, code: str, preset: str, scene: bytes, at: datetime) -> None:
        """What a camera's scene looks like at a preset, for its next owner."""

    async def note_health(self, code: str, heard: HealthHeard) -> tuple[str, dict[str, Any]] | None:
        """Keep it; answers the platform and the camera as the doors show it, None for a camera that is gone."""


class RememberedLogins(Protocol):
    """Wrong logins sent to cameras' streams (``login_memory.LoginMemory``)."""

    def of(self, code: str) -> list[float]: ...

    def refused(self, code: str, at: float) -> None: ...

    def cleared(self, code: str) -> None: ...


class Assignments:
    """One owner for each camera; an order or a report under an old fence is void."""

    def __init__(
        self,
        cameras: PulledCameras,
        placement: Placement,
        links: WorkerLinks,
        supervisor: Supervisor,
        live: LiveHub,
        clock: Clock,
        logins: RememberedLogins | None = None,
    ) -> None:
        self._cameras = cameras
        self._placement = placement
        self._links = links
        self._supervisor = supervisor
        self._live = live
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._logins = logins
        self._told: dict[str, int] = {}
        """Of each camera, which login its worker was told last."""
        self._unnoted: dict[str, deque[HealthHeard]] = {}
        self._noting: asyncio.Task[None] | None = None
        self._telling: dict[str, asyncio.Task[None]] = {}
        """Of each camera, whoever tells its worker of the newest change."""
        self.changes: dict[str, int] = {}
        """How often each state was reported since the start."""
        self.quarantine = Quarantine()

    def tell(self, code: str, message: Message) -> None:
        """Tell the worker that owns the camera, if there is one, what is told again before long."""
        owner = self._placement.owner(code)
        if owner is not None:
            self._links.tell(owner.worker, message)

    def tell_until_taken(self, code: str, message: Message) -> None:
        """Tell it what is said but once; after a change of the camera that is still being told, for it may be of that:
        a login that was proved is the new one."""
        telling = self._telling.get(code)
        if telling is not None and not telling.done():
            telling.add_done_callback(lambda _: self.tell_until_taken(code, message))
            return
        owner = self._placement.owner(code)
        if owner is not None:
            self._links.tell_until_taken(owner.worker, message)

    async def scene(self, worker: str, learned: SceneLearned) -> None:
        """A worker has learned what a camera's scene looks like, if it still owns the camera."""
        if self._placement.current(learned.code, worker, learned.fence):
            await self._cameras.keep_scene(learned.code, learned.preset, learned.scene, self._clock())

    async def close(self) -> None:
        """Stop noting and telling; at the next start every camera begins again anyway."""
        tasks = [*self._telling.values(), *([] if self._noting is None else [self._noting])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def place_all(self) -> None:
        """Give every camera a worker; they are told when they are ready."""
        for code in await self._cameras.codes():
            self._placement.place(code)
        self._start_workers()

    def owned_by(self, worker: str) -> tuple[str, ...]:
        """Codes of the cameras that a worker owns."""
        return self._placement.owned_by(worker)

    def owns(self, worker: str, code: str, fence: int) -> bool:
        """Whether a worker speaks of a camera that is its own now."""
        return self._placement.current(code, worker, fence)

    async def worker_ready(self, worker: str) -> None:
        """Tell a worker that has just come what it owns. A camera that it cannot be told of now it is told of later.
        Raises ``Refusal`` where the database is away."""
        async with self._one_at_a_time:
            for code in self._placement.owned_by(worker):
                try:
                    await self._assign(code)
                except Exception as error:
                    if isinstance(error, Refusal) and error.kind == "unavailable":
                        raise
                    log.exception("camera_not_told", camera=code, worker=worker)
                    self._tell_later(code)

    async def worker_lost(self, worker: str) -> None:
        """Nobody looks at its cameras until it is back: what it said of them last is no state of now."""
        for code in self._placement.owned_by(worker):
            self._note(code, "connecting", "worker_away")

    def worker_crashed(self, worker: str, active: Iterable[str]) -> None:
        """A worker died while these cameras were active in it: who was so before is pulled alone from now on."""
        owned = set(self._placement.owned_by(worker))
        for code in self.quarantine.crashed(owned.intersection(active), self._clock().timestamp()):
            log.error("camera_quarantined", camera=code, worker=worker)
            self._placement.isolate(code)
            self._note(code, "connecting", "quarantined")
            self._tell_later(code)

    async def changed(self, code: str) -> None:
        """A camera was added, changed or taken out. The change stands: while the database is away, or whoever asked
        goes, its worker is told later. Answers when it has been told, or soon."""
        await asyncio.wait({self._tell_later(code)}, timeout=TOLD_WITHIN)

    def _tell_later(self, code: str) -> asyncio.Task[None]:
        if (before := self._telling.get(code)) is not None:
            before.cancel()  # what it was to tell is told with what is newer
        telling = self._telling[code] = asyncio.create_task(self._tell_change(code))

        def told(ended: asyncio.Task[None]) -> None:
            if self._telling.get(code) is ended:
                del self._telling[code]

        telling.add_done_callback(told)
        return telling

    async def _tell_change(self, code: str) -> None:
        wait = AGAIN_SECONDS
        while True:
            try:
                async with self._one_at_a_time:
                    return await self._assign(code)
            except Refusal as refusal:
                log.warning("change_not_told", camera=code, reason=refusal.reason)
                wait = AGAIN_SECONDS
            except Exception:  # whatever it is, the change stands, and the worker must not go on by what was before
                log.exception("change_not_told", camera=code)
                wait = min(2 * wait, LONGEST_AGAIN)
            await asyncio.sleep(wait)

    async def health(self, worker: str, report: HealthChanged) -> None:
        """A worker's report, if it still owns the camera."""
        if not self.owns(worker, report.code, report.fence):
            return
        self._note(report.code, report.state, report.reason, report.evidence)
        if self._logins is not None and report.state in LIVE_PICTURE:
            self._logins.cleared(report.code)

    def login_refused(self, worker: str, refused: LoginRefused) -> None:
        """A camera refused the login of its pull, as the worker that owns it tells."""
        if self._logins is not None and self.owns(worker, refused.code, refused.fence):
            self._logins.refused(refused.code, refused.at)

    def _note(self, code: str, state: str, reason: str, evidence: bytes | None = None) -> None:
        """Keep what was heard, in its order, again until the database takes it. A camera that flaps while the database
        is away loses the oldest of what waits, never the newest."""
        waiting = self._unnoted.setdefault(code, deque(maxlen=MOST_UNNOTED))
        waiting.append(HealthHeard(state, reason, self._clock(), evidence))
        self.changes[state] = self.changes.get(state, 0) + 1
        if self._noting is None or self._noting.done():
            self._noting = asyncio.create_task(self._note_all(), name="note-health")

    async def _note_all(self) -> None:
        while self._unnoted:
            code, waiting = next(iter(self._unnoted.items()))
            heard = waiting[0]
            try:
                kept = await self._cameras.note_health(code, heard)
            except Refusal as refusal:
                log.warning("health_not_noted", camera=code, reason=refusal.reason)
                if refusal.kind == "unavailable":
                    await asyncio.sleep(AGAIN_SECONDS)
                    continue
                kept = None
            except Exception:  # one camera's fault must not leave the others with a state of the past
                log.exception("health_not_noted", camera=code)
                kept = None
            if waiting and waiting[0] is heard:
                waiting.popleft()
            if not waiting:
                del self._unnoted[code]
            if kept is not None:
                platform, shown = kept
                self._live.publish(Notice("camera.health", platform, shown))

    async def _assign(self, code: str) -> None:
        camera = await self._cameras.one(code)
        if camera is None:
            self.quarantine.forget(code)
            held = self._placement.owner(code)
            if held is not None:
                self._links.order(held.worker, ReleaseCamera(code))
                self._placement.remove(code)  # told: until then it is its worker's, who would pull it for ever
            return
        owner = self._placement.place(code)
        self._start_workers()
        order = AssignCamera(
            code=code,
            camera_id=camera.camera_id,
            platform=camera.platform,
            fence=owner.fence,
            stream_url=camera.stream_url,
            username=camera.username,
            password=camera.password,
            rules=list(camera.rules),
            suppressions=list(camera.suppressions),
            sub_stream_url=camera.sub_stream_url,
            clear_login=camera.clear_login,
            scenes=_carried(camera),
            wrong_logins=self._wrong_logins(camera),
            preset=camera.preset,
            quarantined=code in self.quarantine,
        )
        if not self._links.order(owner.worker, order):
            log.info("camera_waits_for_its_worker", camera=code, worker=owner.worker)

    def _wrong_logins(self, camera: PulledCamera) -> list[float]:
        """Those of the login it has: they say nothing of another one."""
        if self._logins is None:
            return []
        login = hash((camera.username, camera.password))
        if self._told.get(camera.code, login) != login:
            self._logins.cleared(camera.code)
        self._told[camera.code] = login
        return self._logins.of(camera.code)

    def _start_workers(self) -> None:
        for worker in self._placement.workers:
            self._supervisor.add(WorkerSpec(worker, CAMERA_WORKER))


def _carried(camera: PulledCamera) -> dict[str, bytes]:
    """Its scenes, that of its preset first, as many as an order carries: the others are learned anew."""
    carried: dict[str, bytes] = {}
    size = 0
    for preset in sorted(camera.scenes, key=lambda preset: preset != camera.preset):
        size += len(camera.scenes[preset])
        if size > MOST_OF_SCENES:
            log.warning("scenes_left_out", camera=camera.code, known=len(camera.scenes), carried=len(carried))
            break
        carried[preset] = camera.scenes[preset]
    return carried
