"""One emergency room: its members, who publishes, who watches whom."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.refusals import Refusal
from gateway.rooms.arrangement import Arrangement
from gateway.rooms.composing import Composing
from gateway.rooms.conference_network import TerminalLine
from gateway.rooms.member import CameraMember, Member, Smaller, TerminalMember
from gateway.rooms.presence import MemberChange, MemberState
from gateway.rooms.publishing import Publication
from gateway.rooms.speaker import ActiveSpeaker
from gateway.rooms.stage import Stage
from gateway.rooms.surroundings import Surroundings
from gateway.rooms.watching import Gates, Watched, Watching
from gateway.streams import aiortc_seams as seams
from gateway.streams.bus import FrameBus
from gateway.streams.offers import pictures_offered, read_offer
from gateway.streams.sound import Sound
from gateway.streams.source import FrameSource

log = structlog.get_logger(__name__)

MOST_MEMBERS = 64
SMALL_TILES = 5
"""So many pictures at once, and none has more than a third of a screen's width: 640 pixels of 1920."""
STAGE = "stage"
"""Watched like a member: the picture that all have in common."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Of those present: frames and sound packets that slow watchers lost, packets that publishers lost on the way."""

    frames: int
    sound: int
    packets: int


@dataclass(frozen=True, slots=True)
class _OnStage:
    """The stage as it is watched: its sound is that of the members, which are listened to one by one."""

    stage: Stage
    sound: Sound | None = None
    smaller: Smaller | None = None
    makes_keyframes: bool = True
    small: bool = False

    @property
    def bus(self) -> FrameBus:
        return self.stage.bus

    def ask_keyframe(self) -> None:
        self.stage.ask_keyframe()


