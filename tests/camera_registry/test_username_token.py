"""The login that most cameras take: worked out as the profile says, in the time it is given, never the password."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta, timezone

from lxml import etree

from camera_registry.login import Login
from camera_registry.username_token import WSSE, WSU, UsernameToken

SPACES = {"e": WSSE, "u": WSU}


def signed(at: datetime) -> etree._Element:
    header = etree.Element("Header")
    UsernameToken(Login("viewer", "开门"), lambda: at).sign(header)
    return header


def test_the_digest_is_of_nonce_time_and_password() -> None:
    header = signed(datetime(2030, 1, 7, 17, tzinfo=timezone(timedelta(hours=8))))
    path = "e:Security/e:UsernameToken/"
    nonce = base64.b64decode(header.findtext(f"{path}e:Nonce", "", SPACES))
    created = header.findtext(f"{path}u:Created", "", SPACES)
    expected = hashlib.sha1(nonce + created.encode() + "开门".encode(), usedforsecurity=False).digest()
    assert header.findtext(f"{path}e:Password", "", SPACES) == base64.b64encode(expected).decode()
    assert created == "2030-01-07T09:00:00Z"
    assert "开门" not in etree.tostring(header, encoding="unicode")


def test_no_two_are_alike() -> None:
    now = datetime.now(UTC)
    assert etree.tostring(signed(now)) != etree.tostring(signed(now))
