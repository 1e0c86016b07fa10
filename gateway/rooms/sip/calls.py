"""The calls that stand: what is asked within their dialogs (RFC 3261, 12.2), by either side, and how they end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog
from sipmessage import MediaType, Request

from gateway.refusals import Refusal
from gateway.rooms.conference_network import Reception
from gateway.rooms.sip import sdp
from gateway.rooms.sip.dialog import ALLOW, Call, contact, response_to
from gateway.rooms.sip.session_refresh import SessionRefresh
from gateway.rooms.sip.session_timer import Bounds, SessionTimer, TooSmall, put_into_answer, taken
from gateway.rooms.sip.steps import Steps
from gateway.rooms.sip.transactions import ServerTransaction, Transactions, Way
from gateway.rooms.sip.transport import SipTransport

log = structlog.get_logger(__name__)

HANG_UP_WITHIN = 3.0
FAST_UPDATE = (
    b'<?xml version="1.0" encoding="utf-8"?><media_control><vc_primitive><to_encoder>'
    b"<picture_fast_update/></to_encoder></vc_primitive></media_control>"
)


class Calls:
    """By Call-ID and our tag."""

    def __init__(
        self, transport: SipTransport, transactions: Transactions, reception: Reception, steps: Steps, bounds: Bounds
    ) -> None:
        self._transport = transport
        self._transactions = transactions
        self._reception = reception
        self._steps = steps
        self._bounds = bounds
        self._refresh = SessionRefresh(transport, transactions, steps, self._lapsed)
        self._calls: dict[tuple[str, str], Call] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def keep(self, call: Call) -> None:
        self._calls[call.key] = call

    def agree(self, call: Call, timer: SessionTimer | None) -> None:
        """On the timer of its session."""
        self._refresh.agree(call, timer)

    def forget(self, call: Call) -> None:
        call.over = True
        self._refresh.stop(call)
        self._calls.pop(call.key, None)

    def of(self, request: Request) -> Call | None:
        call = self._calls.get((request.call_id, request.to_address.parameters.get("tag") or ""))
        if call is None or request.from_address.parameters.get("tag") != call.remote.parameters.get("tag"):
            return None
        return call

    def serve(self, transaction: ServerTransaction, call: Call | None) -> None:
        """A request within a dialog."""
        if call is None:
            self._transactions.answer(transaction, response_to(transaction.request, 481))
            return
        match transaction.request.method:
            case "INVITE" | "UPDATE":
                self._again(transaction, call)
            case "BYE":
                self._transactions.answer(transaction, response_to(transaction.request, 200))
                self.forget(call)
                self._steps.begin(self._left(call))
            case _:  # INFO
                if b"picture_fast_update" in transaction.request.body and call.media is not None:
                    call.media.new_picture()
                self._transactions.answer(transaction, response_to(transaction.request, 200))

    def acknowledged(self, request: Request, known: ServerTransaction | None) -> None:
        call = self.of(request)
        if call is not None:
            call.acknowledged.set()
            for transaction in self._transactions.of_call(call.call_id):
                self._transactions.acknowledged(transaction)
        elif known is not None:
            self._transactions.acknowledged(known)

    def accept(self, transaction: ServerTransaction, call: Call) -> None:
        """Answer an INVITE or UPDATE with what was agreed; the media where it is about them."""
        response = response_to(transaction.request, 200, tag=False)
        response.to_address = call.local
        response.contact = [contact(call.way, self._transport.host_toward(call.way), self._transport.port)]
        response.headers.set("Allow", ALLOW)
        put_into_answer(response, call.timer)
        if transaction.request.method == "INVITE" or transaction.request.body:
            response.content_type = MediaType("application/sdp")
            response.body = call.answer
            response.headers.set("Content-Length", str(len(call.answer)))
        self._transactions.answer(transaction, response)

    def too_small(self, transaction: ServerTransaction) -> None:
        response = response_to(transaction.request, 422)
        response.headers.set("Min-SE", str(self._bounds.least))
        self._transactions.answer(transaction, response)

    def ask_update(self, call: Call | None) -> None:
        """Ask the terminal for a keyframe (RFC 5168)."""
        if call is None or call.over or not call.acknowledged.is_set():
            return
        request = self._request(call, "INFO")
        request.content_type = MediaType("application/media_control+xml")
        request.body = FAST_UPDATE
        request.headers.set("Content-Length", str(len(FAST_UPDATE)))
        self._steps.begin(self._asked(request, call.way))

    def end(self, call: Call) -> None:
        """The rooms let go of a call. One that is over already has nobody to tell."""
        if not call.over:
            self._steps.begin(self.hang_up(call))

    async def hang_up(self, call: Call) -> None:
        """End a call from our side; the rooms know of it already."""
        if call.over:
            return
        self.forget(call)
        if call.media is not None:
            await call.media.close()
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(HANG_UP_WITHIN):
                await self._transactions.ask(self._request(call, "BYE"), call.way)

    async def give_up(self, call: Call, reason: str) -> None:
        """End a call from our side, and let the rooms know."""
        if not call.over and call.arrival is not None:
            await asyncio.gather(self.hang_up(call), self._reception.leaves(call.arrival, reason))

    async def hang_up_all(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(HANG_UP_WITHIN):
                await asyncio.gather(*(self.hang_up(call) for call in list(self._calls.values())))

    def _again(self, transaction: ServerTransaction, call: Call) -> None:
        """A re-INVITE or UPDATE: the session is refreshed, held, goes on, or its media are elsewhere now."""
        sequence = transaction.request.cseq.sequence
        if sequence <= call.remote_sequence:
            self._transactions.answer(transaction, response_to(transaction.request, 500))
            return
        call.remote_sequence = sequence
        try:
            timer = taken(transaction.request, self._bounds)
            if transaction.request.body:
                self._redirect(call, transaction.request.body)
        except TooSmall:
            self.too_small(transaction)
            return
        except Refusal as refusal:  # and everything stays as it was
            self._transactions.answer(transaction, response_to(transaction.request, 488, reason=refusal.reason))
            return
        contact = transaction.request.contact
        if contact:
            call.target = contact[0].uri
        self.agree(call, timer)
        self.accept(transaction, call)

    def _redirect(self, call: Call, offer: bytes) -> None:
        if call.media is None:
            return
        served = call.media.redirect(sdp.read_offer(offer))
        host, ports = self._transport.host_toward(call.way), call.media.ports
        if sdp.answer(served, host, ports, call.session_id, call.version) != call.answer:
            call.version += 1
        call.answer = sdp.answer(served, host, ports, call.session_id, call.version)

    def _lapsed(self, call: Call) -> None:
        log.info("session_expired", host=call.way.host)
        self._steps.begin(self.give_up(call, "session_expired"))

    async def _left(self, call: Call) -> None:
        if call.media is not None:
            await call.media.close()
        if call.arrival is not None:
            with suppress(Refusal):
                await self._reception.leaves(call.arrival, "hung_up")

    async def _asked(self, request: Request, way: Way) -> None:
        with suppress(TimeoutError):
            await self._transactions.ask(request, way)

    def _request(self, call: Call, method: str) -> Request:
        return call.request(method, self._transport.host_toward(call.way), self._transport.port)
