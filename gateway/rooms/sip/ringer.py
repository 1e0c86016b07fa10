"""A call of ours to a terminal (RFC 3261, 13.2): rings it for a while, says how it goes, and why it came to nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress

from sipmessage import URI, Address, CSeq, MediaType, Parameters, Request, Response, Via

from gateway.refusals import Refusal
from gateway.rooms.sip import sdp
from gateway.rooms.sip.call_media import CallMedia
from gateway.rooms.sip.dialog import ALLOW, Call, contact
from gateway.rooms.sip.session_timer import USUAL, Bounds, agreed, least_of, put_into_request
from gateway.rooms.sip.transactions import Transactions, Way, new_branch
from gateway.rooms.sip.transport import SipTransport

UNHEARD = 6.0
"""Seconds after which a terminal that has said nothing at all is taken for unreachable."""
ENDS_WITHIN = 3.0
_REASONS = {
    401: "login_wanted", 407: "login_wanted", 403: "declined", 603: "declined", 480: "no_answer", 408: "no_answer",
    487: "no_answer", 404: "unknown_there", 410: "unknown_there", 484: "unknown_there", 486: "busy", 600: "busy",
    415: "no_common_media", 488: "no_common_media", 606: "no_common_media",
}  # fmt: skip


class RingFailed(Exception):
    """``reason``: see ``gateway.api.room_rings``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Ringer:
    """``ring`` makes one call; many may be made at once."""

    def __init__(
        self, transport: SipTransport, transactions: Transactions, media: Callable[[], CallMedia], session: Bounds
    ) -> None:
        self._session = session
        self._transport = transport
        self._transactions = transactions
        self._media = media

    async def ring(
        self, target: URI, way: Way, seconds: float, given_up: asyncio.Event, on_ringing: Callable[[], None]
    ) -> Call:
        """The call once it is answered, its media agreed. Raises ``RingFailed``; ``given_up`` ends the ringing."""
        media = self._media()
        try:
            await media.open()
            number = secrets.randbelow(1 << 31)
            invite = self._invite(target, way, media, number)
            response = await self._outcome(invite, way, seconds, given_up, on_ringing)
            if response.code == 422:
                response = await self._outcome(_longer(invite, response), way, seconds, given_up, on_ringing)
            if response.code >= 300:
                raise RingFailed(_REASONS.get(response.code, "refused"))
            return await self._begun(invite, response, way, media, number)
        except Refusal as refusal:
            await media.close()
            raise RingFailed(refusal.reason) from refusal
        except BaseException:
            await media.close()
            raise

    def _invite(self, target: URI, way: Way, media: CallMedia, number: int) -> Request:
        host = self._transport.host_toward(way)
        request = Request("INVITE", target)
        request.via = [Via(way.transport, host, self._transport.port, Parameters(branch=new_branch(), rport=None))]
        request.headers.set("Max-Forwards", "70")
        request.from_address = Address(URI("sip", host, "gateway"), "", Parameters(tag=secrets.token_hex(8)))
        request.to_address = Address(URI("sip", target.host, target.user))
        request.headers.set("Call-ID", f"{secrets.token_hex(12)}@{host}")
        request.cseq = CSeq(1, "INVITE")
        request.contact = [contact(way, host, self._transport.port)]
        request.headers.set("Allow", ALLOW)
        put_into_request(request, self._session.usual)
        request.content_type = MediaType("application/sdp")
        request.body = sdp.offer(host, media.ports, number)
        request.headers.set("Content-Length", str(len(request.body)))
        return request

    async def _outcome(
        self, invite: Request, way: Way, seconds: float, given_up: asyncio.Event, on_ringing: Callable[[], None]
    ) -> Response:
        heard = asyncio.Event()

        def provisional(response: Response) -> None:
            heard.set()
            if response.code >= 180:
                on_ringing()

        asking = asyncio.ensure_future(self._transactions.invite(invite, way, provisional))
        waiting = [asyncio.ensure_future(one.wait()) for one in (given_up, heard)]
        try:
            await asyncio.wait([asking, *waiting], timeout=UNHEARD, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done() and not heard.is_set() and not given_up.is_set():
                raise RingFailed("unreachable")
            if not asking.done() and not given_up.is_set():
                await asyncio.wait([asking, waiting[0]], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
            await self._cancel(invite, way)
            await asyncio.wait([asking], timeout=ENDS_WITHIN)
            if asking.done() and asking.result().code < 300:  # picked up at the last moment: it is put down again
                call = Call.begun_by(invite, asking.result(), way)
                way.send(bytes(self._acknowledgement(call, invite)))
                await self._bye(call)
            raise RingFailed("given_up" if given_up.is_set() else "no_answer")
        finally:
            for one in (asking, *waiting):
                one.cancel()

    async def _begun(self, invite: Request, response: Response, way: Way, media: CallMedia, number: int) -> Call:
        call = Call.begun_by(invite, response, way)
        call.session_id = number
        acknowledgement = bytes(self._acknowledgement(call, invite))
        way.send(acknowledgement)
        self._transactions.acknowledge_again(invite, way, acknowledgement)
        call.media = media
        call.timer = agreed(response)
        try:
            theirs = sdp.read_offer(response.body)
            media.agree(theirs)
        except Refusal as refusal:
            await self._bye(call)
            raise RingFailed("no_common_media") from refusal
        call.answer = sdp.answer(theirs, self._transport.host_toward(way), media.ports, number)
        call.acknowledged.set()
        return call

    def _acknowledgement(self, call: Call, invite: Request) -> Request:
        return call.acknowledgement(invite, self._transport.host_toward(call.way), self._transport.port)

    async def _bye(self, call: Call) -> None:
        request = call.request("BYE", self._transport.host_toward(call.way), self._transport.port)
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN):
                await self._transactions.ask(request, call.way)

    async def _cancel(self, invite: Request, way: Way) -> None:
        request = Request("CANCEL", invite.uri)
        request.via = invite.via
        request.headers.set("Max-Forwards", "70")
        request.from_address, request.to_address = invite.from_address, invite.to_address
        request.headers.set("Call-ID", invite.call_id)
        request.cseq = CSeq(invite.cseq.sequence, "CANCEL")
        request.headers.set("Content-Length", "0")
        with suppress(TimeoutError):
            async with asyncio.timeout(ENDS_WITHIN):
                await self._transactions.ask(request, way)


def _longer(invite: Request, refused: Response) -> Request:
    """The same INVITE once more, with as long a session interval as it was told to ask for (RFC 4028, 7.3)."""
    via = invite.via[0]
    invite.via = [Via(via.transport, via.host, via.port, Parameters(branch=new_branch(), rport=None))]
    invite.cseq = CSeq(invite.cseq.sequence + 1, "INVITE")
    put_into_request(invite, max(USUAL, least_of(refused)))
    return invite
