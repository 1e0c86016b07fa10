"""The user agent: takes calls to rooms over UDP and TCP, keeps their dialogs, and hangs up (RFC 3261).

``sip:NUMBER@gateway`` calls the room with that number. A known terminal proves who it is by digest; anybody else waits
in the lobby. Whatever it is sent costs it bounded time and memory.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog
from sipmessage import URI, Address, MediaType, Parameters, Request, Response

from gateway.access.attempts import Attempts
from gateway.refusals import Refusal
from gateway.rooms.conference_network import Reception
from gateway.rooms.sip import sdp
from gateway.rooms.sip.call_media import CallMedia
from gateway.rooms.sip.dialog import ALLOW, Call, CallLine, contact, response_to
from gateway.rooms.sip.digest import Digest
from gateway.rooms.sip.registrar import Registrar
from gateway.rooms.sip.ringer import Ringer, RingFailed
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
HANG_UP_WITHIN = 3.0
FAST_UPDATE = (
    b'<?xml version="1.0" encoding="utf-8"?><media_control><vc_primitive><to_encoder>'
    b"<picture_fast_update/></to_encoder></vc_primitive></media_control>"
)
_CODES = {"not_found": 404, "forbidden": 403, "too_many": 486, "invalid": 488, "conflict": 486}


class SipAgent:
    """``ConferenceNetwork`` over SIP."""

    def __init__(
        self, settings: SipSettings, reception: Reception, packetised: PacketisedFrames, *,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._reception = reception
        self._packetised = packetised
        self._clock = clock
        self._transactions = Transactions()
        self._digest = Digest()
        self._registrar = Registrar()
        self._calls: dict[tuple[str, str], Call] = {}
        self._rings: dict[tuple[str, str], asyncio.Event] = {}
        self._rate = Attempts(limit=MOST_PER_SECOND, seconds=1.0)
        self._transport = SipTransport(settings, self.take)
        self._ringer = Ringer(self._transport, self._transactions, self._own_media)
        self._tasks: set[asyncio.Task[None]] = set()
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
        with suppress(TimeoutError):
            async with asyncio.timeout(HANG_UP_WITHIN):
                await asyncio.gather(*(self.hang_up(call) for call in list(self._calls.values())))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._transactions.close()
        self._transport.close()

    def _own_media(self) -> CallMedia:
        """Of a call that we make: nothing is agreed yet."""
        return CallMedia(self._settings, sdp.ours(), self._packetised, clock=self._clock, fast_update=lambda: None)

    async def hang_up(self, call: Call) -> None:
        """End a call from our side; the rooms know of it already."""
        if call.over:
            return
        self._forget(call)
        if call.media is not None:
            await call.media.close()
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(HANG_UP_WITHIN):
                await self._transactions.ask(self._request(call, "BYE"), call.way)

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
            self._acknowledged(message, known)
        elif known is not None:
            self._transactions.repeated(known)
        else:
            self._serve(self._transactions.begin(message, way))

    def _serve(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        match request.method:
            case "INVITE":
                call = self._call_of(request)
                if call is not None:
                    self._again(transaction, call)
                else:
                    self._spawn(self._invited(transaction))
            case "BYE":
                self._bye(transaction)
            case "CANCEL":
                # Calls are answered at once: what is cancelled has an answer already, and is ended by BYE.
                self._answer(transaction, 481)
            case "REGISTER":
                self._spawn(self._register(transaction))
            case "UPDATE":  # a session refreshed (RFC 4028); media stay as they were agreed
                self._answer(transaction, 481 if self._call_of(request) is None else 200)
            case "OPTIONS":
                response = response_to(request, 200)
                response.headers.set("Allow", ALLOW)
                response.headers.set("Accept", "application/sdp")
                self._transactions.answer(transaction, response)
            case "INFO":
                self._info(transaction)
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
            offer = sdp.read_offer(request.body)
            call = Call.of(request, way)
            media = CallMedia(
                self._settings, offer, self._packetised, clock=self._clock,
                fast_update=lambda: self._ask_update(call),
            )  # fmt: skip
            call.media = media
            await media.open()
            name = known[1] if known is not None else readable(caller.name) or readable(username) or way.host
            address = f"sip:{readable(username) or 'anonymous'}@{way.host}"[:200]
            call.arrival = await self._reception.arrives(number, name, address, known=known is not None)
            self._calls[call.key] = call
            await self._reception.seat(call.arrival, CallLine(media, lambda: self._end(call)))
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
        call.answer = sdp.answer(offer, host, media.ports, secrets.randbelow(1 << 31))
        self._answer_with_media(transaction, call)
        log.info("call_answered", number=number, host=way.host, transport=way.transport)
        try:
            async with asyncio.timeout(ACK_WITHIN):
                await call.acknowledged.wait()
        except TimeoutError:
            if not call.over:
                arrival = call.arrival
                await self.hang_up(call)
                await self._reception.leaves(arrival, "no_ack")

    async def _undo(self, call: Call | None, media: CallMedia | None) -> None:
        if media is not None:
            await media.close()
        if call is not None:
            self._forget(call)
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

    async def ring(self, room_id: str, ring_id: str, username: str, address: str, seconds: float) -> None:
        """See ``ConferenceNetwork``. Refuses ``not_registered``, ``unreachable`` and ``calls_too_many``."""
        if len(self._calls) + len(self._rings) >= MOST_CALLS or self._closing:
            raise Refusal("too_many", "calls_too_many", "呼叫数量已达上限", "too many calls")
        binding = self._registrar.of(username, self._clock()) if username else None
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
        self._spawn(self._ring(room_id, ring_id, target, way, seconds, given_up))

    def stop_ringing(self, room_id: str, ring_id: str) -> None:
        given_up = self._rings.get((room_id, ring_id))
        if given_up is not None:
            given_up.set()

    def leave_room(self, room_id: str) -> None:
        """The room has ended: nobody is rung for it any more."""
        for (room, _), given_up in self._rings.items():
            if room == room_id:
                given_up.set()

    async def _ring(
        self, room_id: str, ring_id: str, target: URI, way: Way, seconds: float, given_up: asyncio.Event
    ) -> None:
        reception = self._reception
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
        self._calls[call.key] = call
        media = call.media
        try:
            if media is None:
                raise RuntimeError("a call without media")
            media.fast_update = lambda: self._ask_update(call)
            call.arrival = await reception.answered(room_id, ring_id)
            await reception.seat(call.arrival, CallLine(media, lambda: self._end(call)))
        except BaseException:
            await self.hang_up(call)
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

    def _again(self, transaction: ServerTransaction, call: Call) -> None:
        """A re-INVITE: a session refresh or hold; the media stay as they were agreed."""
        sequence = transaction.request.cseq.sequence
        if sequence <= call.remote_sequence:
            self._answer(transaction, 500)
            return
        call.remote_sequence = sequence
        contact = transaction.request.contact
        if contact:
            call.target = contact[0].uri
        self._answer_with_media(transaction, call)

    def _bye(self, transaction: ServerTransaction) -> None:
        call = self._call_of(transaction.request)
        if call is None:
            self._answer(transaction, 481)
            return
        self._answer(transaction, 200)
        self._forget(call)
        self._spawn(self._left(call))

    async def _left(self, call: Call) -> None:
        if call.media is not None:
            await call.media.close()
        if call.arrival is not None:
            with suppress(Refusal):
                await self._reception.leaves(call.arrival, "hung_up")

    def _info(self, transaction: ServerTransaction) -> None:
        call = self._call_of(transaction.request)
        if call is None:
            self._answer(transaction, 481)
            return
        if b"picture_fast_update" in transaction.request.body and call.media is not None:
            call.media.new_picture()
        self._answer(transaction, 200)

    def _ask_update(self, call: Call | None) -> None:
        if call is None or call.over or not call.acknowledged.is_set():
            return
        request = self._request(call, "INFO")
        request.content_type = MediaType("application/media_control+xml")
        request.body = FAST_UPDATE
        request.headers.set("Content-Length", str(len(FAST_UPDATE)))
        self._spawn(self._asked(request, call.way))

    async def _asked(self, request: Request, way: Way) -> None:
        with suppress(TimeoutError):
            await self._transactions.ask(request, way)

    def _acknowledged(self, request: Request, known: ServerTransaction | None) -> None:
        call = self._call_of(request)
        if call is not None:
            call.acknowledged.set()
            for transaction in self._transactions.of_call(call.call_id):
                self._transactions.acknowledged(transaction)
        elif known is not None:
            self._transactions.acknowledged(known)

    def _call_of(self, request: Request) -> Call | None:
        call = self._calls.get((request.call_id, request.to_address.parameters.get("tag") or ""))
        if call is None or request.from_address.parameters.get("tag") != call.remote.parameters.get("tag"):
            return None
        return call

    def _forget(self, call: Call) -> None:
        call.over = True
        self._calls.pop(call.key, None)

    def _answer(self, transaction: ServerTransaction, code: int, *, reason: str | None = None) -> None:
        response = response_to(transaction.request, code)
        if reason is not None:
            response.headers.set("Warning", f'399 gateway "{reason}"')
        self._transactions.answer(transaction, response)

    def _answer_with_media(self, transaction: ServerTransaction, call: Call) -> None:
        response = response_to(transaction.request, 200, tag=False)
        response.to_address = call.local
        response.contact = [contact(call.way, self._transport.host_toward(call.way), self.port)]
        response.headers.set("Allow", ALLOW)
        response.content_type = MediaType("application/sdp")
        response.body = call.answer
        response.headers.set("Content-Length", str(len(call.answer)))
        self._transactions.answer(transaction, response)

    def _request(self, call: Call, method: str) -> Request:
        return call.request(method, self._transport.host_toward(call.way), self.port)

    def _end(self, call: Call) -> None:
        """The rooms let go of a call. One that is over already has nobody to tell."""
        if not call.over:
            self._spawn(self.hang_up(call))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Refusal):
            log.warning("call_step_refused", reason=error.reason)
        elif error is not None:  # one call's fault ends no other
            log.error("call_step_failed", exc_info=error)


def _target(address: str) -> URI:
    try:
        return URI.parse(address)
    except ValueError:
        raise Refusal(
            "invalid", "address_invalid", "终端地址无法解析", "the terminal's address cannot be read", field="address"
        ) from None
