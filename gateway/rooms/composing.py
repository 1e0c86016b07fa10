"""Who is composed and mixed for whom, as members come and go: the composer runs only while somebody needs it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from gateway.rooms.arrangement import Arrangement
from gateway.rooms.composer_messages import Listener, Recorded, Scene, Shown
from gateway.rooms.composition import Composition, Heard
from gateway.rooms.layouts import most
from gateway.rooms.member import Member, TerminalMember
from gateway.rooms.surroundings import Surroundings
from gateway.streams.frame import EncodedFrame

log = structlog.get_logger(__name__)


class Composing:
    """One room's composition. ``arrange`` after every change of members or orders."""

    def __init__(self, room_id: str, title: str, around: Surroundings) -> None:
        self._room_id = room_id
        self._title = title
        self._around = around
        self._composition: Composition | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._taps: dict[tuple[str, str], Callable[[], None]] = {}
        self._members: Mapping[str, Member] = {}
        self._shown_to: set[str] = set()
        self._scene: Scene | None = None

    @property
    def composition(self) -> Composition | None:
        return self._composition

    @property
    def cpu_seconds(self) -> float:
        """Of the composer that runs now, since it began."""
        return self._composition.cost.cpu_seconds if self._composition is not None else 0.0

    def arrange(self, members: Mapping[str, Member], arrangement: Arrangement, on_stage: str | None) -> None:
        self._members = members
        terminals = [
            one for one in members.values() if isinstance(one, TerminalMember) and one.id not in arrangement.outside
        ]
        if not terminals and arrangement.recording is None:
            self._stop()
            return
        if self._composition is None:
            self._composition = self._started()
        scene = self._scene_of(members, arrangement, on_stage, terminals)
        if scene != self._scene:
            self._scene = scene
            self._composition.scene(scene)
        self._tap(members, arrangement, scene)
        self._show(terminals)

    async def close(self) -> None:
        """Files being recorded are finished first."""
        self._stop()
        if self._ending:
            await asyncio.wait(self._ending)

    def _scene_of(
        self, members: Mapping[str, Member], arrangement: Arrangement, on_stage: str | None,
        terminals: list[TerminalMember],
    ) -> Scene:  # fmt: skip
        layout = arrangement.layout
        order = [one for one in dict.fromkeys([on_stage, *arrangement.shown]) if one in members and one is not None]
        shown = [Shown(one, arrangement.names.get(one, "")) for one in order][: most(layout)]
        listeners = [
            Listener(one.id, "pcm_mulaw" if one.line.sound_codec == "pcm_mulaw" else "pcm_alaw")
            for one in terminals
            if arrangement.gets_sound(one.id)
        ]
        return Scene(
            title=self._title,
            layout=layout,
            shown=shown,
            present=list(members),
            listeners=listeners,
            picture=bool(terminals) or arrangement.recording == "composed",
            recording=arrangement.recording,
            folder=str(self._around.folder / self._room_id),
        )

    def _tap(self, members: Mapping[str, Member], arrangement: Arrangement, scene: Scene) -> None:
        """Take pictures of those shown (or of all, to record each), and the sound of those who may be heard."""
        seen = {one.member for one in scene.shown} if scene.picture else set()
        if scene.recording == "sources":
            seen = {one for one in members if one not in arrangement.outside}
        heard = {one.id for one in members.values() if one.sound is not None and arrangement.sends_sound(one.id)}
        wanted = {("picture", one) for one in seen} | {("sound", one) for one in heard}
        for key in [key for key in self._taps if key not in wanted]:
            self._taps.pop(key)()
        for kind, member_id in wanted - self._taps.keys():
            member = members[member_id]
            if kind == "picture":
                self._taps[kind, member_id] = member.bus.tap(self._picture_of(member_id))
                for frame in member.bus.gop():
                    self._picture(member_id, frame)
                member.ask_keyframe()
            elif member.sound is not None:
                self._taps[kind, member_id] = member.sound.tap(self._sound_of(member_id))

    def _show(self, terminals: list[TerminalMember]) -> None:
        composition = self._composition
        for terminal in terminals:
            if terminal.id not in self._shown_to and composition is not None:
                terminal.line.show(composition.bus)
                composition.new_keyframe()
        self._shown_to = {one.id for one in terminals}

    def _picture_of(self, member_id: str) -> Callable[[EncodedFrame], None]:
        return lambda frame: self._picture(member_id, frame)

    def _picture(self, member_id: str, frame: EncodedFrame) -> None:
        if self._composition is not None and frame.kind == "video":
            self._composition.picture(member_id, frame)

    def _sound_of(self, member_id: str) -> Callable[[EncodedFrame], None]:
        def take(frame: EncodedFrame) -> None:
            if self._composition is not None:
                self._composition.sound(member_id, frame)

        return take

    def _started(self) -> Composition:
        heard = Heard(self._play, self._wants_keyframe, self._recorded, self._failed)
        composition = Composition(self._around.folder / self._room_id, heard, self._around.clock)
        composition.start()
        return composition

    def _stop(self) -> None:
        for remove in self._taps.values():
            remove()
        self._taps.clear()
        self._shown_to.clear()
        self._scene = None
        composition, self._composition = self._composition, None
        if composition is not None:
            task = asyncio.get_running_loop().create_task(composition.close())
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _play(self, member_id: str, _codec: str, data: bytes, _pts: int) -> None:
        member = self._members.get(member_id)
        if isinstance(member, TerminalMember):
            with suppress(ConnectionError):
                member.line.play(data)

    def _wants_keyframe(self, member_id: str) -> None:
        member = self._members.get(member_id)
        if member is None or self._composition is None:
            return
        if member.makes_keyframes:
            member.ask_keyframe()
        else:
            for frame in member.bus.gop():
                self._picture(member_id, frame)

    def _recorded(self, recorded: Recorded) -> None:
        self._around.on_recorded(self._room_id, recorded)

    def _failed(self, reason: str) -> None:
        self._around.on_recording_failed(self._room_id, reason)
