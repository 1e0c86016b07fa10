"""HTTP digest as the second login: taken where a device asks for it, and never a third time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from camera_registry import digest
from camera_registry.errors import CameraRefused
from camera_registry.login import Login, LoginBackoff
from camera_registry.onvif_transport import parsed, without_token
from camera_registry.registration import Registrar

if TYPE_CHECKING:
    from tests.camera_registry.conftest import SoapPeer

WRONG = Login("viewer", "guessed-in-vain")
QUESTIONS = ("tds:GetDeviceInformation", "tds:GetServices", "tr2:GetProfiles", "tr2:GetStreamUri")


class DigestOnly:
    """Knows no WS-UsernameToken. A nonce is good for ``uses`` requests."""

    def __init__(self, peer: SoapPeer, login: Login, uses: int = 100) -> None:
        self._peer = peer
        self._login = login
        self._uses = uses
        self._nonce = 0
        self._used = 0
        self.refused = 0
        for operation in QUESTIONS:
            peer.replaced[operation] = self._answer

    def _answer(self, request: web.Request) -> web.StreamResponse | str:
        challenge = digest.Challenge("camera", f"nonce{self._nonce}", "MD5", None, True)
        sent = request.headers.get("Authorization", "")
        cnonce = sent.partition('cnonce="')[2].partition('"')[0]
        count = int(sent.partition("nc=")[2][:8] or "0", 16)
        if sent == digest.answer(challenge, self._login, "POST", request.path, cnonce, count) and count:
            if self._used < self._uses:
                self._used += 1
                return self._peer.usual(self._peer.asked[-1][0])
            self._nonce, self._used = self._nonce + 1, 0
            return self._challenge(', stale="true"')
        self.refused += 1
        return self._challenge("")

    def _challenge(self, more: str) -> web.Response:
        offered = f'Digest realm="camera", nonce="nonce{self._nonce}", qop="auth", algorithm=MD5{more}'
        return web.Response(status=401, headers={"WWW-Authenticate": offered})


async def reason_of(registrar: Registrar, peer: SoapPeer, login: Login) -> str:
    with pytest.raises(CameraRefused) as refused:
        await registrar.over_onvif(peer.address, login)
    return refused.value.reason


@pytest.mark.parametrize("uses", [100, 1])
async def test_a_device_that_knows_digest_alone_is_climbed_to_its_top(
    registrar: Registrar, backoff: LoginBackoff, soap_peer: SoapPeer, login: Login, uses: int
) -> None:
    device = DigestOnly(soap_peer, login, uses)
    assert await reason_of(registrar, soap_peer, login) == "stream_unreachable"
    assert device.refused == 1, "the token, once"
    assert {how for operation, how in soap_peer.asked[2:] if operation in QUESTIONS} == {"digest"}
    assert await reason_of(registrar, soap_peer, login) == "stream_unreachable", "nothing was held against it"


async def test_a_wrong_password_goes_out_once_as_token_and_once_as_digest(
    registrar: Registrar, soap_peer: SoapPeer, login: Login
) -> None:
    device = DigestOnly(soap_peer, login)
    assert [await reason_of(registrar, soap_peer, WRONG) for _ in range(3)] == [
        "auth_failed",
        "login_back_off",
        "login_back_off",
    ]
    assert device.refused == 2


async def test_no_question_without_a_login_is_answered_with_one(
    registrar: Registrar, soap_peer: SoapPeer, login: Login
) -> None:
    DigestOnly(soap_peer, login)
    soap_peer.replaced["tds:GetSystemDateAndTime"] = lambda _: web.Response(
        status=401, headers={"WWW-Authenticate": 'Digest realm="camera", nonce="n"'}
    )
    await reason_of(registrar, soap_peer, login)
    assert [how for operation, how in soap_peer.asked if operation == "tds:GetSystemDateAndTime"] == ["none"]


def test_a_request_without_a_token_is_told_by_none() -> None:
    assert without_token(b"<a/>") is None


@pytest.mark.parametrize("content", [b"", b"<a>", b"<!DOCTYPE a><a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_what_is_no_plain_xml_is_refused(content: bytes) -> None:
    with pytest.raises(CameraRefused, match="answer_invalid"):
        parsed(content)
