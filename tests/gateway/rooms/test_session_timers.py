"""Session timers (RFC 4028) between the user agent and a phone that says exactly what a test wants it to say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from gateway.refusals import Refusal
from gateway.rooms.conference_network import Arrival, TerminalLine
from gateway.rooms.sip.agent import SipAgent
from gateway.rooms.sip.session_timer import LEAST, Bounds
from gateway.settings import SipSettings
from gateway.streams.outgoing import PacketisedFrames

NUMBER = "100200"
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


@dataclass
class Register:
    """``Reception`` of one room, which keeps no media."""

    seated: int = 0
    left: list[str] = field(default_factory=list)
    rung: list[str] = field(default_factory=list)

    async def arrives(self, number: str, name: str, address: str, *, known: bool) -> Arrival:
        if number != NUMBER:
            raise Refusal("not_found", "room_unknown", "没有这个会议室", "no such room")
        return Arrival("r", "one")

    async def seat(self, arrival: Arrival, line: TerminalLine) -> None:
        self.seated += 1

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
        self._sequence = 0
        self.tag = ""

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
        self._sequence += method != "ACK"
        lines = [
            f"{method} sip:{NUMBER}@127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{method}{self._sequence};rport",
            "From: <sip:9001@127.0.0.1>;tag=phone", f"To: <sip:{NUMBER}@127.0.0.1>{self.tag}", "Call-ID: one@phone",
            f"CSeq: {self._sequence} {method}", f"Contact: <sip:9001@127.0.0.1:{self.port}>", *headers,
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

    async def dial(self, *headers: str) -> str:
        """The answer to a call that was taken."""
        self.ask("INVITE", *headers, body=SDP)
        answer = await self.hears("SIP/2.0 200")
        self.tag = ";tag=" + header(answer, "To").rpartition("tag=")[2]
        self.ask("ACK")
        return answer


def header(message: str, name: str) -> str:
    found = re.search(rf"(?m)^{name}: (.*?)\r$", message)
    return found[1] if found else ""


@pytest.fixture
def register() -> Register:
    return Register()


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    transport, made = await asyncio.get_running_loop().create_datagram_endpoint(Phone, local_addr=("127.0.0.1", 0))
    yield made
    transport.close()


async def agent_of(register: Register, phone: Phone, session: Bounds) -> SipAgent:
    agent = SipAgent(SipSettings(port=0), register, PacketisedFrames(), session=session)
    await agent.start()
    phone.call(agent.port)
    return agent


@pytest.fixture
async def agent(register: Register, phone: Phone) -> AsyncIterator[SipAgent]:
    """Its timers are too short for a network, and long enough for a test."""
    made = await agent_of(register, phone, Bounds(usual=3, least=1))
    yield made
    await made.close()


async def test_the_refresher_is_agreed_upon_and_too_short_a_session_refused_with_the_least(
    register: Register, phone: Phone
) -> None:
    agent = await agent_of(register, phone, Bounds())
    phone.ask("INVITE", "Supported: timer", "Session-Expires: 30", body=SDP)
    assert header(await phone.hears("SIP/2.0 422"), "Min-SE") == str(LEAST)
    phone.ask("ACK")
    assert (agent.calls, register.seated) == (0, 0)
    answer = await phone.dial("Supported: timer", "Session-Expires: 600")
    assert (header(answer, "Session-Expires"), header(answer, "Require")) == ("600;refresher=uac", "timer")
    phone.ask("UPDATE", "Supported: timer", "x: 400;refresher=uas")
    answer = await phone.hears("SIP/2.0 200")
    assert (header(answer, "Session-Expires"), header(answer, "Require")) == ("400;refresher=uas", "")
    phone.ask("UPDATE", "Supported: timer", "Session-Expires: 5")
    assert header(await phone.hears("SIP/2.0 422"), "Min-SE") == str(LEAST)
    assert agent.calls == 1
    await agent.close()


async def test_who_knows_no_timers_gets_none_and_nonsense_is_as_good_as_nothing(agent: SipAgent, phone: Phone) -> None:
    answer = await phone.dial("Session-Expires: 1;refresher=nobody", "Min-SE: -1")
    assert header(answer, "Session-Expires") == ""
    await asyncio.sleep(2.2)
    assert agent.calls == 1


async def test_a_call_whose_terminal_does_not_refresh_is_hung_up_and_the_room_told(
    agent: SipAgent, register: Register, phone: Phone
) -> None:
    await phone.dial("Supported: timer", "Session-Expires: 3;refresher=uac", "Allow: INVITE, UPDATE")
    await asyncio.sleep(1.2)
    phone.ask("UPDATE", "Supported: timer", "Session-Expires: 3;refresher=uac")
    await phone.hears("SIP/2.0 200")
    await asyncio.sleep(1.2)
    assert register.left == [], "a refresh begins the interval anew"
    await phone.hears("BYE")
    assert register.left == ["session_expired"]
    assert agent.calls == 0


async def test_we_refresh_by_update_and_end_a_call_that_the_terminal_no_longer_knows(
    agent: SipAgent, register: Register, phone: Phone
) -> None:
    await phone.dial("Supported: timer", "Session-Expires: 2;refresher=uas", "Allow: INVITE, UPDATE")
    refresh = await phone.hears("UPDATE")
    assert header(refresh, "Session-Expires") == "2;refresher=uac"
    phone.answer(refresh, 422, "Min-SE: 3")
    refresh = await phone.hears("UPDATE")
    assert (header(refresh, "Session-Expires"), header(refresh, "CSeq")) == ("3;refresher=uac", "2 UPDATE")
    phone.answer(refresh, 200, "Session-Expires: 3;refresher=uac", "Require: timer")
    phone.answer(await phone.hears("UPDATE"), 481)
    await phone.hears("BYE")
    assert register.left == ["session_expired"]


async def test_we_refresh_by_invite_where_there_is_no_update_and_a_terminal_that_is_silent_is_let_go(
    agent: SipAgent, register: Register, phone: Phone
) -> None:
    answer = await phone.dial("Supported: timer", "Session-Expires: 2;refresher=uas", "Allow: INVITE, BYE")
    refresh = await phone.hears("INVITE")
    assert refresh.split("\r\n\r\n")[1] == answer.split("\r\n\r\n")[1], "the media stay as they were"
    phone.answer(refresh, 200, "Session-Expires: 2;refresher=uac", body=SDP)
    assert header(await phone.hears("ACK"), "CSeq") == header(refresh, "CSeq").replace("INVITE", "ACK")
    await phone.hears("INVITE")
    await phone.hears("BYE")
    assert register.left == ["session_expired"]


async def test_a_terminal_that_is_rung_may_ask_for_a_longer_session(agent: SipAgent, phone: Phone) -> None:
    await agent.ring("r", "one", "", f"sip:9001@127.0.0.1:{phone.port}", 5)
    invite = await phone.hears("INVITE")
    assert (header(invite, "Supported"), header(invite, "Session-Expires")) == ("timer", "3")
    phone.answer(invite, 422, "Min-SE: 4000")
    await phone.hears("ACK")
    invite = await phone.hears("INVITE")
    assert (header(invite, "Session-Expires"), header(invite, "Min-SE")) == ("4000", "4000")
    assert header(invite, "CSeq") == "2 INVITE"
    phone.answer(invite, 200, "Session-Expires: 2;refresher=uac", "Allow: UPDATE", body=SDP)
    assert header(await phone.hears("ACK"), "CSeq") == "2 ACK"
    phone.answer(await phone.hears("UPDATE"), 200)
    assert agent.calls == 1
