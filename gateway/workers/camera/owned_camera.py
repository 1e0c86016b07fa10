"""One camera that this worker owns: its pull, bus and ring, what watches it, and its health."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from time import monotonic

import structlog

from camera_registry.health import (
    LOGIN_REFUSED,
    ClockRead,
    Health,
    NothingArrived,
    Observation,
    PictureJudged,
    PullFailed,
    from_pull,
    initial,
    step,
)
from camera_registry.login_patience import WrongLogins
from detectors.asked import Asked
from detectors.rules.config import RuleConfig
from detectors.rules.parsing import parse_kept
from detectors.suppression import Suppression
from gateway.processes.active import ActiveMarks
from gateway.processes.messages import (
    AssignCamera,
    HealthChanged,
    LoginRefused,
    Message,
    Sample,
    SceneLearned,
    Snapshot,
    StreamUnreachable,
)
from gateway.refusals import Refusal
from gateway.settings import WorkerSettings
from gateway.storage.look_files import look_logs
from gateway.streams.address import StreamAddress
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.keyframes import PictureUnreadable, decode_keyframe, jpeg
from gateway.streams.on_demand import OnDemandSource
from gateway.streams.pull import PullLimits, PullState
from gateway.streams.recordings import camera_recordings
from gateway.streams.ring import ClipRing
from gateway.streams.way import Way
from gateway.workers.camera.awake import Decoding
from gateway.workers.camera.evidence import CameraEvidence, Store
from gateway.workers.camera.eye import Eye
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.camera.hazards import CameraHazards
from gateway.workers.camera.login_retry import LoginRetry
from gateway.workers.camera.look_log import LookLog
from gateway.workers.camera.looks import Looks
from gateway.workers.camera.main_stream import RETRY, MainStream
from gateway.workers.camera.pace import Pace
from gateway.workers.camera.picture_watch import Judged, PictureWatch
from gateway.workers.camera.reachable import reachable
from gateway.workers.camera.recorder import CameraRecorder
from gateway.workers.camera.rejections import rejections_of
from gateway.workers.camera.sight import Sight
from gateway.workers.camera.stream_samples import bus_samples
from gateway.workers.camera.waking import WakeBudget

log = structlog.get_logger(__name__)

SUSPICIOUS_GAP, SUSPICIOUS_SECONDS = 2.0, 15.0
"""While a picture looks wrong it is looked at more often, though the camera sends a keyframe only every ten seconds."""


PERHAPS_MOVED = frozenset(
    {"unreachable", "refused", "not_found", "redirected", "timeout", "invalid_answer", "connection_lost"}
)
"""Reasons for which the stream may have another address by now; a wrong password is none."""
END_SECONDS = 30.0
"""Seconds that a part of a camera may take to end: a clip of many minutes is closed in them, a disk that hangs is not
waited for."""
TRIES = 3
"""Failures in a row after which, and every so many more, control is asked for a fresh address."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the cameras of a worker share. ``tell`` sends to control, or drops when control is away. ``disk``: threads
    that wait for the disk of journal and clips, so that one that hangs holds up nobody who looks; ``recordings``: those
    that wait for recordings and logs of looks, which may lie elsewhere. None: the loop's own."""

    settings: WorkerSettings
    eye: Eye
    decoding: Decoding
    marks: ActiveMarks
    waking: WakeBudget
    store: Store
    way: Way
    clock: Callable[[], float]
    tell: Callable[[Message], None]
    disk: Executor | None = None
    recordings: Executor | None = None


