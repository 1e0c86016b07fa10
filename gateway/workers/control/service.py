"""The control process put together, from the data folder's lock to the last worker's end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import structlog

from camera_registry.address_policy import AddressPolicy
from detectors.engine import runtime_for
from detectors.networks import checked_files
from detectors.refusals import WeightsRefused
from detectors.sees import HAZARDS, hazards_of
from gateway.api.app import create_app
from gateway.api.camera_network import CameraNetwork
from gateway.api.services import Services
from gateway.api.trial_jobs import TrialJobs
from gateway.api.weights_desk import settle
from gateway.clock import Clock, system_clock
from gateway.duty.report_keeper import ReportKeeper
from gateway.events.announcing import Announcer
from gateway.events.books import CityBooks
from gateway.events.holiday_watch import HolidayWatch
from gateway.events.intake import AlertIntake, evidence_folder
from gateway.events.mode_switches import ModeKeeping
from gateway.events.opening import Opening
from gateway.events.outward import receivers
from gateway.events.outward.sender import OutboxSender
from gateway.events.promotion import Promotion
from gateway.events.timekeeping import Timekeeping
from gateway.grid.dispatch_book import DispatchBook
from gateway.grid.platforms import ensure_hub
from gateway.live import LiveHub
from gateway.processes import periodic
from gateway.processes.active import active_in, marks_file
from gateway.processes.messages import Message, Sample
from gateway.processes.supervisor import Supervisor, WorkerSpec
from gateway.refusals import Refusal
from gateway.rooms.desk import RoomDesk
from gateway.rooms.escalation import Escalations
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.look_files import look_logs
from gateway.storage.migrations import migrate
from gateway.storage.vault import Vault
from gateway.streams.recordings import camera_recordings
from gateway.workers.camera.worker import journals_folder
from gateway.workers.control.assignments import CAMERA_WORKER, Assignments
from gateway.workers.control.camera_records import CameraRecords
from gateway.workers.control.clock_watch import ClockWatch
from gateway.workers.control.device_events import DeviceEvents
from gateway.workers.control.dispatch import Dispatch, is_camera_worker
from gateway.workers.control.fresh_address import FreshAddresses
from gateway.workers.control.http_server import address_of, http_server
from gateway.workers.control.instance import bound_socket, sole_instance
from gateway.workers.control.links import WorkerLinks
from gateway.workers.control.login_memory import LoginMemory
from gateway.workers.control.look_log_keeping import LookLogKeeping
from gateway.workers.control.media import ROOM_WORKER, CameraMedia, WorkerRoomMedia
from gateway.workers.control.placement import Placement
from gateway.workers.control.quarantine import is_crash
from gateway.workers.control.recording_keeper import RecordingKeeper
from gateway.workers.control.stream_loans import StreamLoans
from gateway.workers.control.weights_desk import WeightsOnDisk
from gateway.workers.inference.promotion import card_in_force, unsettled
from gateway.workers.room.worker import recordings_folder

log = structlog.get_logger(__name__)

CONTROL_SOCKET = "control.sock"
INFERENCE_WORKER = "inference"
OnReady = Callable[[str], None]


async def serve(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    on_ready: OnReady | None = None,
    ending: asyncio.Event | None = None,
) -> None:
    """Run until SIGTERM, SIGINT or ``ending``. ``on_ready`` hears the console's address once every worker is there.

    Raises ``Refusal`` for what an operator must mend first: a taken port, an unusable folder, weights or database.
    """
    with sole_instance(settings.data_folder), bound_socket(settings.http) as listening:
        await check_weights(settings)
        ending = ending or asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ending.set)
        try:
            async with AsyncExitStack() as stack:
                control = await ControlProcess.open(settings, clock, stack)
                server = http_server(create_app(control.services), settings.http)
                address = address_of(settings.http, listening)
                serving = asyncio.create_task(server.serve(sockets=[listening]), name="http")
                announcing = asyncio.create_task(control.announce(address, on_ready), name="announce")
                running = {serving, *control.tasks}
                stopping = asyncio.create_task(ending.wait())
                await asyncio.wait({*running, stopping}, return_when=asyncio.FIRST_COMPLETED)
                log.info("ending")
                announcing.cancel()
                stopping.cancel()
                server.should_exit = True
                await asyncio.wait({serving}, timeout=10)
                failed = [task.exception() for task in running if task.done() and not task.cancelled()]
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        log.info("ended")
        for error in failed:
            if error is not None:
                raise error


async def check_weights(settings: Settings) -> None:
    """Weights that cannot be used are said before anything is started."""
    card = card_in_force(settings.data_folder, settings.inference)
    try:
        checked, _ = await asyncio.to_thread(checked_files, card)
        runtime_for(settings.inference.engine, checked)
        blind = sorted(set(HAZARDS) - hazards_of(checked))
        if blind:
            log.warning("weights_blind", weights=checked.name, hazards=blind)
    except WeightsRefused as refused:
        raise Refusal("unavailable", refused.reason, refused.zh, refused.en, field="inference.weights") from None


async def settle_weights(db: Database, data_folder: Path, clock: Clock) -> None:
    """The audit chain and what is in force agree from here on, whatever an earlier process was killed over."""
    turn = await asyncio.to_thread(unsettled, data_folder)
    if turn is None:
        return
    try:
        await settle(db, turn, clock)
    finally:
        await asyncio.to_thread(turn.drop)


class ControlProcess:
    """What control is made of, opened in its order and closed in the reverse."""

    def __init__(self, services: Services, links: WorkerLinks, supervisor: Supervisor) -> None:
        self.services = services
        self.tasks: set[asyncio.Task[None]] = set()
        self.worker_came = asyncio.Event()
        self._links = links
        self._supervisor = supervisor

    @classmethod
    async def open(cls, settings: Settings, clock: Clock, stack: AsyncExitStack) -> ControlProcess:
        await migrate(settings.database_url)
        db = Database(settings.database_url)
        stack.push_async_callback(db.close)
        vault = await asyncio.to_thread(Vault.at, settings.data_folder)
        async with db.transaction() as session:
            await ensure_hub(session, settings.platform_code, settings.platform_name)
            await receivers.ensure_configured(
                session, vault, settings.webhooks, platform=settings.platform_code, now=clock()
            )
        await settle_weights(db, settings.data_folder, clock)
        live = LiveHub()
        sender = OutboxSender(db, vault, clock, settings.receivers)
        announcer = Announcer(db, live, clock, sender.wake)
        books = CityBooks()
        rules = DispatchBook()
        opening = Opening.of(settings, books, rules)
        journals = journals_folder(settings.data_folder)
        recorded = recordings_folder(settings.data_folder)
        files = EvidenceFiles(evidence_folder(settings), (journals, recorded))
        cameras = CameraRecords(db, vault, settings.rules, clock, files)
        await cameras.begin_again(clock())
        intake = AlertIntake(files, cameras, settings, announcer, opening)
        promotion = Promotion(db, announcer, opening, settings.windows, clock)
        timekeeping = Timekeeping(db, announcer, opening, clock)

        worker_settings = settings.for_workers()
        socket_path = worker_settings.run_folder / CONTROL_SOCKET

        def on_exit(worker: str, code: int) -> None:
            if is_camera_worker(worker) and is_crash(code):
                assignments.worker_crashed(worker, active_in(marks_file(worker_settings.run_folder, worker)))

        supervisor = Supervisor(_workers(journals), socket_path, on_exit=on_exit)
        placement = Placement(settings.cameras.per_worker)
        dispatch: Dispatch | None = None

        async def on_message(worker: str, message: Message) -> Message | None:
            assert dispatch is not None  # noqa: S101 - set below, before anybody can connect
            return await dispatch.message(worker, message)

        async def on_worker(worker: str) -> None:
            assert dispatch is not None  # noqa: S101 - as above
            await dispatch.ready(worker)
            control.worker_came.set()

        async def on_lost(worker: str) -> None:
            assert dispatch is not None  # noqa: S101 - as above
            await dispatch.lost(worker)

        links = WorkerLinks(supervisor, worker_settings, on_message, on_worker, on_lost)
        media = CameraMedia(links, placement)
        rooms = RoomDesk.over(db, WorkerRoomMedia(links, media), live, clock, files, vault, recorded)
        network = CameraNetwork(settings.cameras, clock)
        stack.push_async_callback(network.close)
        logins = LoginMemory(db, network.backoff, clock)
        await logins.load()
        stack.push_async_callback(logins.close)
        assignments = Assignments(cameras, placement, links, supervisor, live, clock, logins)
        stack.push_async_callback(assignments.close)
        addresses = FreshAddresses(db, vault, network, assignments.changed, clock)
        stack.push_async_callback(addresses.close)
        loans = StreamLoans(links, db, vault, clock)
        keeper = RecordingKeeper(
            db, links, placement, camera_recordings(settings.data_folder), settings.recordings, clock
        )
        reports = ReportKeeper.over(db, books, live, clock, settings.data_folder)
        dispatch = Dispatch(intake, assignments, loans, rooms, addresses, cameras)
        clocks = ClockWatch(
            db, AddressPolicy(settings.cameras.networks), clock, assignments.tell, assignments.tell_until_taken
        )

        device_events = DeviceEvents(db, vault, network.control, live, clock, media.wake)
        stack.push_async_callback(device_events.close)

        async def camera_changed(code: str) -> None:
            await assignments.changed(code)
            try:
                await device_events.changed(code)
            except Refusal as refusal:  # the change itself stands; what the camera reports is heard at the next one
                log.warning("camera_events_not_changed", camera=code, reason=refusal.reason)
            except Exception:
                log.exception("camera_events_not_changed", camera=code)

        holidays = HolidayWatch(db, books, clock)
        swept = (
            promotion.work,
            timekeeping.work,
            ModeKeeping(db, announcer, clock).work,
            Escalations(rooms.register, rooms.standing_orders, announcer).work,
            rooms.steering.work,
            clocks.work,
            holidays.work,
            keeper.work,
            LookLogKeeping(look_logs(settings.data_folder), clock).work,
            reports.work,
        )
        works = (*swept, sender.work, sender.forgetting)
        trials = TrialJobs(card_in_force(settings.data_folder, settings.inference), settings.inference.engine)
        stack.push_async_callback(trials.close)

        def engine_again(card: Path) -> None:
            trials.use(card)
            supervisor.restart(INFERENCE_WORKER)

        def metrics() -> Iterable[Sample]:
            yield from sender.samples()
            yield from device_events.samples()
            yield from clocks.samples()
            yield from holidays.samples()
            for health, count in assignments.changes.items():
                yield Sample("gateway_camera_health_changes_total", {"state": health}, count, "counter")
            yield Sample("gateway_alerts_lost_total", {}, dispatch.alerts_lost, "counter")
            yield Sample("gateway_cameras_quarantined", {}, len(assignments.quarantine))
            yield from keeper.samples()
            yield from periodic.samples(works)
            for name, state in supervisor.workers.items():
                yield Sample("gateway_worker_starts_total", {"worker": name}, state.starts, "counter")
                yield Sample("gateway_worker_ready", {"worker": name}, float(name in links.connected))
            for name, sample in links.samples():
                yield Sample(sample.name, {**sample.labels, "worker": name}, sample.value, sample.kind)

        def ready() -> Mapping[str, bool]:
            return {name: name in links.connected for name in supervisor.workers}

        def failing() -> Mapping[str, str]:
            return {work.name: work.failing for work in works if work.failing is not None}

        control = cls(
            Services(
                settings=settings,
                db=db,
                vault=vault,
                clock=clock,
                live=live,
                books=books,
                dispatch=rules,
                cameras=cameras,
                camera_network=network,
                media=media,
                rooms=rooms,
                trials=trials,
                weights=WeightsOnDisk(settings.data_folder, settings.inference, engine_again),
                wake_outbox=sender.wake,
                cameras_changed=camera_changed,
                device_events=device_events,
                tell_camera=assignments.tell_until_taken,
                recordings_changed=keeper.wake,
                report_asked=reports.wake,
                workers_ready=ready,
                works_failing=failing,
                extra_metrics=metrics,
            ),
            links,
            supervisor,
        )
        await assignments.place_all()
        await links.open(socket_path)
        await device_events.start()
        stack.push_async_callback(links.close)
        # Promotion and outbox live until the workers have ended: their last words may open an event.
        stack.push_async_callback(control._stop_tasks)
        for work in swept:
            control._start(work.run(), work.name)
        control._start(sender.run(), sender.work.name)
        supervisor.start()
        stack.push_async_callback(supervisor.stop)
        return control

    async def announce(self, address: str, on_ready: OnReady | None) -> None:
        """Say so once every worker is there; then the whole chain runs."""
        while not all(name in self._links.connected for name in self._supervisor.workers):
            self.worker_came.clear()
            await self.worker_came.wait()
        log.info("ready", address=address, workers=len(self._supervisor.workers))
        if on_ready is not None:
            on_ready(address)

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        self.tasks.add(asyncio.create_task(work, name=name))

    async def _stop_tasks(self) -> None:
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with suppress(asyncio.CancelledError, Exception):
                await task


def _workers(journals: Path) -> tuple[WorkerSpec, ...]:
    """The workers there always are, and those whose journals hold what an earlier run left behind."""
    left = sorted(one.name for one in journals.iterdir() if is_camera_worker(one.name)) if journals.is_dir() else []
    names = dict.fromkeys(["camera-1", *left])
    return (
        WorkerSpec(INFERENCE_WORKER, "gateway.workers.inference"),
        WorkerSpec(ROOM_WORKER, "gateway.workers.room"),
        *(WorkerSpec(name, CAMERA_WORKER) for name in names),
    )
