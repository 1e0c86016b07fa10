"""A terminal for tests that says exactly what a test wants it to say, and a reception of one room that keeps no media.

Loaded by path, as the tests stand in no package.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.refusals import Refusal
from gateway.rooms.conference_network import Arrival, TerminalLine

NUMBER = "100200"
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


@dataclass
class Register:
    """``Reception`` of one room, which keeps no media."""

    lines: list[TerminalLine] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    rung: list[str] = field(default_factory=list)

    async def arrives(self, number: str, name: str, address: str, *, known: bool) -> Arrival:
        if number != NUMBER:
            raise Refusal("not_found", "room_unknown", "没有这个会议室", "no such room")
        return Arrival("r", "one")

    async def seat(self, arrival: Arrival, line: TerminalLine) -> None:
        self.lines.append(line)

    async def leaves(self, arrival: Arrival, reason: str) -> None:
        self.left.append(reason)

    async def secret_of(self, username: str) -> tuple[str, str] | None:
        return None

    async def answered(self, room_id: str, ring_id: str) -> Arrival:
        return Arrival(room_id, ring_id)

    def ring_told(self, room_id: str, ring_id: str, state: str, reason: str) -> None:
        self.rung.append(reason or state)

    def registered(self, username: str, address: str, until: float) -> None: ...


class Phone(asyncio.DatagramProtocol):
    """A terminal on a socket of its own. ``heard`` are the agent's messages, repetitions left out; BYE it answers."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self._seen: set[bytes] = set()
        self.sequence = 0
        self.tag = ""
        self.call_id, self.own_tag = "one@phone", "phone"

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # of datagrams
        self.transport = transport
        self.port = int(transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._agent = addr
        if data not in self._seen:
            self._seen.add(data)
            self.heard.put_nowait(data.decode())
            if data.startswith(b"BYE"):
                self.answer(data.decode(), 200)

    def call(self, port: int) -> None:
        self._agent = ("127.0.0.1", port)

    def ask(self, method: str, *headers: str, body: str = "") -> None:
        """A request of the dialog, or the INVITE that begins it."""
        self.sequence += method != "ACK"
        lines = [
            f"{method} sip:{NUMBER}@127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{method}{self.sequence};rport",
            f"From: <sip:9001@127.0.0.1>;tag={self.own_tag}", f"To: <sip:{NUMBER}@127.0.0.1>{self.tag}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.sequence} {method}", f"Contact: <sip:9001@127.0.0.1:{self.port}>", *headers,
            f"Content-Length: {len(body)}", "Content-Type: application/sdp",
        ]  # fmt: skip
        self.transport.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), self._agent)

    def answer(self, request: str, code: int, *headers: str, body: str = "") -> None:
        kept = [line for line in request.split("\r\n") if re.match(r"(Via|From|Call-ID|CSeq):", line)]
        to = header(request, "To")
        own = [f"To: {to}" if "tag=" in to else f"To: {to};tag=phone", f"Contact: <sip:9001@127.0.0.1:{self.port}>"]
        lines = [f"SIP/2.0 {code} So", *kept, *own, *headers, f"Content-Length: {len(body)}"]
        self.transport.sendto(
            ("\r\n".join([*lines, "Content-Type: application/sdp"]) + "\r\n\r\n" + body).encode(), self._agent
        )

    async def hears(self, begins: str, seconds: float = 5.0) -> str:
        """The next message of this kind; others before it are let go."""
        async with asyncio.timeout(seconds):
            while not (message := await self.heard.get()).startswith(begins):
                continue
        return message

    def within(self, invite: str) -> None:
        """Requests from now on are of the dialog that this INVITE of the agent began."""
        self.call_id, self.tag = header(invite, "Call-ID"), ";tag=" + header(invite, "From").rpartition("tag=")[2]

    async def dial(self, *headers: str, body: str = SDP) -> str:
        """The answer to a call that was taken."""
        self.ask("INVITE", *headers, body=body)
        answer = await self.hears("SIP/2.0 200")
        self.tag = ";tag=" + header(answer, "To").rpartition("tag=")[2]
        self.ask("ACK")
        return answer


def header(message: str, name: str) -> str:
    found = re.search(rf"(?m)^{name}: (.*?)\r$", message)
    return found[1] if found else ""


@asynccontextmanager
async def phone() -> AsyncIterator[Phone]:
    transport, made = await asyncio.get_running_loop().create_datagram_endpoint(Phone, local_addr=("127.0.0.1", 0))
    yield made
    transport.close()
