"""What a consultation means for the media: who is heard, who hears, whose picture goes to whom. Pure.

The media side is told the whole of it after each change, so that nothing depends on the order of messages.
"""

from __future__ import annotations

import msgspec

from gateway.rooms.consultation import Consultation, Seat


class Arrangement(msgspec.Struct, frozen=True):
    """By member id. ``silent``: their sound goes to nobody. ``deaf``: no sound goes to them. ``outside``: neither give
    nor get anything. ``stage``: whose picture everybody has in common; None: the active speaker's,
    and before anybody spoke the ``main_site``'s. ``only``: the one picture that is
    sent at all (broadcast), but to those ``free`` of it. ``chosen``: whose pictures a member chose to watch. ``shown``:
    order of the pictures in the composed one, the first of them large in ``layout`` ``speaker``; ``names`` for it.
    ``recording``: None, or what is recorded."""

    silent: frozenset[str] = frozenset()
    deaf: frozenset[str] = frozenset()
    outside: frozenset[str] = frozenset()
    stage: str | None = None
    main_site: str | None = None
    only: str | None = None
    free: frozenset[str] = frozenset()
    chosen: dict[str, frozenset[str]] = {}
    shown: tuple[str, ...] = ()
    layout: str = "speaker"
    names: dict[str, str] = {}
    recording: str | None = None

    def sends_sound(self, member: str) -> bool:
        return member not in self.silent and member not in self.outside

    def gets_sound(self, viewer: str) -> bool:
        return viewer not in self.deaf and viewer not in self.outside

    def gets_picture(self, viewer: str, member: str) -> bool:
        if viewer in self.outside or member in self.outside:
            return False
        if self.only is not None and viewer not in self.free:
            return member == self.only
        chosen = self.chosen.get(viewer)
        return chosen is None or member in chosen or member == self.stage


def arranged(state: Consultation) -> Arrangement:
    within = state.within()
    ids = [seat.id for seat in within]
    stage = on_stage(state)
    shown = ([stage] if stage else []) + [one for one in ids if one != stage]
    return Arrangement(
        silent=frozenset(seat.id for seat in within if not _heard(state, seat)),
        deaf=frozenset(seat.id for seat in within if seat.mode == "speak_only"),
        outside=frozenset(seat.id for seat in state.seats.values() if seat.place == "lobby"),
        stage=stage,
        main_site=state.main_site,
        only=state.broadcast,
        free=frozenset(seat.id for seat in within if seat.chair),
        chosen={seat.id: frozenset(seat.watches) for seat in within if seat.watches is not None},
        shown=tuple(shown[:1] if state.broadcast else shown),
        layout="1" if state.broadcast else state.layout,
        names={seat.id: seat.name for seat in within},
        recording=state.recording.kind if state.recording else None,
    )


def on_stage(state: Consultation) -> str | None:
    """Whose picture everybody is ordered to have in common: what binds all goes before what only suggests."""
    sharing = next((seat.id for seat in state.within() if seat.sharing), None)
    return (
        state.broadcast
        or (state.roll_call.current if state.roll_call else None)
        or sharing
        or (state.patrol.current if state.patrol else None)
        or (state.pushed[-1] if state.pushed else None)
    )


def _heard(state: Consultation, seat: Seat) -> bool:
    if seat.muted or seat.mode == "listen_only":
        return state.roll_call is not None and state.roll_call.current == seat.id and seat.mode != "listen_only"
    if state.roll_call is not None:
        return seat.chair or seat.id == state.roll_call.current
    return True