class OwnedCamera:
    """Owned from the first order to ``stop``. An order that changes the address makes a new pull on the same bus, so
    that whoever watches stays."""

    def __init__(self, order: AssignCamera, around: Surroundings) -> None:
        self.code = order.code
        self.bus = FrameBus()
        self._order = order
        self._around = around
        self._decoding = around.decoding.marked(around.marks, order.code)
        self._ring = ClipRing(around.settings.cameras.ring_seconds)
        self._untap = self.bus.tap(self._ring.add)
        in_thread, on_disk, recording = (
            around.marks.in_thread(order.code, threads) for threads in (None, around.disk, around.recordings)
        )
        self.evidence = CameraEvidence(
            order.code, self.bus, self._ring, around.store, in_thread, on_disk, disk_changed=self._report
        )
        windows = around.settings.windows
        self._rules = usable_rules(order)
        self._hazards = CameraHazards(
            order.code,
            self._rules,
            self.evidence,
            end_after={"fire": windows.fire_end, "crowd": windows.crowd_end, "stall": windows.stall_end},
            ring_seconds=around.settings.cameras.ring_seconds,
            suppressions=_rejections(order),
            view=order.preset,
            tell=around.tell,
        )
        self._in_thread = in_thread
        self._sight = Sight(in_thread, beside=True)
        most_bytes = int(around.settings.cameras.looks_mb * 1e6)
        self._seen = LookLog(look_logs(around.settings.data_folder), order.code, most_bytes, recording)
        self._pace = Pace(around.clock())
        self._health: Health = initial(around.clock())
        self.pictures = PictureWatch(self._ring, self._decoding.threads, self._keep_scene, order.preset)
        self.pictures.know(order.scenes)
        self._probing: asyncio.Task[None] | None = None
        wrong_logins = _by_steady_clock(order.wrong_logins, around.clock())
        self._logins = LoginRetry(wrong=WrongLogins(wrong_logins), clock=monotonic)
        self._main = MainStream(
            _address(order),
            self.bus,
            self._pull_says,
            name=order.code,
            limits=self._limits(),
            way=around.way,
            logins=self._logins,
        )
        self.sub = self._sub_stream(order)
        self.recorder = CameraRecorder(
            order.code,
            camera_recordings(around.settings.data_folder) / order.code,
            self.bus,
            in_thread=recording,
        )
        self._changing = asyncio.Lock()
        self.looks = Looks(
            order.code,
            self.bus,
            lambda: self._hazards.wish,
            self._look,
            live=lambda: self._main.live,
            budget=around.waking,
            decoding=self._decoding,
            sub=self.sub,
            changed=self._report,
        )

    @property
    def address(self) -> StreamAddress:
        """Of its main stream."""
        return _address(self._order)

    async def start(self) -> None:
        self.looks.start()
        self.recorder.start()
        if self._main.seconds_to_wait > 0:
            self._observe(PullFailed("auth_failed", login=True))
        else:
            self._report()
        await self._main.start()

    def disk_answers(self) -> None:
        """That of the journal, which did not as the worker started."""
        self._report()

    async def retry_login(self, proved: bool) -> None:
        """The login may be right now, or is ``proved`` to be."""
        if self._health.state == "auth_failed":
            await self._main.retry(proved=proved)

    async def change(self, order: AssignCamera) -> None:
        """Take over a changed order. One with a lower fence is void."""
        if order.fence < self._order.fence:
            return
        before, self._order = self._order, order
        if order.rules != before.rules:
            self._rules = usable_rules(order)
        self._hazards.replace(self._rules, self._around.clock(), _rejections(order), order.preset)
        self.pictures.know(order.scenes)
        if before.preset != order.preset:
            self.pictures.use_preset(order.preset)
        self._report()
        if _source(before) == _source(order):
            return
        async with self._changing:
            await self._change_sub_stream(before, order)
            if _main(before) != _main(order):
                await self._main.change(_address(order))

    async def stop(self) -> None:
        """Let the camera go: its pull waits for nothing, another worker may own it before a disk that hangs has
        answered. A part that fails or hangs keeps no other one from its end."""
        async with self._changing:
            if self._probing is not None:
                self._probing.cancel()
            self._main.wait_no_more()
            await asyncio.gather(self._end(self._main.stop), self._end_watching())
            self._untap()
            self.bus.close()

    async def _end_watching(self) -> None:
        """Looks first: nothing is raised after them, and nobody asks for the sub-stream."""
        for part in (self.looks.stop, self._sight.stop):
            await self._end(part)
        parts = [self.evidence.close, self._seen.close, self.recorder.stop]
        if self.sub is not None:
            parts.append(self.sub.close)
        await asyncio.gather(*map(self._end, parts))

    async def _end(self, part: Callable[[], Awaitable[None]]) -> None:
        try:
            async with asyncio.timeout(END_SECONDS):
                await part()
        except Exception:
            log.exception("part_not_ended", camera=self.code, part=getattr(part, "__qualname__", str(part)))

    def samples(self) -> list[Sample]:
        labels = {"camera": self.code}
        counted = {
            "gateway_camera_recording_failures_total": self.recorder.failures,
            "gateway_camera_looks_total": self.looks.taken,
            "gateway_camera_looks_unanswered_total": self._pace.unanswered,
            "gateway_camera_awake_seconds_total": self.looks.seconds_awake,
            "gateway_camera_second_looks_total": self._sight.second_looks,
            "gateway_camera_counts_total": self._sight.counts,
            "gateway_camera_decode_seconds_total": self.looks.seconds_decoding,
            "gateway_camera_alerts_total": self._hazards.raised,
            "gateway_camera_looks_not_logged_total": self._seen.left_out,
            "gateway_camera_evidence_given_up_total": self.evidence.given_up,
            "gateway_camera_alerts_without_clip_total": self.evidence.without_clip,
        }
        now = self._around.clock()
        delay, asked = self._pace.delay(now), 1 / max(0.1, self.looks.wish.gap) if self._hazards.watching else 0.0
        measured = {
            "gateway_camera_ring_bytes": self._ring.size_bytes,
            "gateway_camera_alerts_waiting_for_disk": self.evidence.waiting_for_disk,
            "gateway_camera_live": float(self._health.state == "live"),
            "gateway_camera_looks_per_second": self._pace.rate(now),
            "gateway_camera_looks_per_second_asked": asked,
            **({} if delay is None else {"gateway_camera_look_delay_seconds": delay}),
            "gateway_camera_looks_unanswered_share": self._pace.left_out_share(now),
            "gateway_camera_recording": float(self.recorder.recording),
            "gateway_camera_rate_unmet": float(self.looks.rate_unmet),
            "gateway_camera_awake": float(self.looks.decoded != "keyframes"),
            "gateway_camera_sub_stream_connected": float(self.sub is not None and self.sub.connected),
        }
        return [
            *(Sample(name, labels, value, "counter") for name, value in counted.items()),
            *(Sample(name, labels, value) for name, value in measured.items()),
            *self._main.samples(),
            *bus_samples(self.code, self.bus),
        ]

    def clock_read(self, offset: float) -> None:
        """Its clock less ours, seconds."""
        self._observe(ClockRead(offset))

    async def snapshot(self) -> Snapshot:
        """The newest keyframe, JPEG. Refuses where there is none, or none that can be decoded."""
        frame = self.bus.last_keyframe
        if frame is None:
            raise Refusal(
                "unavailable", "no_picture", "摄像机当前没有画面", "the camera gives no picture at the moment"
            )
        work = partial(_jpeg_of, frame)
        try:
            return Snapshot(
                await asyncio.get_running_loop().run_in_executor(self._decoding.threads, work), frame.arrival
            )
        except PictureUnreadable as refused:
            raise Refusal("unavailable", refused.reason, refused.zh, refused.en) from None

    async def _look(self, glimpse: Glimpse) -> None:
        """The rules wait for nothing else: whether the picture is well is judged in threads that decode for all."""
        both = await asyncio.gather(self._look_for_hazards(glimpse), self._look_after(glimpse), return_exceptions=True)
        for one in both:
            if one is not None:
                raise one

    async def _look_after(self, glimpse: Glimpse) -> None:
        """Whether the picture is well."""
        patrolled = self.pictures.patrols
        judged = await self.pictures.judge(glimpse)
        self._observe(PictureJudged(judged.fault), await self._evidence_of(judged))
        if self.pictures.patrols != patrolled:
            self._report()
        if self._health.fault is not None:
            self.looks.ask(SUSPICIOUS_GAP, SUSPICIOUS_SECONDS)

    async def _look_for_hazards(self, glimpse: Glimpse) -> None:
        view, frozen = self._order.preset, self._health.state == "frozen"
        self._hazards.picture_is(frozen=frozen)
        if not self._hazards.watching:
            return
        ask = self._around.eye.of(self.code, glimpse.arrival, self._hazards.urgency)
        counts = self._hazards.counts_people(glimpse.arrival)
        stalls = self._hazards.stalls_within(glimpse.arrival)
        seen = await self._sight.look(glimpse, ask, count=counts, stalls=stalls, view=view)
        was_behind = self._pace.behind
        if seen is None:
            self._pace.left_out(self._around.clock())
        else:
            self._pace.answered(glimpse.arrival, self._around.clock())
            if self._order.preset == view:  # else the head was turned meanwhile: other rules hold, of another view
                self._hazards.observe(seen, lambda: jpeg(glimpse.full()))
            self._seen.note(seen, view=view, frozen=frozen, asked=Asked(counts, stalls))
            if ask.beside:
                self._around.eye.show(self.code, glimpse, seen, counts=counts, stalls=stalls, in_thread=self._in_thread)
        if self._pace.behind != was_behind:
            self._report()

    def _sub_stream(self, order: AssignCamera) -> OnDemandSource | None:
        if order.sub_stream_url is None or order.sub_stream_url == order.stream_url:
            return None
        address = StreamAddress(order.sub_stream_url, order.username, order.password, order.clear_login)
        return OnDemandSource(
            address,
            name=f"{order.code}-sub",
            limits=self._limits(),
            way=self._around.way,
            retry=RETRY,
            retry_after_wrong_password=self._logins,
        )

    async def _change_sub_stream(self, before: AssignCamera, order: AssignCamera) -> None:
        if _sub(before) == _sub(order):
            return
        old, self.sub = self.sub, self._sub_stream(order)
        self.looks.sub = self.sub
        if old is not None:
            await old.close()

    def _limits(self) -> PullLimits:
        return PullLimits(silence=self._around.settings.cameras.stalled_after)

    async def _evidence_of(self, judged: Judged) -> bytes | None:
        """The picture, if it changes the state."""
        after = step(self._health, PictureJudged(judged.fault), self._around.clock())
        if after.state == self._health.state:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._decoding.threads, judged.picture)

    def _pull_says(self, state: PullState) -> None:
        if state.phase == "away" and state.reason in PERHAPS_MOVED and state.failures % TRIES == 0:
            self._around.tell(StreamUnreachable(self.code, self._order.fence, state.reason))
        if state.phase == "away" and state.reason in LOGIN_REFUSED:
            self._around.tell(LoginRefused(self.code, self._order.fence, self._around.clock()))
        if state.phase != "live":
            self.pictures.interrupted()
        seen = from_pull(state.phase, state.reason)
        if seen is not None:
            self._observe(seen)
        if isinstance(seen, NothingArrived) and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._probe(), name=f"probe-{self.code}")

    async def _probe(self) -> None:
        """A camera that fell silent may have been unplugged; the pull would find out only after its own time limits."""
        if not await reachable(self._order.stream_url) and self._health.state == "stalled":
            self._observe(PullFailed("unreachable"))

    def _observe(self, seen: Observation, evidence: bytes | None = None) -> None:
        before = self._health
        self._health = step(before, seen, self._around.clock())
        if (self._health.state, self._health.reason) != (before.state, before.reason):
            self._report(evidence if self._health.state != before.state else None)

    def _keep_scene(self, preset: str, scene: bytes) -> None:
        self._around.tell(SceneLearned(self.code, self._order.fence, preset, scene))

    def _report(self, evidence: bytes | None = None) -> None:
        health = self._health
        reason = health.reason
        if health.state == "live":
            reason = "patrolling" if self.pictures.patrols else reason
            # What keeps hazards from being seen is worse than what keeps them from being shown: it is put over it.
            reason = "evidence_unwritten" if self.evidence.unwritten else reason
            reason = "rate_unmet" if self.looks.rate_unmet else reason
            reason = "rule_unusable" if len(self._rules) < len(self._order.rules) else reason
            reason = "looks_left_out" if self._pace.behind else reason
            reason = self.looks.ailment or reason
            reason = "quarantined" if self._order.quarantined else reason
        self._around.tell(HealthChanged(self.code, self._order.fence, health.state, reason, health.since, evidence))


