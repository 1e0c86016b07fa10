"""Asks the right worker for media: control forwards offers and answers, never a frame."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from gateway.processes.messages import (
    AddCameraMember,
    AddPersonMember,
    Answer,
    ArrangeRoom,
    AskTalk,
    CloseRoom,
    CloseTalk,
    CloseViewing,
    LendStream,
    MemberAlive,
    Message,
    OpenRoom,
    OpenTalk,
    OpenViewing,
    PublishToRoom,
    RemoveMember,
    RingTerminal,
    Snapshot,
    StopPublishing,
    StopRinging,
    StopSubscription,
    StreamLent,
    SubscribeInRoom,
    TakeSnapshot,
    TalkKnown,
    WakeCamera,
    WithdrawStream,
)
from gateway.refusals import Refusal
from gateway.rooms.arrangement import Arrangement
from gateway.workers.control.links import WorkerLinks
from gateway.workers.control.placement import Placement

M = TypeVar("M", bound=Message)

ROOM_WORKER = "room"


def _expect(answer: Message, kind: type[M]) -> M:
    if not isinstance(answer, kind):
        raise Refusal("unavailable", "unexpected_answer", "处理进程应答异常", "the worker gave an unexpected answer")
    return answer


class CameraMedia:
    """Pictures and viewing of cameras, from the worker that owns each."""

    def __init__(self, links: WorkerLinks, placement: Placement) -> None:
        self._links = links
        self._placement = placement
        self._viewings: dict[str, str] = {}
        self._talks: dict[str, str] = {}

    def owner(self, code: str) -> str:
        """Name of the worker that owns the camera. Raises Refusal ``camera_not_watched``."""
        held = self._placement.owner(code)
        if held is None:
            raise Refusal(
                "not_found", "camera_not_watched", "该摄像机未在取流", "this camera is not being pulled", field="code"
            )
        return held.worker

    async def snapshot(self, code: str) -> Snapshot:
        return _expect(await self._links.request(self.owner(code), TakeSnapshot(code)), Snapshot)

    async def open_viewing(self, code: str, session_id: str, offer: str, *, main: bool = False) -> Answer:
        """``main`` as in ``OpenViewing``."""
        worker = self.owner(code)
        answer = _expect(await self._links.request(worker, OpenViewing(code, session_id, offer, main)), Answer)
        if len(self._viewings) > 10_000:
            self._viewings.pop(next(iter(self._viewings)))
        self._viewings[session_id] = worker
        return answer

    def close_viewing(self, session_id: str) -> None:
        """Ends a viewing; one that has ended already does no harm."""
        worker = self._viewings.pop(session_id, None)
        if worker is not None:
            self._links.tell_until_taken(worker, CloseViewing(session_id))

    async def talk_codec(self, code: str) -> str:
        """What can be spoken through the camera; refuses where nothing can."""
        return _expect(await self._links.request(self.owner(code), AskTalk(code)), TalkKnown).codec

    async def open_talk(self, code: str, talk_id: str, offer: str) -> str:
        worker = self.owner(code)
        answer = _expect(await self._links.request(worker, OpenTalk(code, talk_id, offer)), Answer)
        if len(self._talks) > 1_000:
            self._talks.pop(next(iter(self._talks)))
        self._talks[talk_id] = worker
        return answer.sdp

    def close_talk(self, talk_id: str) -> None:
        """Ends a speech; one that has ended already does no harm."""
        worker = self._talks.pop(talk_id, None)
        if worker is not None:
            self._links.tell_until_taken(worker, CloseTalk(talk_id))

    async def lend(self, code: str, reader: str, until: float, login: tuple[str, str] | None = None) -> StreamLent:
        """``login``: name and password to be used, where control keeps the loan."""
        order = LendStream(code, reader, until, *(login or ()))
        return _expect(await self._links.request(self.owner(code), order), StreamLent)

    def withdraw(self, code: str, reader: str) -> None:
        """Ends a loan; one that has ended already does no harm."""
        held = self._placement.owner(code)
        if held is not None:
            self._links.tell_until_taken(held.worker, WithdrawStream(code, reader))

    def wake(self, code: str) -> None:
        """The camera reports something by itself: its worker looks more often for a while, if it is there."""
        held = self._placement.owner(code)
        if held is not None:
            self._links.tell(held.worker, WakeCamera(code))


class WorkerRoomMedia:
    """The media side of rooms, in the room worker; cameras reach it over RTSP from the worker that owns them."""

    def __init__(self, links: WorkerLinks, cameras: CameraMedia) -> None:
        self._links = links
        self._cameras = cameras

    async def open(self, room_id: str, title: str) -> None:
        await self._links.request(ROOM_WORKER, OpenRoom(room_id, title))

    async def close(self, room_id: str) -> None:
        await self._links.request(ROOM_WORKER, CloseRoom(room_id))

    async def add_camera(self, room_id: str, member_id: str, code: str, until: float) -> None:
        """``until`` (seconds since the epoch) ends the loan of the stream."""
        lent = await self._cameras.lend(code, f"room:{room_id}", until)
        url = lent.playable_url or lent.url
        await self._links.request(
            ROOM_WORKER,
            AddCameraMember(room_id, member_id, url, lent.username, lent.password, lent.smaller_url),
        )

    async def add_person(self, room_id: str, member_id: str) -> None:
        await self._links.request(ROOM_WORKER, AddPersonMember(room_id, member_id))

    async def remove(self, room_id: str, member_id: str) -> None:
        await self._links.request(ROOM_WORKER, RemoveMember(room_id, member_id))

    async def publish(self, room_id: str, member_id: str, offer: str) -> str:
        return _expect(await self._links.request(ROOM_WORKER, PublishToRoom(room_id, member_id, offer)), Answer).sdp

    async def subscribe(self, room_id: str, viewer_id: str, member_id: str, offer: str) -> Answer:
        request = SubscribeInRoom(room_id, viewer_id, member_id, offer)
        return _expect(await self._links.request(ROOM_WORKER, request), Answer)

    async def stop_publishing(self, room_id: str, member_id: str) -> None:
        await self._links.request(ROOM_WORKER, StopPublishing(room_id, member_id))

    async def stop_subscription(self, room_id: str, viewer_id: str, member_id: str) -> None:
        await self._links.request(ROOM_WORKER, StopSubscription(room_id, viewer_id, member_id))

    async def ring(self, room_id: str, ring_id: str, username: str, address: str, seconds: float) -> None:
        await self._links.request(ROOM_WORKER, RingTerminal(room_id, ring_id, username, address, seconds))

    async def stop_ringing(self, room_id: str, ring_id: str) -> None:
        await self._links.request(ROOM_WORKER, StopRinging(room_id, ring_id))

    def alive(self, room_id: str, member_id: str) -> None:
        self._links.tell(ROOM_WORKER, MemberAlive(room_id, member_id))

    def arrange(self, room_id: str, revision: int, arrangement: Arrangement) -> None:
        self._links.tell_until_taken(ROOM_WORKER, ArrangeRoom(room_id, revision, msgspec.to_builtins(arrangement)))
