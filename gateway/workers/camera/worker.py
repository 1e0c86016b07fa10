"""The camera worker put together: its cameras, and one answer for each message of control."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from gateway.processes.active import ActiveMarks, MarkedThreads, marks_file
from gateway.processes.channel import Channel, ChannelClosed
from gateway.processes.messages import (
    Answer,
    AskTalk,
    AssignCamera,
    ClockOffset,
    CloseTalk,
    CloseViewing,
    Done,
    EvidenceReady,
    LearnScene,
    LendStream,
    Message,
    OpenTalk,
    OpenViewing,
    RecordCamera,
    ReleaseCamera,
    RetryLogin,
    Sample,
    StreamLent,
    TakeSnapshot,
    TalkKnown,
    WakeCamera,
    WithdrawStream,
)
from gateway.refusals import Refusal
from gateway.settings import RtspSettings, WorkerSettings
from gateway.streams import lending
from gateway.streams.bus import FrameBus
from gateway.streams.clip_recovery import recover_clip
from gateway.streams.playable import Playability, PlayableSource
from gateway.streams.rtsp_out import RtspServer
from gateway.streams.source import AcquiredSource, FrameSource, LocalSource
from gateway.streams.talk_door import TalkDoor
from gateway.streams.tls_trust import TlsTrust
from gateway.streams.way import Way
from gateway.streams.whep import WhepDoor
from gateway.workers.camera.awake import Decoding
from gateway.workers.camera.delivery import AlertDelivery
from gateway.workers.camera.evidence import Store, evidence_of
from gateway.workers.camera.eye import Eye
from gateway.workers.camera.heap import give_back
from gateway.workers.camera.inference_link import InferenceLink
from gateway.workers.camera.journal import AlertJournal
from gateway.workers.camera.looks import EVENT_GAP, EVENT_SECONDS
from gateway.workers.camera.owned_camera import OwnedCamera, Surroundings
from gateway.workers.camera.waking import WakeBudget
from gateway.workers.inference.server import SOCKET_NAME

log = structlog.get_logger(__name__)

DECODERS = 2
"""Threads that decode keyframes: 25 ms of a core for 1080p, so two keep up with fifty cameras' keyframes; and as many
for the frames of woken cameras."""
DISK_THREADS = 8
"""Threads that wait for the disk of journal and clips, and as many for that of recordings and logs of looks: recordings
on a disk of their own that hangs take no alert its evidence. The loop's own would be no more on two cores, and each
look needs them."""
MARKS_WITHIN = 2.0
"""Seconds for which a start waits for the file of its marks: on a disk that hangs they lie in memory of their own."""
CLOSE_WITHIN = 4.5
"""Seconds in which a worker ends, whatever hangs; then ``AlertDelivery.stop`` has its last word. A supervisor kills it
after eight."""
STREAM_PATH = "cameras/"


class CameraWorker:
    """Cameras by their code; viewings and streams of them."""

    def __init__(self, around: Surroundings, link: InferenceLink, control: Channel) -> None:
        self._around = around
        self._link = link
        self._control = control
        self._cameras: dict[str, OwnedCamera] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._playability = Playability()
        self._whep = WhepDoor(
            around.settings.webrtc,
            most_sessions=around.settings.webrtc.most_viewers,
            most_transcodings=around.settings.webrtc.most_transcodings,
            threads_for=self._threads_for,
            playability=self._playability,
        )
        self._talks = TalkDoor(around.settings.webrtc, around.way)
        self._rtsp = RtspServer(self._source_of)
        self._rtsp_address = ""

    async def open(self, settings: RtspSettings) -> None:
        """Open the RTSP door. A taken port leaves no camera unwatched: another one is taken, and that is said."""
        try:
            port = await self._rtsp.start(settings.host, settings.port)
        except Refusal as refusal:
            port = await self._rtsp.start(settings.host, 0)
            log.error("rtsp_port_taken", wanted=settings.port, instead=port, detail=refusal.en)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
        self._rtsp_address = f"rtsp://[{host}]:{port}" if ":" in host else f"rtsp://{host}:{port}"

    async def close(self) -> None:
        """Everything beside everything else, in ``CLOSE_WITHIN``: what is cut short then lies in the journal, or is
        said. Cameras that were let go before are waited for as well."""
        for work in (
            *(camera.stop() for camera in self._cameras.values()),
            self._whep.close_all(),
            self._talks.close_all(),
            self._rtsp.stop(),
        ):
            self._begin(work)
        _done, late = await asyncio.wait(self._tasks, timeout=CLOSE_WITHIN)
        if late:
            log.error("worker_cut_short", seconds=CLOSE_WITHIN)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._cameras.clear()

    def disk_answers(self) -> None:
        """That of the journal, which did not at the start."""
        for camera in self._cameras.values():
            camera.disk_answers()

    async def handle(self, message: Message) -> Message | None:
        match message:
            case AssignCamera():
                await self._assign(message)
            case RecordCamera(code, wanted):
                camera = self._cameras.get(code)
                if camera is not None:
                    camera.recorder.want(wanted)
            case WakeCamera(code):
                camera = self._cameras.get(code)
                if camera is not None:
                    camera.looks.ask(EVENT_GAP, EVENT_SECONDS)
            case ReleaseCamera(code):
                self._release(code)
            case ClockOffset(code, offset):
                if code in self._cameras:
                    self._cameras[code].clock_read(offset)
            case RetryLogin(code, proved):
                if code in self._cameras:
                    await self._cameras[code].retry_login(proved)
            case LearnScene(code, preset):
                self._camera(code).pictures.learn_anew(preset)
            case TakeSnapshot(code):
                return await self._camera(code).snapshot()
            case OpenViewing(code, session_id, offer, main):
                camera = self._camera(code)
                sub = None if main else camera.sub
                opened = await self._whep.open(camera.bus, offer, viewing_id=session_id, sub=sub)
                return Answer(opened.answer, opened.note)
            case CloseViewing(session_id):
                await self._whep.close(session_id)
            case AskTalk(code):
                return TalkKnown(await self._talks.codec(code, self._camera(code).address))
            case OpenTalk(code, talk_id, offer):
                return Answer(await self._talks.open(code, self._camera(code).address, offer, talk_id))
            case CloseTalk(talk_id):
                await self._talks.close(talk_id)
            case LendStream(code, reader, until, username, password):
                camera = self._camera(code)
                path = STREAM_PATH + camera.code
                login = (username, password) if username is not None and password is not None else None
                username, password = self._rtsp.lend(path, reader, until, login)
                url = f"{self._rtsp_address}/{path}"
                smaller = url + lending.SMALLER if camera.sub is not None else None
                return StreamLent(url, username, password, smaller, url + lending.PLAYABLE)
            case WithdrawStream(code, reader):
                self._rtsp.withdraw(STREAM_PATH + code, reader)
            case _:
                raise Refusal("invalid", "unexpected_message", "意外的消息", "unexpected message")
        return Done()

    def samples(self) -> list[Sample]:
        viewings = self._whep.counts()
        eye, delivery, waking = self._around.eye, self._around.store.delivery, self._around.waking
        looks = [camera.looks for camera in self._cameras.values()]
        card = self._link.card
        known = []
        if card is not None:
            weights = {"weights": card.name, "sha256": card.sha256, "card_sha256": card.card_sha256}
            known = [Sample("gateway_weights_info", weights, 1)]
        own = [
            Sample("gateway_cameras", {}, len(self._cameras)),
            Sample("gateway_viewers", {}, viewings.viewers),
            Sample("gateway_viewer_frames_sent_total", {}, viewings.frames_sent, "counter"),
            Sample("gateway_viewer_frames_dropped_total", {}, viewings.frames_lost, "counter"),
            Sample("gateway_viewer_first_frames_total", {}, viewings.first_frames, "counter"),
            Sample("gateway_viewer_first_frame_seconds_total", {}, viewings.first_frame_seconds, "counter"),
            Sample("gateway_transcodings", {}, viewings.transcodings),
            Sample("gateway_sub_stream_viewers", {}, viewings.sub_streams),
            Sample("gateway_transcoding_frames_dropped_total", {}, viewings.transcoding_drops, "counter"),
            Sample("gateway_talks", {}, self._talks.speaking),
            Sample("gateway_rtsp_readers", {}, self._rtsp.readers),
            Sample("gateway_rtsp_frames_dropped_total", {}, self._rtsp.drops, "counter"),
            Sample("gateway_inference_connected", {}, float(self._link.connected)),
            Sample("gateway_looks_unanswered_total", {}, self._link.unanswered, "counter"),
            Sample("gateway_keyframes_unreadable_total", {}, sum(one.unreadable for one in looks), "counter"),
            Sample("gateway_keyframes_stale_total", {}, eye.stale, "counter"),
            Sample("gateway_cameras_awake", {}, waking.awake),
            Sample("gateway_cameras_waiting_to_wake", {}, waking.waiting),
            Sample("gateway_wake_cores", {}, waking.used),
            Sample("gateway_cameras_rate_unmet", {}, sum(one.rate_unmet for one in looks)),
            Sample("gateway_alert_messages_waiting", {}, delivery.waiting),
            Sample("gateway_alert_messages_refused_total", {}, delivery.refused, "counter"),
            Sample("gateway_alerts_in_memory_alone", {}, delivery.in_memory_alone),
        ]
        return own + known + [sample for camera in self._cameras.values() for sample in camera.samples()]

    def _source_of(self, path: str) -> FrameSource | None:
        if not path.startswith(STREAM_PATH):
            return None
        code, _, which = path.removeprefix(STREAM_PATH).partition("/")
        camera = self._cameras.get(code)
        if camera is None:
            return None
        match f"/{which}":
            case "/":
                return LocalSource(camera.bus)
            case lending.PLAYABLE:
                return PlayableSource(camera.bus, camera.sub, self._playability)
            case lending.SMALLER if camera.sub is not None:
                return AcquiredSource(camera.sub)
        return None

    def _camera(self, code: str) -> OwnedCamera:
        camera = self._cameras.get(code)
        if camera is None:
            raise Refusal(
                "not_found", "camera_not_watched", "该摄像机未在取流", "this camera is not being pulled", field="code"
            )
        return camera

    async def _assign(self, order: AssignCamera) -> None:
        held = self._cameras.get(order.code)
        if held is not None:
            # The camera may take seconds to let go; other orders do not wait for it.
            self._begin(held.change(order))
            return
        camera = self._cameras[order.code] = OwnedCamera(order, self._around)
        await camera.start()

    def _release(self, code: str) -> None:
        camera = self._cameras.pop(code, None)
        if camera is not None:
            self._talks.leave(code)
            self._begin(camera.stop())

    def _threads_for(self, source: FrameBus, threads: Executor) -> Executor:
        """Transcoding a camera is work for that camera."""
        code = next((code for code, camera in self._cameras.items() if camera.bus is source), "")
        return MarkedThreads(threads, self._around.marks, code)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def recovered(alert_id: str, path: Path) -> EvidenceReady | None:
    """The evidence that can be made of a clip which a crash cut short."""
    clip = recover_clip(path)
    return None if clip is None else evidence_of(alert_id, clip)


@asynccontextmanager
async def open_camera_worker(name: str, settings: WorkerSettings, channel: Channel) -> AsyncIterator[CameraWorker]:
    """Open the journal, the line to the engine and the doors; take up what an earlier run left behind. Waits for no
    disk that hangs."""

    def tell(message: Message) -> None:
        try:
            channel.send(message)
        except ChannelClosed:
            log.info("control_away", message=type(message).__name__)

    journal = AlertJournal(journals_folder(settings.data_folder) / name)
    async with AsyncExitStack() as stack:
        threads, awake = (
            stack.enter_context(ThreadPoolExecutor(DECODERS, thread_name_prefix=name)) for name in ("decode", "awake")
        )
        link = InferenceLink(settings.run_folder / SOCKET_NAME)
        link.start()
        stack.push_async_callback(link.stop)
        disk, recordings = (
            ThreadPoolExecutor(DISK_THREADS, thread_name_prefix=prefix) for prefix in ("disk", "recordings")
        )
        for hanging in (disk, recordings):
            stack.callback(hanging.shutdown, wait=False, cancel_futures=True)
        marks = await _marks(marks_file(settings.run_folder, name), disk)
        delivery = AlertDelivery(channel, journal, recovered, lambda code: marks.in_thread(code, disk))
        stack.push_async_callback(delivery.stop)
        eye = Eye(link, time.time)
        around = Surroundings(
            settings,
            eye,
            Decoding(threads, awake, eye.input_size, time.time),
            marks,
            WakeBudget(settings.cameras.wake_cores),
            Store(journal, delivery, settings.cameras.clip_after_seconds, time.time),
            Way(
                settings.cameras.udp_networks,
                TlsTrust(settings.cameras.rtsps_authorities, frozenset(settings.cameras.rtsps_pins)),
            ),
            time.time,
            tell,
            disk,
            recordings,
        )
        worker = CameraWorker(around, link, channel)
        stack.push_async_callback(worker.close)
        await delivery.start(worker.disk_answers)
        await worker.open(rtsp_door(settings.rtsp, name))
        trimming = asyncio.create_task(give_back(), name="heap")
        stack.callback(trimming.cancel)
        yield worker


async def _marks(path: Path, disk: Executor) -> ActiveMarks:
    making = asyncio.get_running_loop().run_in_executor(disk, ActiveMarks, path)
    try:
        async with asyncio.timeout(MARKS_WITHIN):
            return await making
    except TimeoutError:
        log.error("active_marks_not_kept", path=str(path), error=f"no answer in {MARKS_WITHIN:g} s")
        return ActiveMarks(None)


def rtsp_door(settings: RtspSettings, worker: str) -> RtspSettings:
    """Each worker's own port, the same at every start: ``camera-1`` has that of the settings, the next the next."""
    port = settings.port + int(worker.rpartition("-")[2]) - 1 if settings.port else 0
    return settings.model_copy(update={"port": port if port <= 65535 else 0})


def journals_folder(data_folder: Path) -> Path:
    """The journals of all workers, one folder for each."""
    return data_folder / "journal"
