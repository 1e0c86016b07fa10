"""The user agent: takes calls to rooms over UDP and TCP, keeps their dialogs, and hangs up (RFC 3261).

``sip:NUMBER@gateway`` calls the room with that number. A known terminal proves who it is by digest; anybody else waits
in the lobby. Whatever it is sent costs it bounded time and memory.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from sipmessage import URI, Address, CSeq, MediaType, Parameters, Request, Response, Via

from gateway.access.attempts import Attempts
from gateway.refusals import Refusal
from gateway.rooms.conference_network import Arrival, Reception
from gateway.rooms.sip import sdp
from gateway.rooms.sip.call_media import CallMedia
from gateway.rooms.sip.digest import Digest
from gateway.rooms.sip.transactions import ServerTransaction, Transactions, Way, new_branch
from gateway.rooms.sip.wire import MOST_BYTES, BadMessage, parsed, read_stream, readable
from gateway.settings import SipSettings
from gateway.streams.outgoing import PacketisedFrames

log = structlog.get_logger(__name__)

MOST_CALLS = 64
MOST_CONNECTIONS = 64
MOST_PER_SECOND = 50
"""Messages from one address."""
ACK_WITHIN = 32.0
IDLE_CONNECTION = 3600.0
HANG_UP_WITHIN = 3.0
ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO"
FAST_UPDATE = (
    b'<?xml version="1.0" encoding="utf-8"?><media_control><vc_primitive><to_encoder>'
    b"<picture_fast_update/></to_encoder></vc_primitive></media_control>"
)
_PHRASES = {
    100: "Trying", 200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error", 503: "Service Unavailable",
}  # fmt: skip
_CODES = {"not_found": 404, "forbidden": 403, "too_many": 486, "invalid": 488, "conflict": 486}


@dataclass(slots=True)
class Call:
    """A dialog with its media. ``arrival`` is set once the rooms have taken it in."""

    call_id: str
    local: Address
    remote: Address
    target: URI
    routes: list[Address]
    way: Way
    remote_sequence: int
    sequence: int = 0
    media: CallMedia | None = None
    arrival: Arrival | None = None
    answer: bytes = b""
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False


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
        self._calls: dict[tuple[str, str], Call] = {}
        self._rate = Attempts(limit=MOST_PER_SECOND, seconds=1.0)
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self.port = settings.port
        self.refused = 0
        """Messages that were no SIP, or too many."""

    @property
    def calls(self) -> int:
        return len(self._calls)

    async def start(self) -> None:
        """Listen. Refuses ``sip_port_taken``."""
        loop = asyncio.get_running_loop()
        host = self._settings.host
        try:
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(host, self._settings.port), family=socket.AF_INET
            )
            self.port = int(self._udp.get_extra_info("sockname")[1])
            self._tcp = await asyncio.start_server(self._accept, host, self.port, limit=MOST_BYTES)
        except OSError as error:
            await self.close()
            raise Refusal(
                "unavailable", "sip_port_taken", f"SIP 端口 {host}:{self._settings.port} 无法监听",
                f"cannot listen for SIP on {host}:{self._settings.port}", field="sip.port",
            ) from error  # fmt: skip
        log.info("sip_listening", host=host, port=self.port)

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
        if self._udp is not None:
            self._udp.close()
        for writer in list(self._connections):
            writer.close()
        if self._tcp is not None:
            self._tcp.close()

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
            self.refused += 1
            return
        try:
            message = parsed(data)
        except BadMessage as error:
            self.refused += 1
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
            case "OPTIONS":
                response = self._response(request, 200)
                response.headers.set("Allow", ALLOW)
                response.headers.set("Accept", "application/sdp")
                self._transactions.answer(transaction, response)
            case "INFO":
                self._info(transaction)
            case _:
                response = self._response(request, 405)
                response.headers.set("Allow", ALLOW)
                self._transactions.answer(transaction, response)

    async def _invited(self, transaction: ServerTransaction) -> None:
        request, way = transaction.request, transaction.way
        self._transactions.answer(transaction, self._response(request, 100, tag=False))
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
                response = self._response(request, 401)
                response.www_authenticate = self._digest.challenge(self._clock())
                self._transactions.answer(transaction, response)
                return
            offer = sdp.read_offer(request.body)
            call = self._dialog(request, way)
            media = CallMedia(
                self._settings, offer, self._packetised, clock=self._clock,
                fast_update=lambda: self._ask_update(call),
            )  # fmt: skip
            call.media = media
            await media.open()
            name = known[1] if known is not None else readable(caller.name) or readable(username) or way.host
            address = f"sip:{readable(username) or 'anonymous'}@{way.host}"[:200]
            call.arrival = await self._reception.arrives(number, name, address, known=known is not None)
            self._calls[call.call_id, str(call.local.parameters.get("tag"))] = call
            await self._reception.seat(call.arrival, _Line(media, lambda: self._spawn(self.hang_up(call))))
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
        host = self._host_toward(way)
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

    def _dialog(self, request: Request, way: Way) -> Call:
        contact = request.contact
        tag = secrets.token_hex(8)
        local = Address(request.to_address.uri, "", request.to_address.parameters.replace(tag=tag))
        target = contact[0].uri if contact else request.from_address.uri
        return Call(
            request.call_id, local, request.from_address, target, request.record_route, way, request.cseq.sequence
        )

    def _forget(self, call: Call) -> None:
        call.over = True
        self._calls.pop((call.call_id, str(call.local.parameters.get("tag"))), None)

    def _answer(self, transaction: ServerTransaction, code: int, *, reason: str | None = None) -> None:
        response = self._response(transaction.request, code)
        if reason is not None:
            response.headers.set("Warning", f'399 gateway "{reason}"')
        self._transactions.answer(transaction, response)

    def _answer_with_media(self, transaction: ServerTransaction, call: Call) -> None:
        response = self._response(transaction.request, 200, tag=False)
        response.to_address = call.local
        response.contact = [Address(self._contact(call.way))]
        response.headers.set("Allow", ALLOW)
        response.content_type = MediaType("application/sdp")
        response.body = call.answer
        response.headers.set("Content-Length", str(len(call.answer)))
        self._transactions.answer(transaction, response)

    def _response(self, request: Request, code: int, *, tag: bool = True) -> Response:
        response = Response(code, _PHRASES[code])
        response.headers.setlist("Via", request.headers.getlist("Via"))
        for route in request.headers.getlist("Record-Route"):
            response.headers.add("Record-Route", route)
        response.headers.set("From", request.headers["From"])
        to = request.to_address
        if tag and to.parameters.get("tag") is None:
            to = Address(to.uri, to.name, to.parameters.replace(tag=secrets.token_hex(8)))
        response.to_address = to
        response.headers.set("Call-ID", request.call_id)
        response.headers.set("CSeq", request.headers["CSeq"])
        response.headers.set("Server", "grid-video-gateway")
        response.headers.set("Content-Length", "0")
        return response

    def _request(self, call: Call, method: str) -> Request:
        call.sequence += 1
        request = Request(method, call.target)
        host = self._host_toward(call.way)
        parameters = Parameters(branch=new_branch(), rport=None)
        request.via = [Via(call.way.transport, host, self.port, parameters)]
        request.headers.set("Max-Forwards", "70")
        request.from_address = call.local
        request.to_address = call.remote
        request.headers.set("Call-ID", call.call_id)
        request.cseq = CSeq(call.sequence, method)
        if call.routes:
            request.route = call.routes
        request.contact = [Address(self._contact(call.way))]
        request.headers.set("Content-Length", "0")
        return request

    def _contact(self, way: Way) -> URI:
        parameters = Parameters(transport="tcp") if way.transport == "TCP" else Parameters()
        return URI("sip", self._host_toward(way), "gateway", None, self.port, parameters)

    def _host_toward(self, way: Way) -> str:
        """Our own address as that peer reaches it."""
        if self._settings.host != "0.0.0.0":  # noqa: S104  # a comparison
            return self._settings.host
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((way.host, way.port or 9))
            return str(probe.getsockname()[0])

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._connections.add(writer)
        host, port = writer.get_extra_info("peername")[:2]

        def send(data: bytes) -> None:
            if not writer.is_closing() and writer.transport.get_write_buffer_size() < 4 * MOST_BYTES:
                writer.write(data)

        way = Way("TCP", host, port, send)
        try:
            while True:
                async with asyncio.timeout(IDLE_CONNECTION):
                    data = await read_stream(reader)
                if data:
                    self.take(data, way)
                else:
                    send(b"\r\n")
        except (BadMessage, asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            self.refused += 1
        finally:
            self._connections.discard(writer)
            writer.close()

    def datagram(self, data: bytes, address: tuple[str, int]) -> None:
        if len(data) <= 4:  # a keep-alive
            return
        udp = self._udp

        def send(answer: bytes) -> None:
            if udp is not None and not udp.is_closing():
                udp.sendto(answer, address)

        self.take(_with_received(data, address), Way("UDP", address[0], address[1], send))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Refusal as refusal:
            log.warning("call_step_refused", reason=refusal.reason)
        except Exception:  # one call's fault ends no other
            log.exception("call_step_failed")


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, agent: SipAgent) -> None:
        self._agent = agent

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._agent.datagram(data, addr[:2])


class _Line:
    """A call's media as the rooms hold it: closing it hangs up."""

    def __init__(self, media: CallMedia, hang_up: Callable[[], None]) -> None:
        self._media = media
        self._hang_up = hang_up
        self.bus = media.bus
        self.sound = media.sound
        self.sound_codec = media.sound_codec

    @property
    def heard_at(self) -> float | None:
        return self._media.heard_at

    def ask_keyframe(self) -> None:
        self._media.ask_keyframe()

    def show(self, bus: Any) -> None:
        self._media.show(bus)

    def play(self, data: bytes) -> None:
        self._media.play(data)

    async def close(self) -> None:
        self._hang_up()


def _with_received(data: bytes, address: tuple[str, int]) -> bytes:
    """Answers go where the request came from (RFC 3581): the top Via says so to whoever looks at it."""
    head, separator, rest = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for at, line in enumerate(lines[1:], 1):
        name = line.partition(b":")[0].strip().lower()
        if name in (b"via", b"v"):
            first, comma, more = line.partition(b",")
            said = b";received=" + address[0].encode()
            if b";rport" in first and b";rport=" not in first:
                first = first.replace(b";rport", b";rport=" + str(address[1]).encode(), 1)
            if b";received=" not in first:
                first += said
            lines[at] = first + comma + more
            break
    return b"\r\n".join(lines) + separator + rest
