"""SIP transactions (RFC 3261, 17): a repeated request gets the same answer again, and what UDP loses is sent again."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from sipmessage import Request, Response

T1, T2 = 0.5, 4.0
GIVEN_UP_AFTER = 64 * T1
MOST = 1024
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
    future: asyncio.Future[Response] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


def key_of(request: Request) -> tuple[str, str, str]:
    via = request.via[0]
    method = "INVITE" if request.method == "ACK" else request.method
    return (via.parameters.get("branch") or request.call_id, f"{via.host}:{via.port}", method)


class Transactions:
    """Those of one user agent; the oldest are forgotten beyond ``MOST``."""

    def __init__(self) -> None:
        self._served: OrderedDict[tuple[str, str, str], ServerTransaction] = OrderedDict()
        self._asked: dict[str, _Waiting] = {}

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
        branch = request.via[0].parameters.get("branch") or ""
        waiting = self._asked[branch] = _Waiting()
        again = asyncio.get_running_loop().create_task(_repeat(way, bytes(request), at_once=True))
        try:
            async with asyncio.timeout(GIVEN_UP_AFTER):
                return await waiting.future
        finally:
            again.cancel()
            self._asked.pop(branch, None)

    def heard(self, response: Response) -> None:
        waiting = self._asked.get(response.via[0].parameters.get("branch") or "")
        if waiting is not None and response.code >= 200 and not waiting.future.done():
            waiting.future.set_result(response)

    def close(self) -> None:
        for transaction in self._served.values():
            _stop(transaction)
        for waiting in self._asked.values():
            waiting.future.cancel()


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
