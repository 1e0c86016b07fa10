"""SIP transactions (RFC 3261, 17): a repeated request gets the same answer again, and what UDP loses is sent again."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from sipmessage import CSeq, Request, Response

T1, T2 = 0.5, 4.0
GIVEN_UP_AFTER = 64 * T1
MOST = 1024
MOST_ACKNOWLEDGED = 256
BRANCH = "z9hG4bK"


@dataclass(frozen=True, slots=True)
class Way:
    """How a peer is reached: the datagrams it sent came from there, or its connection. ``send`` never waits."""

    transport: str
    host: str
    port: int
    send: Callable[[bytes], None]

    @property
    def reliable(self) -> bool:
        return self.transport != "UDP"


@dataclass(slots=True)
class ServerTransaction:
    """A request being answered, or that has been."""

    request: Request
    way: Way
    answered: bytes | None = None
    final: bool = False
    again: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Waiting:
    provisional: Callable[[Response], None] = lambda _response: None
    again: asyncio.Task[None] | None = None
    future: asyncio.Future[Response] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(frozen=True, slots=True)
class _Acknowledged:
    """What is sent again when the answer that it acknowledges comes again."""

    way: Way
    data: bytes


def key_of(request: Request) -> tuple[str, str, str]:
    via = request.via[0]
    method = "INVITE" if request.method == "ACK" else request.method
    return (via.parameters.get("branch") or request.call_id, f"{via.host}:{via.port}", method)


class Transactions:
    """Those of one user agent; the oldest are forgotten beyond ``MOST``."""

    def __init__(self) -> None:
        self._served: OrderedDict[tuple[str, str, str], ServerTransaction] = OrderedDict()
        self._asked: dict[tuple[str, str], _Waiting] = {}
        self._acknowledged: OrderedDict[str, _Acknowledged] = OrderedDict()

    def known(self, request: Request) -> ServerTransaction | None:
        """The transaction that this request repeats (or acknowledges)."""
        return self._served.get(key_of(request))

    def begin(self, request: Request, way: Way) -> ServerTransaction:
        made = self._served[key_of(request)] = ServerTransaction(request, way)
        while len(self._served) > MOST:
            _, oldest = self._served.popitem(last=False)
            _stop(oldest)
        return made

    def answer(self, transaction: ServerTransaction, response: Response) -> None:
        """Send an answer; a final one to an INVITE again and again until it is acknowledged."""
        data = bytes(response)
        transaction.answered = data
        transaction.way.send(data)
        if response.code >= 200:
            transaction.final = True
            if transaction.request.method == "INVITE":
                transaction.again = asyncio.get_running_loop().create_task(_repeat(transaction.way, data))

    def repeated(self, transaction: ServerTransaction) -> None:
        if transaction.answered is not None:
            transaction.way.send(transaction.answered)

    def of_call(self, call_id: str) -> list[ServerTransaction]:
        return [one for one in self._served.values() if one.request.call_id == call_id]

    def acknowledged(self, transaction: ServerTransaction) -> None:
        _stop(transaction)

    async def ask(self, request: Request, way: Way) -> Response:
        """Send a request and wait for its final answer. Raises ``TimeoutError`` after 32 s."""
        async with asyncio.timeout(GIVEN_UP_AFTER):
            return await self._sent(request, way, _Waiting())

    async def invite(self, request: Request, way: Way, provisional: Callable[[Response], None]) -> Response:
        """Send an INVITE and wait for its final answer, however long it rings; a refusal is acknowledged here, what
        was picked up by whoever takes the call. Sent again only until something is heard (RFC 3261, 17.1.1)."""
        response = await self._sent(request, way, _Waiting(provisional))
        if response.code >= 300:
            data = bytes(_acknowledgement(request, response))
            way.send(data)
            self.acknowledge_again(request, way, data)
        return response

    def acknowledge_again(self, invite: Request, way: Way, data: bytes) -> None:
        """The final answer to this INVITE may come again: it is acknowledged again with ``data``."""
        self._acknowledged[_branch(invite)] = _Acknowledged(way, data)
        while len(self._acknowledged) > MOST_ACKNOWLEDGED:
            self._acknowledged.popitem(last=False)

    def heard(self, response: Response) -> None:
        branch, method = _branch(response), response.cseq.method
        waiting = self._asked.get((branch, method))
        if waiting is None:
            acknowledged = self._acknowledged.get(branch)
            if acknowledged is not None and method == "INVITE" and response.code >= 200:
                acknowledged.way.send(acknowledged.data)
        elif response.code < 200:
            if waiting.again is not None and method == "INVITE":
                waiting.again.cancel()
            waiting.provisional(response)
        elif not waiting.future.done():
            waiting.future.set_result(response)

    def close(self) -> None:
        for transaction in self._served.values():
            _stop(transaction)
        for waiting in self._asked.values():
            waiting.future.cancel()

    async def _sent(self, request: Request, way: Way, waiting: _Waiting) -> Response:
        key = _branch(request), request.method
        self._asked[key] = waiting
        waiting.again = asyncio.get_running_loop().create_task(_repeat(way, bytes(request), at_once=True))
        try:
            return await waiting.future
        finally:
            waiting.again.cancel()
            self._asked.pop(key, None)


def _branch(message: Request | Response) -> str:
    return message.via[0].parameters.get("branch") or ""


def _acknowledgement(invite: Request, response: Response) -> Request:
    """Of a refusal: it belongs to the INVITE's own transaction (RFC 3261, 17.1.1.3)."""
    request = Request("ACK", invite.uri)
    request.via = invite.via
    request.headers.set("Max-Forwards", "70")
    request.from_address, request.to_address = invite.from_address, response.to_address
    request.headers.set("Call-ID", invite.call_id)
    request.cseq = CSeq(invite.cseq.sequence, "ACK")
    request.headers.set("Content-Length", "0")
    return request


def new_branch() -> str:
    return BRANCH + secrets.token_hex(8)


def _stop(transaction: ServerTransaction) -> None:
    if transaction.again is not None:
        transaction.again.cancel()
        transaction.again = None


async def _repeat(way: Way, data: bytes, *, at_once: bool = False) -> None:
    if at_once:
        way.send(data)
    wait, waited = T1, 0.0
    while waited < GIVEN_UP_AFTER:
        await asyncio.sleep(wait)
        waited += wait
        wait = min(wait * 2, T2)
        if not way.reliable:
            way.send(data)
