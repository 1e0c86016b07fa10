"""The user agent: takes calls to rooms over UDP and TCP, registers known terminals, and rings them (RFC 3261).

``sip:NUMBER@gateway`` calls the room with that number. A known terminal proves who it is by digest; anybody else waits
in the lobby. Whatever it is sent costs it bounded time and memory. What goes on within a call stands in ``calls``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from sipmessage import Address, Parameters, Response

from gateway.access.attempts import Attempts
from gateway.refusals import Refusal
from gateway.rooms.conference_network import Reception
from gateway.rooms.sip import sdp
from gateway.rooms.sip.call_media import CallMedia
from gateway.rooms.sip.calls import Calls
from gateway.rooms.sip.dialog import ALLOW, Call, CallLine, response_to
from gateway.rooms.sip.digest import Digest
from gateway.rooms.sip.registrar import Registrar
from gateway.rooms.sip.ringer import Ringer
from gateway.rooms.sip.rings import Rings
from gateway.rooms.sip.session_timer import RECOMMENDED, Bounds, TooSmall, taken
from gateway.rooms.sip.steps import Steps
from gateway.rooms.sip.transactions import ServerTransaction, Transactions, Way
from gateway.rooms.sip.transport import SipTransport
from gateway.rooms.sip.wire import BadMessage, parsed, readable
from gateway.settings import SipSettings
from gateway.streams.outgoing import PacketisedFrames

log = structlog.get_logger(__name__)

MOST_CALLS = 64
MOST_PER_SECOND = 50
"""Messages from one address."""
ACK_WITHIN = 32.0
_CODES = {"not_found": 404, "forbidden": 403, "too_many": 486, "invalid": 488, "conflict": 486}


class SipAgent:
    """``ConferenceNetwork`` over SIP."""

    def __init__(
        self, settings: SipSettings, reception: Reception, packetised: PacketisedFrames, *,
        clock: Callable[[], float] = time.time, session: Bounds = RECOMMENDED,
    ) -> None:  # fmt: skip
        self._session = session
        self._settings = settings
        self._reception = reception
        self._packetised = packetised
        self._clock = clock
        self._transactions = Transactions()
        self._digest = Digest()
        self._registrar = Registrar()
        self._rate = Attempts(limit=MOST_PER_SECOND, seconds=1.0)
        self._transport = SipTransport(settings, self.take)
        self._steps = Steps()
        self._calls = Calls(self._transport, self._transactions, reception, self._steps, session)
        ringer = Ringer(self._transport, self._transactions, self._own_media, session)
        self._rings = Rings(ringer, self._transport, self._calls, reception, self._steps)
        self._closing = False
        self._refused = 0

    @property
    def port(self) -> int:
        return self._transport.port

    @property
    def refused(self) -> int:
        """Messages that were no SIP, or too many."""
        return self._refused + self._transport.refused

    @property
    def calls(self) -> int:
        return len(self._calls)

    async def start(self) -> None:
        """Listen. Refuses ``sip_port_taken``."""
        await self._transport.open()

    async def close(self) -> None:
        """Hang up on everybody, briefly, and stop listening."""
        self._closing = True
        await self._calls.hang_up_all()
        await self._steps.end()
        self._transactions.close()
        self._transport.close()

    async def ring(self, room_id: str, ring_id: str, username: str, address: str, seconds: float) -> None:
        """See ``ConferenceNetwork``. Refuses ``calls_too_many`` and the reasons of ``Rings.ring``."""
        if len(self._calls) + len(self._rings) >= MOST_CALLS or self._closing:
            raise Refusal("too_many", "calls_too_many", "呼叫数量已达上限", "too many calls")
        binding = self._registrar.of(username, self._clock()) if username else None
        await self._rings.ring(room_id, ring_id, binding, address, seconds)

    def stop_ringing(self, room_id: str, ring_id: str) -> None:
        self._rings.stop(room_id, ring_id)

    def leave_room(self, room_id: str) -> None:
        """The room has ended: nobody is rung for it any more."""
        self._rings.leave_room(room_id)

    def take(self, data: bytes, way: Way) -> None:
        """A message from outside."""
        if self._rate.wait(way.host, asyncio.get_running_loop().time()) > 0:
            self._refused += 1
            return
        try:
            message = parsed(data)
        except BadMessage as error:
            self._refused += 1
            log.debug("sip_refused", host=way.host, why=str(error))
            return
        if isinstance(message, Response):
            self._transactions.heard(message)
            return
        known = self._transactions.known(message)
        if message.method == "ACK":
            self._calls.acknowledged(message, known)
        elif known is not None:
            self._transactions.repeated(known)
        else:
            self._serve(self._transactions.begin(message, way))

    def _serve(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        call = self._calls.of(request)
        match request.method:
            case "INVITE" if call is None:
                self._steps.begin(self._invited(transaction))
            case "INVITE" | "BYE" | "UPDATE" | "INFO":
                self._calls.serve(transaction, call)
            case "CANCEL":
                # Calls are answered at once: what is cancelled has an answer already, and is ended by BYE.
                self._answer(transaction, 481)
            case "REGISTER":
                self._steps.begin(self._register(transaction))
            case "OPTIONS":
                response = response_to(request, 200)
                response.headers.set("Allow", ALLOW)
                response.headers.set("Accept", "application/sdp")
                self._transactions.answer(transaction, response)
            case _:
                response = response_to(request, 405)
                response.headers.set("Allow", ALLOW)
                self._transactions.answer(transaction, response)

    async def _invited(self, transaction: ServerTransaction) -> None:
        request, way = transaction.request, transaction.way
        self._transactions.answer(transaction, response_to(request, 100, tag=False))
        if request.to_address.parameters.get("tag") is not None:
            self._answer(transaction, 481)
            return
        if len(self._calls) >= MOST_CALLS or self._closing:
            self._answer(transaction, 486)
            return
        number, caller = request.uri.user or "", request.from_address
        username = caller.uri.user or ""
        media: CallMedia | None = None
        call: Call | None = None
        try:
            known = await self._reception.secret_of(username) if username else None
            if known is not None and not self._digest.holds(request.authorization, "INVITE", known[0], self._clock()):
                self._challenge(transaction)
                return
            timer = taken(request, self._session)
            offer = sdp.read_offer(request.body)
            call = Call.of(request, way)
            media = CallMedia(
                self._settings, offer, self._packetised, clock=self._clock,
                fast_update=lambda: self._calls.ask_update(call),
            )  # fmt: skip
            call.media = media
            await media.open()
            name = known[1] if known is not None else readable(caller.name) or readable(username) or way.host
            address = f"sip:{readable(username) or 'anonymous'}@{way.host}"[:200]
            call.arrival = await self._reception.arrives(number, name, address, known=known is not None)
            self._calls.keep(call)
            await self._reception.seat(call.arrival, CallLine(media, lambda: self._calls.end(call)))
        except TooSmall:
            self._calls.too_small(transaction)
            return
        except Refusal as refusal:
            log.info("call_refused", number=readable(number), host=way.host, reason=refusal.reason)
            await self._undo(call, media)
            self._answer(transaction, _CODES.get(refusal.kind, 503), reason=refusal.reason)
            return
        except (ValueError, KeyError) as error:
            await self._undo(call, media)
            log.debug("call_unreadable", host=way.host, error=str(error)[:100])
            self._answer(transaction, 400)
            return
        except BaseException:
            await self._undo(call, media)
            raise
        host = self._transport.host_toward(way)
        call.answer = sdp.answer(offer, host, media.ports, call.session_id)
        self._calls.agree(call, timer)
        self._calls.accept(transaction, call)
        log.info("call_answered", number=number, host=way.host, transport=way.transport)
        try:
            async with asyncio.timeout(ACK_WITHIN):
                await call.acknowledged.wait()
        except TimeoutError:
            await self._calls.give_up(call, "no_ack")

    async def _undo(self, call: Call | None, media: CallMedia | None) -> None:
        if media is not None:
            await media.close()
        if call is not None:
            self._calls.forget(call)
            if call.arrival is not None:
                with suppress(Refusal):
                    await self._reception.leaves(call.arrival, "call_failed")

    async def _register(self, transaction: ServerTransaction) -> None:
        request, now = transaction.request, self._clock()
        username = request.to_address.uri.user or ""
        known = await self._reception.secret_of(username) if username else None
        if known is None:
            self._answer(transaction, 403)
            return
        if not self._digest.holds(request.authorization, "REGISTER", known[0], now):
            self._challenge(transaction)
            return
        try:
            binding, seconds = self._registrar.take(username, request, transaction.way, now)
        except ValueError:
            self._answer(transaction, 503)
            return
        response = response_to(request, 200)
        if binding is not None:
            response.contact = [Address(binding.target, "", Parameters(expires=str(seconds)))]
        self._transactions.answer(transaction, response)
        address = f"sip:{username}@{transaction.way.host}:{transaction.way.port}"
        self._reception.registered(username, address, binding.until if binding is not None else 0.0)

    def _challenge(self, transaction: ServerTransaction) -> None:
        response = response_to(transaction.request, 401)
        response.www_authenticate = self._digest.challenge(self._clock())
        self._transactions.answer(transaction, response)

    def _answer(self, transaction: ServerTransaction, code: int, *, reason: str | None = None) -> None:
        self._transactions.answer(transaction, response_to(transaction.request, code, reason=reason))

    def _own_media(self) -> CallMedia:
        """Of a call that we make: nothing is agreed yet."""
        return CallMedia(self._settings, sdp.ours(), self._packetised, clock=self._clock, fast_update=lambda: None)
