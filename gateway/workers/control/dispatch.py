"""What workers tell control, brought to whom it concerns. A worker speaks of its own matters only."""

from __future__ import annotations

from gateway.events.intake import AlertIntake
from gateway.processes.messages import (
    AlertEnded,
    AlertRaised,
    AlertSeen,
    Done,
    EvidenceReady,
    HealthChanged,
    HeldBack,
    MemberChanged,
    Message,
    StreamUnreachable,
)
from gateway.refusals import Refusal
from gateway.rooms.register import RoomRegister
from gateway.workers.control.assignments import Assignments
from gateway.workers.control.camera_records import CameraRecords
from gateway.workers.control.fresh_address import FreshAddresses
from gateway.workers.control.media import ROOM_WORKER


class Dispatch:
    def __init__(
        self,
        intake: AlertIntake,
        assignments: Assignments,
        rooms: RoomRegister,
        addresses: FreshAddresses,
        cameras: CameraRecords,
    ) -> None:
        self._cameras = cameras
        self._intake = intake
        self._assignments = assignments
        self._rooms = rooms
        self._addresses = addresses

    async def message(self, worker: str, message: Message) -> Message | None:
        """The answer to a worker's message."""
        match message:
            case AlertRaised() | AlertSeen() | AlertEnded() | EvidenceReady() if is_camera_worker(worker):
                return await self._intake.handle(message)
            case HeldBack() if is_camera_worker(worker):
                await self._cameras.held_back(message)
            case HealthChanged() if is_camera_worker(worker):
                await self._assignments.health(worker, message)
            case StreamUnreachable(code, fence) if is_camera_worker(worker):
                if self._assignments.owns(worker, code, fence):
                    self._addresses.failed(code)
            case MemberChanged() if worker == ROOM_WORKER:
                await self._rooms.changed(message)
            case _:
                raise Refusal("invalid", "unexpected_message", "意外的消息", "unexpected message")
        return Done()

    async def ready(self, worker: str) -> None:
        """A worker has come, or come back: it is told what it is to do."""
        if is_camera_worker(worker):
            await self._assignments.worker_ready(worker)
            # What was lent of its streams ended with its predecessor.
            await self._rooms.read_anew(self._assignments.owned_by(worker))
        elif worker == ROOM_WORKER:
            await self._rooms.restore()

    async def lost(self, worker: str) -> None:
        """A worker has gone; the supervisor starts it again."""
        if is_camera_worker(worker):
            await self._assignments.worker_lost(worker)


def is_camera_worker(name: str) -> bool:
    return name.startswith("camera-")