class Room:
    """Changes of one member are made one after another; those of different members do not wait for each other."""

    def __init__(self, room_id: str, around: Surroundings, title: str = "") -> None:
        self.id = room_id
        self._around = around
        self._members: dict[str, Member] = {}
        self._revision = -1
        self.arrangement = Arrangement()
        self._stage = Stage(around.clock)
        self._speaker = ActiveSpeaker()
        self._speaker_told: str | None = None
        self.composing = Composing(room_id, title, around)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def members(self) -> int:
        return len(self._members)

    @property
    def watchings(self) -> int:
        return sum(len(member.watchings) for member in self._members.values())

    def losses(self) -> Losses:
        members = self._members.values()
        watchings = [watching for member in members for watching in member.watchings.values()]
        return Losses(
            sum(watching.video.lost for watching in watchings),
            sum(watching.sound_lost for watching in watchings),
            sum(member.publication.packets_lost for member in members if member.publication is not None),
        )

    @property
    def on_stage(self) -> str | None:
        """Whose picture all have in common now."""
        if self.arrangement.stage in self._members:
            return self.arrangement.stage
        speaks = self._speaker.current
        if speaks in self._members and self.arrangement.sends_sound(speaks or ""):
            return speaks
        return self.arrangement.main_site if self.arrangement.main_site in self._members else None

    def arrange(self, revision: int, arrangement: Arrangement) -> None:
        """From now on this holds; an older one that comes late is let go."""
        if revision < self._revision:
            return
        self._revision, self.arrangement = revision, arrangement
        self._set_stage()
        self._compose()

    def hear(self, member_id: str, level: int) -> None:
        """How loud a packet of a member's sound is, in -dBov."""
        if self.arrangement.sends_sound(member_id):
            self._speaker.hear(member_id, level, self._around.monotonic())

    def _set_stage(self) -> None:
        self._stage.show(self._members.get(self.on_stage or ""))

    def _compose(self) -> None:
        self.composing.arrange(self._members, self.arrangement, self.on_stage)

    def _judge_speaker(self) -> None:
        speaks = self._speaker.judge(self._around.monotonic())
        if speaks != self._speaker_told:
            self._speaker_told = speaks
            self._around.on_speaker(self.id, speaks)
            self._set_stage()
            self._compose()

    def _judge_lines(self, now: float) -> None:
        """Who cannot follow is sent smaller pictures, and then fewer; the stage first of all, then whoever speaks. Of
        many pictures at once all but those are smaller anyway: their tiles are."""
        large = (STAGE, self.on_stage, self._speaker.current)
        first = [*large, *self.arrangement.shown]
        for viewer in self._members.values():
            if not viewer.watchings and not viewer.unsent:
                continue
            order = [
                one for one in dict.fromkeys([*first, *self._members]) if one is not None and one in viewer.watchings
            ]
            line, watchings = viewer.receiving, viewer.watchings
            most = line.judge(len(order), now, shrinks=any(watchings[one].can_be_smaller for one in order))
            unsent = frozenset(order[most:] if most is not None else ())
            tiles = sum(one != STAGE for one in order) >= SMALL_TILES
            small = {
                one
                for one in order
                if watchings[one].send_smaller(
                    wanted=one not in unsent and (line.small or (tiles and one not in large))
                )
            }
            sent_smaller = frozenset(small if line.small else ())
            if (unsent, sent_smaller) != (viewer.unsent, viewer.sent_smaller):
                viewer.unsent, viewer.sent_smaller = unsent, sent_smaller
                log.info(
                    "pictures_fewer", room=self.id, viewer=viewer.id, unsent=len(unsent), smaller=len(sent_smaller),
                    of=len(order),
                )  # fmt: skip
                self._around.on_unsent(self.id, viewer.id, sorted(unsent), sorted(sent_smaller))

    def _gates(self, viewer: Member, member_id: str) -> Gates:
        viewer_id = viewer.id

        def picture() -> bool:
            shown = (self.on_stage or "") if member_id == STAGE else member_id
            return member_id not in viewer.unsent and self.arrangement.gets_picture(viewer_id, shown)

        def sound() -> bool:
            return self.arrangement.sends_sound(member_id) and self.arrangement.gets_sound(viewer_id)

        return Gates(picture, sound)

    async def add_camera(self, member_id: str, source: FrameSource, smaller: Smaller | None = None) -> None:
        self._place_for(member_id)
        monotonic = self._around.monotonic
        member = CameraMember(member_id, source, smaller, monotonic(), monotonic)
        self._members[member_id] = member
        try:
            await member.start()
        except BaseException:
            self._members.pop(member_id, None)
            raise
        self._tell(member, "joined", "")

    def add_person(self, member_id: str) -> None:
        self._place_for(member_id)
        member = Member(member_id, "person", FrameBus(), Sound(), self._around.monotonic())
        self._members[member_id] = member
        self._tell(member, "joined", "")

    def add_terminal(self, member_id: str, line: TerminalLine) -> None:
        self._place_for(member_id)
        member = TerminalMember(member_id, line, self._around.monotonic())
        self._members[member_id] = member
        self._tell(member, "publishing" if line.sends else "joined", "")
        self._set_stage()
        self._compose()

    async def remove(self, member_id: str, reason: str = "left") -> None:
        """Take a member out and tell; one that is gone already does no harm."""
        member = self._members.pop(member_id, None)
        if member is None:
            return
        self._speaker.forget(member_id)
        self._set_stage()
        self._compose()
        watched = [other.watchings.pop(member_id, None) for other in self._members.values()]
        self._tell(member, "gone", reason)
        await asyncio.gather(member.close(), *(watching.close() for watching in watched if watching is not None))

    async def publish(self, member_id: str, offer: str) -> str:
        """Answer a WHIP offer; a publication that stands is replaced (a browser that reloaded)."""
        member = self._member(member_id)
        if member.kind != "person" or member.sound is None:
            raise Refusal("conflict", "camera_publishes_itself", "摄像机成员不能发布", "a camera member cannot publish")
        await member.stop_publishing()
        member.publications += 1
        epoch = member.publications

        def media() -> None:
            member.presence.media_at = self._around.monotonic()
            if member.state != "publishing":
                self._tell(member, "publishing", "")

        def ended(reason: str) -> None:
            if member.publication is publication:
                self._spawn(self._publication_lost(member, reason))

        publication = Publication(
            self._around.network, member.bus, member.sound, epoch=epoch, clock=self._around.clock, on_media=media,
            on_ended=ended, on_level=lambda level: self.hear(member_id, level),
        )  # fmt: skip
        member.publication = publication
        try:
            answer = await publication.answer(offer)
        except BaseException:
            if member.publication is publication:
                member.publication = None
            raise
        if self._members.get(member_id) is not member or member.publication is not publication:
            await publication.close()
            raise _member_unknown()
        member.presence.publishing = True
        member.presence.alive_at = self._around.monotonic()
        return answer

    async def stop_publishing(self, member_id: str) -> None:
        member = self._member(member_id)
        if member.publication is not None:
            await self._publication_lost(member, "stopped")

    async def watch(self, viewer_id: str, member_id: str, offer_sdp: str) -> str:
        """Answer a WHEP offer of ``viewer_id`` for ``member_id``; an older watching of the same pair ends. Refuses the
        reasons of ``offers.read_offer``, ``codecs_not_offered`` and ``transcodings_too_many``."""
        viewer = self._member(viewer_id)
        watched: Watched = _OnStage(self._stage) if member_id == STAGE else self._member(member_id)
        offer = read_offer(offer_sdp)
        pictures_offered(offer)
        await self.stop_watching(viewer_id, member_id)

        def ended(reason: str) -> None:
            if viewer.watchings.get(member_id) is watching:
                log.info("watching_lost", room=self.id, viewer=viewer_id, member=member_id, reason=reason)
                self._spawn(self.stop_watching(viewer_id, member_id))

        watching = Watching(
            self._around.network, offer, watched, f"room-{viewer_id}", self._around.packetised,
            self._around.transcodings, clock=self._around.clock, on_ended=ended, gates=self._gates(viewer, member_id),
            on_feedback=lambda said: self._heard_of_line(viewer, member_id, said),
        )  # fmt: skip
        viewer.watchings[member_id] = watching
        try:
            answer = await watching.answer()
        except BaseException:
            if viewer.watchings.get(member_id) is watching:
                del viewer.watchings[member_id]
            raise
        if viewer.watchings.get(member_id) is not watching:
            await watching.close()
            raise _member_unknown()
        return answer

    def _heard_of_line(self, viewer: Member, member_id: str, said: seams.Feedback) -> None:
        now = self._around.monotonic()
        if said.loss is not None:
            viewer.receiving.report(member_id, said.loss, now)
        if said.takes is not None:
            viewer.receiving.estimate(member_id, said.takes, said.sent, now)

    async def stop_watching(self, viewer_id: str, member_id: str) -> None:
        viewer = self._members.get(viewer_id)
        watching = viewer.watchings.pop(member_id, None) if viewer is not None else None
        if viewer is not None:
            viewer.receiving.forget(member_id)
        if watching is not None:
            await watching.close()

    def alive(self, member_id: str) -> None:
        member = self._members.get(member_id)
        if member is not None:
            member.presence.alive_at = self._around.monotonic()

    async def sweep(self) -> None:
        """Judge every member by the signs it gave, tell what changed, take out who is gone."""
        now = self._around.monotonic()
        for viewer in self._members.values():
            for watching in viewer.watchings.values():
                watching.send_as_it_is()
        self._judge_speaker()
        self._judge_lines(now)
        for member in list(self._members.values()):
            if isinstance(member, TerminalMember) and member.line.heard_at is not None:
                member.presence.publishing = member.line.sends
                member.presence.alive_at = member.presence.media_at = member.line.heard_at
            state, reason = member.presence.judge(now)
            if state == "gone":
                await self.remove(member.id, reason)
            elif state != member.state:
                self._tell(member, state, reason)

    async def close(self) -> None:
        members = list(self._members.values())
        self._members.clear()
        self._stage.close()
        await self.composing.close()
        await asyncio.gather(*(member.close() for member in members))
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _publication_lost(self, member: Member, reason: str) -> None:
        await member.stop_publishing()
        if self._members.get(member.id) is member:
            self._tell(member, "joined", reason)

    def _place_for(self, member_id: str) -> None:
        if member_id in self._members:
            raise Refusal("conflict", "member_exists", "该成员已在会议室中", "this member is in the room already")
        if len(self._members) >= MOST_MEMBERS:
            raise Refusal(
                "too_many",
                "room_full",
                f"会议室成员已满（{MOST_MEMBERS}）",
                f"the room is full ({MOST_MEMBERS} members)",
            )

    def _member(self, member_id: str) -> Member:
        member = self._members.get(member_id)
        if member is None:
            raise _member_unknown()
        return member

    def _tell(self, member: Member, state: MemberState, reason: str) -> None:
        member.state = state
        log.info("room_member_changed", room=self.id, member=member.id, state=state, reason=reason)
        self._around.on_change(MemberChange(self.id, member.id, state, reason, self._around.clock()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _member_unknown() -> Refusal:
    return Refusal("not_found", "member_unknown", "会议室中没有该成员", "there is no such member in the room")
