"""The room worker put together: one answer for each message of control."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from gateway.processes.channel import Channel, ChannelClosed
from gateway.processes.messages import (
    AddCameraMember,
    AddPersonMember,
    Answer,
    CloseRoom,
    Done,
    MemberAlive,
    MemberChanged,
    Message,
    OpenRoom,
    PublishToRoom,
    RemoveMember,
    Sample,
    StopPublishing,
    StopSubscription,
    SubscribeInRoom,
)
from gateway.refusals import Refusal
from gateway.rooms.presence import MemberChange
from gateway.rooms.rooms import Rooms
from gateway.settings import WorkerSettings
from gateway.streams.address import StreamAddress
from gateway.streams.source import RemoteSource

log = structlog.get_logger(__name__)


class RoomWorker:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def handle(self, message: Message) -> Message | None:
        rooms = self._rooms
        match message:
            case OpenRoom(room_id):
                await rooms.open_room(room_id)
            case CloseRoom(room_id):
                await rooms.close_room(room_id)
            case AddCameraMember(room_id, member_id, url, username, password):
                source = RemoteSource(StreamAddress(url, username, password), name=f"room-{member_id}")
                await rooms.add_camera(room_id, member_id, source)
            case AddPersonMember(room_id, member_id):
                await rooms.add_person(room_id, member_id)
            case RemoveMember(room_id, member_id):
                await rooms.remove(room_id, member_id)
            case PublishToRoom(room_id, member_id, offer):
                return Answer(await rooms.publish(room_id, member_id, offer))
            case SubscribeInRoom(room_id, viewer_id, member_id, offer):
                return Answer(await rooms.subscribe(room_id, viewer_id, member_id, offer))
            case StopPublishing(room_id, member_id):
                await rooms.stop_publishing(room_id, member_id)
            case StopSubscription(room_id, viewer_id, member_id):
                await rooms.stop_subscription(room_id, viewer_id, member_id)
            case MemberAlive(room_id, member_id):
                rooms.alive(room_id, member_id)
            case _:
                raise Refusal("invalid", "unexpected_message", "意外的消息", "unexpected message")
        return Done()

    def samples(self) -> list[Sample]:
        counts = self._rooms.counts()
        return [
            Sample("gateway_rooms", {}, counts.rooms),
            Sample("gateway_room_members", {}, counts.members),
            Sample("gateway_room_watchings", {}, counts.watchings),
            Sample("gateway_room_lost", {"what": "frames"}, counts.frames_lost),
            Sample("gateway_room_lost", {"what": "sound"}, counts.sound_lost),
            Sample("gateway_room_lost", {"what": "packets"}, counts.packets_lost),
        ]


@asynccontextmanager
async def open_room_worker(name: str, settings: WorkerSettings, channel: Channel) -> AsyncIterator[RoomWorker]:
    """Rooms are opened by control, which knows which there are."""

    def tell(change: MemberChange) -> None:
        try:
            channel.send(MemberChanged(change.room_id, change.member_id, change.state, change.reason, change.at))
        except ChannelClosed:
            log.info("control_away", member=change.member_id, state=change.state)

    rooms = Rooms(settings.webrtc, tell)
    rooms.start()
    try:
        yield RoomWorker(rooms)
    finally:
        await rooms.close()