def _jpeg_of(frame: EncodedFrame) -> bytes:
    return jpeg(decode_keyframe(frame))


def _by_steady_clock(times: Sequence[float], now: float) -> list[float]:
    """Seconds since the epoch, as ``monotonic`` counts them; what is yet to come was just now."""
    return [monotonic() - max(0.0, now - at) for at in times]


def _address(order: AssignCamera) -> StreamAddress:
    return StreamAddress(order.stream_url, order.username, order.password, order.clear_login)


def _source(order: AssignCamera) -> tuple[str | bool | None, ...]:
    return _main(order) + _sub(order)


def _main(order: AssignCamera) -> tuple[str | bool | None, ...]:
    return order.stream_url, order.username, order.password, order.clear_login


def _sub(order: AssignCamera) -> tuple[str | bool | None, ...]:
    return order.sub_stream_url, order.username, order.password, order.clear_login


def _rejections(order: AssignCamera) -> tuple[Suppression, ...]:
    return rejections_of(order.code, order.suppressions, order.preset)


def usable_rules(order: AssignCamera) -> tuple[RuleConfig, ...]:
    """The order's rules. They were checked at the door, of an older version perhaps; one that cannot be used is said,
    the others go on watching."""
    kept = parse_kept(order.rules)
    for one in kept.unusable:
        log.error("rule_unusable", camera=order.code, reason=one.why.reason, detail=str(one.why))
    return kept.usable
