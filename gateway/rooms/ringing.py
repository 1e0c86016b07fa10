"""Whom a room rings (呼叫): each ring from its order to what came of it.

The rules are pure; ``Ringing`` carries them out.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Literal

import msgspec
import structlog

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.refusals import Refusal
from gateway.rooms.consultation import Consultation, Invitee, Ring
from gateway.rooms.engine import MediaEngine
from gateway.rooms.records import Records, RoomState
from gateway.rooms.register import RoomRegister
from gateway.rooms.terminals import Terminals
from gateway.storage.ids import new_id
from gateway.storage.tables.rooms import RoomMemberRow

log = structlog.get_logger(__name__)

RingState = Literal["calling", "ringing", "answered", "failed"]
RING_SECONDS = 45.0
_ADDRESS = re.compile(
    r"sip:(?P<user>[A-Za-z0-9_.!~*'()&=+$,;?/%-]{1,64})@(?P<host>[0-9.]{7,15})(:\d{1,5})?(;transport=(udp|tcp))?"
)
_NAME = re.compile(r"sip:(?P<user>[A-Za-z0-9_.-]{1,64})")
MOST_RINGS = 16
"""Shown at once, those that failed included: the oldest that is over makes room."""


def over(ring: Ring) -> bool:
    return ring.state in ("answered", "failed")


def rung(state: Consultation, ring: Ring) -> Consultation:
    """A terminal is to be rung. Refuses one that rings already, or is rung by too many at once."""
    same = next((one for one in state.rings if one.address == ring.address and not over(one)), None)
    if same is not None:
        raise Refusal(
            "conflict", "terminal_rung_already", f"正在呼叫 {same.name}。", "That terminal is being rung already."
        )
    kept = [one for one in state.rings if one.address != ring.address]
    if len(kept) >= MOST_RINGS:
        oldest = next((one for one in kept if over(one)), None)
        if oldest is None:
            raise Refusal("too_many", "rings_too_many", "同时呼叫的终端过多。", "Too many terminals are being rung.")
        kept.remove(oldest)
    return msgspec.structs.replace(state, rings=(*kept, ring))


def told(state: Consultation, ring_id: str, became: RingState, reason: str | None) -> Consultation:
    """What came of a ring; of one that is over already nothing more does."""
    rings = tuple(
        msgspec.structs.replace(one, state=became, reason=reason) if one.id == ring_id and not over(one) else one
        for one in state.rings
    )
    # Who answered is a member now: the seat says the rest.
    return msgspec.structs.replace(state, rings=tuple(one for one in rings if one.state != "answered"))


def given_up(state: Consultation, ring_id: str) -> Consultation:
    """Nobody waits for this one any more; one that failed is no longer shown."""
    return msgspec.structs.replace(state, rings=tuple(one for one in state.rings if one.id != ring_id))


def checked_address(address: str) -> str:
    """A SIP address with a literal IPv4 host: a closed network has no names. Refuses ``address_invalid``."""
    found = _ADDRESS.fullmatch(address)
    try:
        host = ipaddress.IPv4Address(found["host"]) if found else None
    except ValueError:
        host = None
    if host is None or host.is_multicast or host.is_unspecified or host == ipaddress.IPv4Address("255.255.255.255"):
        raise Refusal(
            "invalid", "address_invalid", "终端地址应形如 sip:终端号@IPv4地址[:端口]。",
            "A terminal's address is sip:NUMBER@IPv4[:port].", field="address",
        )  # fmt: skip
    return address


class Ringing:
    """``ring`` and ``stop`` for people; ``told`` and ``answered`` hear from the conference network."""

    def __init__(self, register: RoomRegister, engine: MediaEngine, terminals: Terminals) -> None:
        self._register = register
        self._records: Records = register.records
        self._engine = engine
        self._terminals = terminals

    async def ring(
        self, caller: Caller, room_id: str, *, terminal: str | None = None, address: str | None = None, name: str = ""
    ) -> RoomState:
        """Ring a known terminal (by id), or an address; ``sip:NUMBER`` without a host is a known one's number. Refuses
        ``terminal_unknown``, ``address_invalid``, ``terminal_rung_already``; whatever keeps it from answering is shown
        with the ring."""
        number = _NAME.fullmatch(address or "")
        if terminal is not None or number is not None:
            known = await self._terminals.known(
                caller, terminal_id=terminal, username=number["user"] if number else None
            )
            username, name, target = known.username, name or known.name, known.address
        else:
            username, target = "", checked_address(address or "")
        shown = target or f"sip:{username}"
        ring = Ring(new_id(), (name or shown)[:100], shown, caller.username, self._records.clock().timestamp())
        async with self._records.changing(caller, room_id) as change:
            change.consultation = rung(change.consultation, ring)
            change.note("ring", caller.username, {"name": ring.name, "address": shown})
            change.act = audit.Act(caller.username, "room.ring", f"room:{room_id}", change.room.platform, shown[:200])
        try:
            await self._engine.ring(room_id, ring.id, username, target, RING_SECONDS)
        except Refusal as refusal:
            await self.told(room_id, ring.id, "failed", refusal.reason)
        return await self._register.get(caller, room_id)

    async def ring_invited(self, caller: Caller, room_id: str, invited: Iterable[Invitee]) -> None:
        """Ring those who are invited by address; what is wrong with one keeps no other from being rung."""
        for invitee in invited:
            if invitee.address:
                try:
                    await self.ring(caller, room_id, address=invitee.address, name=invitee.name)
                except Refusal as refusal:
                    log.warning("invitee_not_rung", room=room_id, reason=refusal.reason)

    async def stop(self, caller: Caller, room_id: str, ring_id: str) -> RoomState:
        """Give a ring up, or clear one that failed away."""
        async with self._records.changing(caller, room_id) as change:
            change.consultation = given_up(change.consultation, ring_id)
        try:
            await self._engine.stop_ringing(room_id, ring_id)
        except Refusal as refusal:  # an engine that is away rings nowhere
            log.warning("ring_not_stopped", room=room_id, reason=refusal.reason)
        return change.state

    async def told(self, room_id: str, ring_id: str, state: RingState, reason: str) -> None:
        try:
            async with self._records.changing(None, room_id) as change:
                ring = next((one for one in change.consultation.rings if one.id == ring_id), None)
                change.consultation = told(change.consultation, ring_id, state, reason or None)
                if ring is not None and state == "failed":
                    change.note("ring_failed", audit.SYSTEM, {"name": ring.name, "reason": reason})
        except Refusal as refusal:
            if refusal.kind not in ("not_found", "conflict"):
                raise  # else the room has ended meanwhile

    async def answered(self, room_id: str, ring_id: str) -> tuple[RoomState, RoomMemberRow]:
        """The terminal that was rung is a member now. Refuses ``ring_unknown``: nobody waits for it any more."""
        return await self._register.join_rung(room_id, ring_id)
