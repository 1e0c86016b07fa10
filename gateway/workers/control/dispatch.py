"""What workers tell control, brought to whom it concerns. A worker speaks of its own matters only."""

from __future__ import annotations

from gateway.events.intake import AlertIntake
from gateway.processes.messages import (
    AlertEnded,
    AlertRaised,
    AlertSeen,
    AlertsLost,
    Done,
    EvidenceReady,
    HealthChanged,
    HeldBack,
    LoginRefused,
    LookUpTerminal,
    MemberChanged,
    Message,
    PicturesUnsent,
    RecordingBroke,
    RingAnswered,
    RingTold,
    RoomRecorded,
    SceneLearned,
    SpeakerChanged,
    StreamUnreachable,
    TerminalArrives,
    TerminalKnown,
    TerminalRegistered,
    TerminalTakenIn,
)
from gateway.refusals import Refusal
from gateway.rooms.desk import RoomDesk
from gateway.workers.control.assignments import Assignments
from gateway.workers.control.camera_records import CameraRecords
from gateway.workers.control.fresh_address import FreshAddresses
from gateway.workers.control.media import ROOM_WORKER
from gateway.workers.control.stream_loans import StreamLoans


class Dispatch:
    def __init__(
        self,
        intake: AlertIntake,
        assignments: Assignments,
        loans: StreamLoans,
        rooms: RoomDesk,
        addresses: FreshAddresses,
        cameras: CameraRecords,
    ) -> None:
        self._cameras = cameras
        self._intake = intake
        self._assignments = assignments
        self._loans = loans
        self._rooms = rooms
        self._addresses = addresses
        self.alerts_lost = 0

    async def message(self, worker: str, message: Message) -> Message | None:
        """The answer to a worker's message."""
        match message:
            case AlertRaised() | AlertSeen() | AlertEnded() | EvidenceReady() if is_camera_worker(worker):
                return await self._intake.handle(message)
            case AlertsLost(count) if is_camera_worker(worker):
                self.alerts_lost += count
            case HeldBack() if is_camera_worker(worker):
                await self._cameras.held_back(message)
            case HealthChanged() if is_camera_worker(worker):
                await self._assignments.health(worker, message)
            case StreamUnreachable(code, fence) if is_camera_worker(worker):
                if self._assignments.owns(worker, code, fence):
                    self._addresses.failed(code)
            case LoginRefused() if is_camera_worker(worker):
                self._assignments.login_refused(worker, message)
            case SceneLearned() if is_camera_worker(worker):
                await self._assignments.scene(worker, message)
            case MemberChanged() if worker == ROOM_WORKER:
                await self._rooms.reports.changed(message)
            case SpeakerChanged() if worker == ROOM_WORKER:
                await self._rooms.reports.speaker_changed(message.room_id, message.member_id)
            case PicturesUnsent(room_id, viewer_id, members, smaller) if worker == ROOM_WORKER:
                await self._rooms.reports.pictures_unsent(room_id, viewer_id, members, smaller)
            case RoomRecorded() if worker == ROOM_WORKER:
                await self._rooms.recordings.keep(message)
            case RecordingBroke(room_id, reason) if worker == ROOM_WORKER:
                await self._rooms.recordings.broke(room_id, reason)
            case LookUpTerminal(username) if worker == ROOM_WORKER:
                secret, name = await self._rooms.terminals.secret_of(username) or ("", "")
                return TerminalKnown(secret, name)
            case RingAnswered(room_id, ring_id) if worker == ROOM_WORKER:
                state, member = await self._rooms.ringing.answered(room_id, ring_id)
                return TerminalTakenIn(state.room.id, member.id)
            case RingTold(room_id, ring_id, became, reason) if worker == ROOM_WORKER:
                await self._rooms.ringing.told(room_id, ring_id, became, reason)
            case TerminalRegistered(username, address, until) if worker == ROOM_WORKER:
                self._rooms.terminals.registered(username, address, until)
            case TerminalArrives(number, name, address, known) if worker == ROOM_WORKER:
                state, member, _ = await self._rooms.register.join_terminal(number, name, address, known=known)
                return TerminalTakenIn(state.room.id, member.id)
            case _:
                raise Refusal("invalid", "unexpected_message", "意外的消息", "unexpected message")
        return Done()

    async def ready(self, worker: str) -> None:
        """A worker has come, or come back: it is told what it is to do."""
        if is_camera_worker(worker):
            await self._assignments.worker_ready(worker)
            # What was lent of its streams ended with its predecessor.
            await self._loans.again(worker, self._assignments.owned_by(worker))
            await self._rooms.restoring.read_anew(self._assignments.owned_by(worker))
        elif worker == ROOM_WORKER:
            await self._rooms.recordings.take_over_left()
            await self._rooms.restoring.restore()

    async def lost(self, worker: str) -> None:
        """A worker has gone; the supervisor starts it again."""
        if is_camera_worker(worker):
            await self._assignments.worker_lost(worker)
        elif worker == ROOM_WORKER:
            self._rooms.terminals.forget_registrations()


def is_camera_worker(name: str) -> bool:
    return name.startswith("camera-")
