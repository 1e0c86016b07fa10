"""What a terminal may do within a call, what it is refused, and the reasons it gives for not taking one."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.rooms.sip.agent import SipAgent
from gateway.settings import SipSettings
from gateway.streams.outgoing import PacketisedFrames

_spec = importlib.util.spec_from_file_location("phone_parts", Path(__file__).with_name("phone_parts.py"))
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)
SDP, Phone, Register, header = parts.SDP, parts.Phone, parts.Register, parts.header

VIDEO = "m=video 4002 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=1\r\n"


@pytest.fixture
def register() -> Register:
    return Register()


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with parts.phone() as made:
        yield made


@pytest.fixture
async def agent(register: Register, phone: Phone) -> AsyncIterator[SipAgent]:
    made = SipAgent(SipSettings(port=0), register, PacketisedFrames())
    await made.start()
    phone.call(made.port)
    yield made
    await made.close()


def session(answer: str) -> tuple[int, list[str]]:
    """Version of the answer's SDP, and its media with their directions."""
    lines = answer.split("\r\n\r\n")[1].split("\r\n")
    wanted = ("m=", "a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")
    return int(lines[1].split(" ")[2]), [line.split(" ")[0] for line in lines if line.startswith(wanted)]


async def test_a_terminal_holds_turns_its_picture_off_and_goes_on(
    agent: SipAgent, register: Register, phone: Phone
) -> None:
    first, media = session(await phone.dial(body=SDP + VIDEO))
    assert media == ["m=audio", "a=sendrecv", "m=video", "a=sendrecv"]
    (line,) = register.lines
    assert line.sends
    phone.ask("INVITE", body=SDP + VIDEO + "a=sendonly\r\n")
    version, media = session(await phone.hears("SIP/2.0 200"))
    assert (version - first, media) == (1, ["m=audio", "a=sendrecv", "m=video", "a=recvonly"])
    assert line.sends
    phone.ask("INVITE", body=SDP + "a=sendonly\r\n" + VIDEO + "a=sendonly\r\n")
    version, media = session(await phone.hears("SIP/2.0 200"))
    assert (version - first, media) == (2, ["m=audio", "a=recvonly", "m=video", "a=recvonly"])
    assert not line.sends, "who takes nothing holds, and is alive by RTCP alone"
    phone.ask("INVITE", body=SDP + "a=inactive\r\n" + VIDEO.replace("4002", "0"))
    version, media = session(await phone.hears("SIP/2.0 200"))
    assert (version - first, media) == (3, ["m=audio", "a=inactive", "m=video"])
    assert not line.sends
    phone.ask("UPDATE", body=SDP + VIDEO)
    version, media = session(await phone.hears("SIP/2.0 200"))
    assert (version - first, media) == (4, ["m=audio", "a=sendrecv", "m=video", "a=sendrecv"])
    phone.ask("UPDATE", body=SDP + VIDEO)
    assert session(await phone.hears("SIP/2.0 200"))[0] == version, "nothing has changed"
    assert line.sends
    assert agent.calls == 1


async def test_what_is_not_served_within_a_call_is_refused_and_the_call_goes_on(
    agent: SipAgent, register: Register, phone: Phone
) -> None:
    before = session(await phone.dial())
    phone.ask("INVITE", body=SDP.replace("AVP 8", "AVP 0").replace("8 PCMA", "0 PCMU"))
    assert "media_changed" in header(await phone.hears("SIP/2.0 488"), "Warning")
    phone.ask("INVITE", body="v=0\r\nnonsense")
    await phone.hears("SIP/2.0 488")
    phone.ask("REFER", "Refer-To: <sip:elsewhere@127.0.0.1>")
    assert "REFER" not in header(await phone.hears("SIP/2.0 405"), "Allow")
    phone.sequence = 0
    phone.ask("UPDATE")
    await phone.hears("SIP/2.0 500")
    phone.sequence = 9
    phone.ask("INVITE", body=SDP)
    assert session(await phone.hears("SIP/2.0 200")) == before
    assert (agent.calls, register.left) == (1, [])


@pytest.mark.parametrize(
    ("code", "reason"),
    [(603, "declined"), (403, "declined"), (486, "busy"), (480, "no_answer"), (404, "unknown_there"),
     (488, "no_common_media"), (407, "login_wanted"), (500, "refused")],
)  # fmt: skip
async def test_the_room_hears_why_a_terminal_did_not_take_the_call(
    agent: SipAgent, register: Register, phone: Phone, code: int, reason: str
) -> None:
    await agent.ring("r", "one", "", f"sip:9001@127.0.0.1:{phone.port}", 5)
    invite = await phone.hears("INVITE")
    phone.answer(invite, 180)
    phone.answer(invite, code)
    await phone.hears("ACK")
    async with asyncio.timeout(5):
        while len(register.rung) < 2:
            await asyncio.sleep(0.01)
    assert register.rung == ["ringing", reason]
    assert agent.calls == 0


async def test_a_terminal_that_was_rung_may_ask_again_and_is_told_the_same_media(agent: SipAgent, phone: Phone) -> None:
    await agent.ring("r", "one", "", f"sip:9001@127.0.0.1:{phone.port}", 5)
    invite = await phone.hears("INVITE")
    phone.answer(invite, 200, body=SDP)
    await phone.hears("ACK")
    phone.within(invite)
    phone.ask("INVITE", body=SDP)
    answer = await phone.hears("SIP/2.0 200")
    offered = invite.split("\r\n\r\n")[1].split("\r\n")[1].split(" ")[1]
    assert answer.split("\r\n\r\n")[1].split("\r\n")[1].split(" ")[1] == offered, "it is the same session"
    assert session(answer)[1] == ["m=audio", "a=sendrecv"]
