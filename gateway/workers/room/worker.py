"""The room worker put together: one answer for each message of control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from gateway.processes.channel import Channel, ChannelClosed
from gateway.processes.messages import (
    AddCameraMember,
    AddPersonMember,
    Answer,
    ArrangeRoom,
    CloseRoom,
    Done,
    MemberAlive,
    MemberChanged,
    Message,
    OpenRoom,
    PicturesUnsent,
    PublishToRoom,
    RecordingBroke,
    RemoveMember,
    RingTerminal,
    RoomRecorded,
    Sample,
    SpeakerChanged,
    StopPublishing,
    StopRinging,
    StopSubscription,
    SubscribeInRoom,
)
from gateway.refusals import Refusal
from gateway.rooms.arrangement import Arrangement
from gateway.rooms.composer_messages import Recorded
from gateway.rooms.presence import MemberChange
from gateway.rooms.rooms import Rooms
from gateway.rooms.sip.agent import SipAgent
from gateway.settings import WorkerSettings
from gateway.streams.address import StreamAddress
from gateway.streams.outgoing import PacketisedFrames
from gateway.streams.peer import Peer
from gateway.streams.source import RemoteSource, SmallerSource
from gateway.workers.room.garbage import Garbage
from gateway.workers.room.reception import ControlReception

log = structlog.get_logger(__name__)


def recordings_folder(data_folder: Path) -> Path:
    """Where rooms are recorded until control has taken the files over."""
    return data_folder / "room-recordings"


@dataclass(frozen=True, slots=True)
class _Streams:
    """Of a camera in a room."""

    source: RemoteSource
    smaller: SmallerSource | None


class RoomWorker:
    """``_sources``: the cameras by room and member. A camera that is told of again is read at its new address from then
    on; whoever watches it stays."""

    def __init__(self, rooms: Rooms, network: SipAgent | None = None) -> None:
        self._rooms = rooms
        self._network = network
        self._sources: dict[tuple[str, str], _Streams] = {}

    async def handle(self, message: Message) -> Message | None:
        rooms = self._rooms
        match message:
            case OpenRoom(room_id, title):
                await rooms.open_room(room_id, title)
            case CloseRoom(room_id):
                if self._network is not None:
                    self._network.leave_room(room_id)
                await rooms.close_room(room_id)
                for key in [key for key in self._sources if key[0] == room_id]:
                    del self._sources[key]
            case AddCameraMember(room_id, member_id, url, username, password, smaller_url):
                smaller = StreamAddress(smaller_url, username, password) if smaller_url is not None else None
                await self._add_camera(room_id, member_id, StreamAddress(url, username, password), smaller)
            case AddPersonMember(room_id, member_id):
                await rooms.add_person(room_id, member_id)
            case RemoveMember(room_id, member_id):
                self._sources.pop((room_id, member_id), None)
                await rooms.remove(room_id, member_id)
            case PublishToRoom(room_id, member_id, offer):
                return Answer(await rooms.publish(room_id, member_id, offer))
            case SubscribeInRoom(room_id, viewer_id, member_id, offer):
                answer = await rooms.subscribe(room_id, viewer_id, member_id, offer)
                camera = self._sources.get((room_id, member_id))
                return Answer(answer, camera.source.note if camera is not None else None)
            case StopPublishing(room_id, member_id):
                await rooms.stop_publishing(room_id, member_id)
            case StopSubscription(room_id, viewer_id, member_id):
                await rooms.stop_subscription(room_id, viewer_id, member_id)
            case MemberAlive(room_id, member_id):
                rooms.alive(room_id, member_id)
            case ArrangeRoom(room_id, revision, arrangement):
                rooms.arrange(room_id, revision, msgspec.convert(arrangement, Arrangement))
            case RingTerminal(room_id, ring_id, username, address, seconds):
                await self._terminals().ring(room_id, ring_id, username, address, seconds)
            case StopRinging(room_id, ring_id):
                self._terminals().stop_ringing(room_id, ring_id)
            case _:
                raise Refusal("invalid", "unexpected_message", "意外的消息", "unexpected message")
        return Done()

    def _terminals(self) -> SipAgent:
        if self._network is None:
            raise Refusal(
                "unavailable", "terminals_away", "会议终端服务未运行", "terminals cannot be reached from here"
            )
        return self._network

    async def _add_camera(
        self, room_id: str, member_id: str, address: StreamAddress, smaller_address: StreamAddress | None
    ) -> None:
        known = self._sources.get((room_id, member_id))
        if known is not None:
            known.source.readdress(address)
            if known.smaller is not None and smaller_address is not None:
                known.smaller.readdress(smaller_address)
            return
        name = f"room-{member_id}"
        source = RemoteSource(address, name=name)
        smaller = SmallerSource(smaller_address, name=f"{name}-sub") if smaller_address is not None else None
        await self._rooms.add_camera(room_id, member_id, source, smaller)
        self._sources[room_id, member_id] = _Streams(source, smaller)

    def samples(self) -> list[Sample]:
        counts = self._rooms.counts()
        return [
            Sample("gateway_rooms", {}, counts.rooms),
            Sample("gateway_room_members", {}, counts.members),
            Sample("gateway_room_watchings", {}, counts.watchings),
            Sample("gateway_room_lost", {"what": "frames"}, counts.frames_lost),
            Sample("gateway_room_lost", {"what": "sound"}, counts.sound_lost),
            Sample("gateway_room_lost", {"what": "packets"}, counts.packets_lost),
            Sample("gateway_room_transcodings", {}, counts.transcodings),
            Sample("gateway_room_composer_seconds", {}, counts.composer_seconds, "counter"),
            Sample("gateway_sip_listening", {}, float(self._network is not None)),
            Sample("gateway_sip_calls", {}, self._network.calls if self._network is not None else 0),
            Sample("gateway_sip_refused", {}, self._network.refused if self._network is not None else 0, "counter"),
        ]


@asynccontextmanager
async def open_room_worker(name: str, settings: WorkerSettings, channel: Channel) -> AsyncIterator[RoomWorker]:
    """Rooms are opened by control, which knows which there are."""

    def tell(change: MemberChange) -> None:
        try:
            channel.send(MemberChanged(change.room_id, change.member_id, change.state, change.reason, change.at))
        except ChannelClosed:
            log.info("control_away", member=change.member_id, state=change.state)

    def recorded(room_id: str, file: Recorded) -> None:
        """Told again by control's own look at the folder, should it be away."""
        with suppress(ChannelClosed):
            channel.send(
                RoomRecorded(
                    room_id, file.member, file.path, file.sha256, file.size, file.starts_at, file.ends_at, file.partial
                )
            )

    def recording_failed(room_id: str, reason: str) -> None:
        with suppress(ChannelClosed):
            channel.send(RecordingBroke(room_id, reason))

    def speaks(room_id: str, member_id: str | None) -> None:
        with suppress(ChannelClosed):
            channel.send(SpeakerChanged(room_id, member_id))

    def unsent(room_id: str, viewer_id: str, members: list[str], smaller: list[str]) -> None:
        with suppress(ChannelClosed):
            channel.send(PicturesUnsent(room_id, viewer_id, members, smaller))

    rooms = Rooms(
        settings.webrtc,
        tell,
        on_speaker=speaks,
        on_unsent=unsent,
        on_recorded=recorded,
        on_recording_failed=recording_failed,
        folder=recordings_folder(settings.data_folder),
    )
    rooms.start()
    garbage = asyncio.create_task(Garbage(lambda: Peer.closed, lambda: rooms.watchings > 0).run(), name="garbage")
    network: SipAgent | None = None
    if settings.sip.enabled:
        network = SipAgent(settings.sip, ControlReception(channel, rooms), PacketisedFrames())
        try:
            await network.start()
        except Refusal as refusal:  # rooms work without terminals, and the metrics say so
            log.error("terminals_away", reason=refusal.reason, detail=refusal.en)
            network = None
    try:
        yield RoomWorker(rooms, network)
    finally:
        garbage.cancel()
        if network is not None:
            await network.close()
        await rooms.close()
