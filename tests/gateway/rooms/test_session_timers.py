"""Session timers (RFC 4028) between the user agent and a phone that says exactly what a test wants it to say."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.rooms.sip.agent import SipAgent
from gateway.rooms.sip.session_timer import LEAST, Bounds
from gateway.settings import SipSettings
from gateway.streams.outgoing import PacketisedFrames

_spec = importlib.util.spec_from_file_location("phone_parts", Path(__file__).with_name("phone_parts.py"))
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)
SDP, Phone, Register, header = parts.SDP, parts.Phone, parts.Register, parts.header


@pytest.fixture
def register() -> Register:
    return Register()


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with parts.phone() as made:
        yield made


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
    assert (agent.calls, len(register.lines)) == (0, 0)
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
