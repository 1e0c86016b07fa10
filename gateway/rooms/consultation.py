"""What a consultation (会商) is at one moment: who sits in it, what the chair has ordered. Frozen, and fit for JSON.

Members are described by what they send and receive, never by what kind of device they are. Times are seconds since the
epoch. The rules that change it stand in ``controls``, what it means for the media in ``arrangement``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from gateway.refusals import Refusal

SeatKind = Literal["person", "camera", "terminal"]
Place = Literal["room", "lobby"]
Mode = Literal["both", "speak_only", "listen_only"]
Streams = Literal["none", "one", "many"]
RecordingKind = Literal["composed", "sources"]

WATCHED = (1, 4, 9, 16)
"""How many pictures a member may choose to watch at once (选看)."""
LAYOUTS = ("speaker", "1", "2", "4", "9", "16")
"""How the pictures are composed for members that take one stream only."""


class Media(msgspec.Struct, frozen=True):
    """What a member sends and receives: codecs by name, and how many streams it takes."""

    sends: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    streams: Streams = "none"


BROWSER = Media(("h264", "vp8", "opus"), ("h264", "vp8", "opus"), "many")
CAMERA = Media(("h264",))
ONE_STREAM = Media(("h264", "g711"), ("h264", "g711"), "one")


class Seat(msgspec.Struct, frozen=True):
    """A member. ``muted`` is the chair's order; a microphone that its owner turned off sends nothing anyway."""

    id: str
    kind: SeatKind
    name: str
    username: str | None = None
    camera_code: str | None = None
    media: Media = BROWSER
    chair: bool = False
    place: Place = "room"
    muted: bool = False
    mode: Mode = "both"
    asks_to_speak: bool = False
    sharing: bool = False
    steers: bool = False
    """The chair lets it turn the room's cameras."""
    layout: int = 9
    watches: tuple[str, ...] | None = None
    """The members chosen to watch, at most ``layout``; None: all there are."""

    @property
    def speaks_by_itself(self) -> bool:
        return self.kind != "camera"


class RollCall(msgspec.Struct, frozen=True):
    """A roll call (点名): the named one alone is heard, beside the chair."""

    waiting: tuple[str, ...]
    current: str
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class Patrol(msgspec.Struct, frozen=True):
    """Cameras shown in turn (轮巡), each for ``seconds``."""

    cameras: tuple[str, ...]
    seconds: float
    at: int
    since: float

    @property
    def current(self) -> str:
        return self.cameras[self.at % len(self.cameras)]


class Invitee(msgspec.Struct, frozen=True):
    """Who is to come. ``username`` of a user, or the ``address`` of a terminal."""

    name: str
    username: str | None = None
    address: str | None = None


class Recording(msgspec.Struct, frozen=True):
    """What is being recorded, since when, by whose order."""

    kind: RecordingKind
    since: float
    by: str


class Ring(msgspec.Struct, frozen=True):
    """A terminal being rung, or that could not be reached, and why."""

    id: str
    name: str
    address: str
    by: str
    since: float
    state: Literal["calling", "ringing", "answered", "failed"] = "calling"
    reason: str | None = None


class Consultation(msgspec.Struct, frozen=True):
    """The whole of it. ``ends_at`` None: it lasts until it is ended."""

    seats: dict[str, Seat] = {}
    invited: tuple[Invitee, ...] = ()
    locked: bool = False
    lobby: bool = False
    main_site: str | None = None
    broadcast: str | None = None
    pushed: tuple[str, ...] = ()
    roll_call: RollCall | None = None
    patrol: Patrol | None = None
    recording: Recording | None = None
    layout: str = "speaker"
    ends_at: float | None = None
    rings: tuple[Ring, ...] = ()

    def seat(self, member_id: str, *, field: str = "member") -> Seat:
        found = self.seats.get(member_id)
        if found is None:
            raise Refusal(
                "not_found",
                "member_unknown",
                "会议室中没有该成员。",
                "There is no such member in the room.",
                field=field,
            )
        return found

    def within(self) -> list[Seat]:
        """Those who are in the room, not in its lobby, in the order of their coming."""
        return [seat for seat in self.seats.values() if seat.place == "room"]

    def shown(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(msgspec.to_builtins(self))


def read(document: Mapping[str, Any] | None) -> Consultation:
    """From the form it is kept in."""
    return msgspec.convert(document or {}, Consultation)


def with_seat(state: Consultation, seat: Seat) -> Consultation:
    return msgspec.structs.replace(state, seats={**state.seats, seat.id: seat})


def joined(state: Consultation, seat: Seat, *, may_enter: bool) -> Consultation:
    """A new member takes a seat: in the lobby where there is one or a terminal is unknown, unless it ``may_enter``. A
    locked room takes nobody but those who may enter all the same."""
    if state.locked and not may_enter:
        raise Refusal("forbidden", "room_locked", "会议室已锁定。", "The room is locked.")
    waits = not may_enter and (state.lobby or seat.kind == "terminal")
    state = with_seat(state, msgspec.structs.replace(seat, place="lobby" if waits else "room"))
    if seat.chair and state.main_site is None and not waits:
        state = msgspec.structs.replace(state, main_site=seat.id)
    return state


def left(state: Consultation, member_id: str) -> Consultation:
    """A member is gone, and with it whatever was ordered about it."""
    if member_id not in state.seats:
        return state
    seats = {key: _without_watch(seat, member_id) for key, seat in state.seats.items() if key != member_id}
    return msgspec.structs.replace(
        state,
        seats=seats,
        main_site=None if state.main_site == member_id else state.main_site,
        broadcast=None if state.broadcast == member_id else state.broadcast,
        pushed=_other(state.pushed, member_id),
        roll_call=_roll_call_without(state.roll_call, member_id),
        patrol=_patrol_without(state.patrol, member_id),
    )


def _other(ids: Iterable[str], member_id: str) -> tuple[str, ...]:
    return tuple(one for one in ids if one != member_id)


def _without_watch(seat: Seat, member_id: str) -> Seat:
    if seat.watches is None or member_id not in seat.watches:
        return seat
    return msgspec.structs.replace(seat, watches=_other(seat.watches, member_id))


def _patrol_without(patrol: Patrol | None, member_id: str) -> Patrol | None:
    if patrol is None or member_id not in patrol.cameras:
        return patrol
    cameras = _other(patrol.cameras, member_id)
    return msgspec.structs.replace(patrol, cameras=cameras, at=patrol.at % len(cameras)) if cameras else None


def _roll_call_without(call: RollCall | None, member_id: str) -> RollCall | None:
    if call is None:
        return None
    call = msgspec.structs.replace(call, waiting=_other(call.waiting, member_id))
    return next_called(call, present=False) if call.current == member_id else call


def next_called(call: RollCall, *, present: bool) -> RollCall | None:
    """The one who was called has answered, or not; the next is called. None: all have been."""
    answered = msgspec.structs.replace(
        call,
        present=(*call.present, call.current) if present else call.present,
        absent=call.absent if present else (*call.absent, call.current),
    )
    if not call.waiting:
        return None
    return msgspec.structs.replace(answered, current=call.waiting[0], waiting=call.waiting[1:])
