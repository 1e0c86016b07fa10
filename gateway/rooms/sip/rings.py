"""Terminals rung for rooms: where each is reached, what becomes of its ring, and the call once it has picked up."""

from __future__ import annotations

import asyncio

import structlog
from sipmessage import URI

from gateway.refusals import Refusal
from gateway.rooms.conference_network import Reception
from gateway.rooms.sip.calls import Calls
from gateway.rooms.sip.dialog import CallLine
from gateway.rooms.sip.registrar import Binding
from gateway.rooms.sip.ringer import Ringer, RingFailed
from gateway.rooms.sip.steps import Steps
from gateway.rooms.sip.transactions import Way
from gateway.rooms.sip.transport import SipTransport

log = structlog.get_logger(__name__)


class Rings:
    """By room and ring. ``ConferenceNetwork`` says what the methods do."""

    def __init__(
        self, ringer: Ringer, transport: SipTransport, calls: Calls, reception: Reception, steps: Steps
    ) -> None:
        self._ringer = ringer
        self._transport = transport
        self._calls = calls
        self._reception = reception
        self._steps = steps
        self._rings: dict[tuple[str, str], asyncio.Event] = {}

    def __len__(self) -> int:
        return len(self._rings)

    async def ring(self, room_id: str, ring_id: str, binding: Binding | None, address: str, seconds: float) -> None:
        """``binding``: where it has registered. Refuses ``not_registered``, ``address_invalid``, ``unreachable``."""
        if binding is not None:
            target, way = binding.target, binding.way
        elif address:
            target = _target(address)
            way = await self._way_to(target)
        else:
            raise Refusal(
                "conflict", "not_registered", "该终端未注册，也没有登记地址", "it has not registered and has no address"
            )
        given_up = self._rings[room_id, ring_id] = asyncio.Event()
        self._steps.begin(self._ring(room_id, ring_id, target, way, seconds, given_up))

    def stop(self, room_id: str, ring_id: str) -> None:
        given_up = self._rings.get((room_id, ring_id))
        if given_up is not None:
            given_up.set()

    def leave_room(self, room_id: str) -> None:
        for (room, _), given_up in self._rings.items():
            if room == room_id:
                given_up.set()

    async def _ring(
        self, room_id: str, ring_id: str, target: URI, way: Way, seconds: float, given_up: asyncio.Event
    ) -> None:
        reception, calls = self._reception, self._calls
        try:
            call = await self._ringer.ring(
                target, way, seconds, given_up, lambda: reception.ring_told(room_id, ring_id, "ringing", "")
            )
        except RingFailed as failed:
            log.info("ring_failed", room=room_id, host=way.host, reason=failed.reason)
            reception.ring_told(room_id, ring_id, "failed", failed.reason)
            return
        finally:
            self._rings.pop((room_id, ring_id), None)
        calls.keep(call)
        calls.agree(call, call.timer)
        media = call.media
        try:
            if media is None:
                raise RuntimeError("a call without media")
            media.fast_update = lambda: calls.ask_update(call)
            call.arrival = await reception.answered(room_id, ring_id)
            await reception.seat(call.arrival, CallLine(media, lambda: calls.end(call)))
        except BaseException:
            await calls.hang_up(call)
            raise
        log.info("ring_answered", room=room_id, host=way.host)

    async def _way_to(self, target: URI) -> Way:
        port = target.port or 5060
        if (target.parameters.get("transport") or "").lower() != "tcp":
            return self._transport.over_udp(target.host, port)
        try:
            return await self._transport.connect(target.host, port)
        except (OSError, TimeoutError):
            raise Refusal("unavailable", "unreachable", "终端无法连接", "the terminal cannot be reached") from None


def _target(address: str) -> URI:
    try:
        return URI.parse(address)
    except ValueError:
        raise Refusal(
            "invalid", "address_invalid", "终端地址无法解析", "the terminal's address cannot be read", field="address"
        ) from None
