"""What comes over SIP is hostile until it is checked: it costs bounded time and changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time

import pytest
from sipmessage import AuthCredentials, AuthParameters, Request

from gateway.refusals import Refusal
from gateway.rooms.sip import sdp
from gateway.rooms.sip.digest import Digest, secret
from gateway.rooms.sip.wire import MOST_BYTES, BadMessage, parsed, read_stream

RIGHT = "Correct-Horse-7"
INVITE = (
    b"INVITE sip:100200@127.0.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKabc;rport\r\n"
    b"From: <sip:9001@127.0.0.1>;tag=1\r\nTo: <sip:100200@127.0.0.1>\r\nCall-ID: a@b\r\nCSeq: 1 INVITE\r\n"
    b"Contact: <sip:9001@127.0.0.1:5070>\r\nContent-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0"
)
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
    b"m=video 4002 RTP/AVP 97 98\r\na=rtpmap:97 H264/90000\r\na=fmtp:97 packetization-mode=0\r\n"
    b"a=rtpmap:98 H264/90000\r\na=fmtp:98 profile-level-id=42e01f; packetization-mode=1\r\na=sendonly\r\n"
    b"m=application 0 UDP/BFCP *\r\n"
)


def test_a_request_is_read_and_broken_ones_are_refused_whatever_breaks_them() -> None:
    message = parsed(INVITE)
    assert isinstance(message, Request)
    assert (message.uri.user, message.body) == ("100200", b"v=0")
    chance = random.Random(7)
    begun = time.monotonic()
    for _ in range(3000):
        data = bytearray(INVITE)
        for _ in range(chance.randrange(1, 8)):
            at = chance.randrange(len(data))
            if chance.random() < 0.3:
                del data[at : at + chance.randrange(1, 40)]
            else:
                data[at : at + 1] = bytes([chance.randrange(256)]) * chance.choice((1, 1, 2, 60))
            if not data:
                break
        try:
            parsed(bytes(data))
        except BadMessage:
            continue
    assert time.monotonic() - begun < 30
    for nonsense in (
        b"",
        b"\r\n\r\n",
        b"\0" * 500,
        INVITE[:-60],
        b"A" * (MOST_BYTES + 1),
        INVITE.replace(b"1 INVITE", b"1 BYE"),
    ):
        with pytest.raises(BadMessage):
            parsed(nonsense)


def test_a_name_in_another_encoding_is_no_reason_to_hang_up() -> None:
    message = parsed(INVITE.replace(b"From: <", b'From: "' + "东镇".encode("gbk") + b'" <'))
    assert message.from_address.uri.user == "9001"


async def test_a_stream_is_framed_by_its_length_and_bounded() -> None:
    reader = asyncio.StreamReader(limit=MOST_BYTES)
    reader.feed_data(b"\r\n\r\n" + INVITE + INVITE[:50])
    reader.feed_eof()
    assert await read_stream(reader) == b""
    assert await read_stream(reader) == INVITE
    with pytest.raises(asyncio.IncompleteReadError):
        await read_stream(reader)
    for bad in (INVITE.replace(b"Length: 3", b"Length: 999999"), INVITE.replace(b"Content-Length: 3\r\n", b"")):
        reader = asyncio.StreamReader(limit=MOST_BYTES)
        reader.feed_data(bad)
        with pytest.raises(BadMessage):
            await read_stream(reader)


def test_an_offer_is_answered_in_its_order_with_what_is_served() -> None:
    offer = sdp.read_offer(OFFER)
    assert offer.video is not None
    assert offer.sound is not None
    assert (offer.video.payload_type, offer.video.direction, offer.video.port) == (98, "sendonly", 4002)
    assert (offer.sound.codec, offer.sound.host) == ("pcm_mulaw", "10.0.0.2")
    answer = sdp.answer(offer, "10.0.0.1", {"video": 30002, "audio": 30000}, 7).decode()
    media = [line for line in answer.splitlines() if line.startswith("m=")]
    assert media == ["m=audio 30000 RTP/AVP 0", "m=video 30002 RTP/AVP 98", "m=application 0 UDP/BFCP *"]
    assert "a=recvonly" in answer
    for bad in (b"", b"v=0", b"\xff" * 100, b"v=0\n" + b"m=video 1 RTP/AVP 1\n" * 20, OFFER * 40):
        with pytest.raises(Refusal, match="sdp_malformed"):
            sdp.read_offer(bad)
    with pytest.raises(Refusal, match="codecs_not_offered"):
        sdp.read_offer(OFFER.replace(b"H264", b"VP8").replace(b"PCMA", b"opus").replace(b" 0 8 ", b" "))


def test_a_digest_is_taken_once_and_not_for_ever() -> None:
    digest, ha1 = Digest(), secret("9001", RIGHT)
    challenge = digest.challenge(1000.0).parameters

    def answered(nonce: str, password: str, count: str) -> AuthCredentials:
        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        known = secret("9001", password)
        response = md5(f"{known}:{nonce}:{count}:c:auth:{md5('INVITE:sip:1@h')}")
        fields = {"username": "9001", "realm": challenge["realm"], "nonce": nonce, "uri": "sip:1@h"}
        return AuthCredentials("Digest", AuthParameters(**fields, response=response, qop="auth", nc=count, cnonce="c"))

    good = answered(challenge["nonce"], RIGHT, "00000001")
    assert digest.holds(good, "INVITE", ha1, 1001.0)
    assert not digest.holds(good, "INVITE", ha1, 1002.0), "sent again by somebody who listened"
    assert not digest.holds(answered(challenge["nonce"], RIGHT, "00000002"), "INVITE", ha1, 1100.0)
    assert not digest.holds(answered(challenge["nonce"], "guessed", "00000003"), "INVITE", ha1, 1001.0)
    assert not digest.holds(answered("3e8.1234.made-up", RIGHT, "00000001"), "INVITE", ha1, 1001.0)
    assert not digest.holds(None, "INVITE", ha1, 1001.0)
