"""WS-UsernameToken with a digest of the password (WSS UsernameToken Profile 1.1, 3.1), stamped by a clock of choice.

The clock is the camera's own: many refuse a token stamped minutes beside it. The password itself is never in it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from camera_registry.login import Login

_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = f"{_WSS}wssecurity-secext-1.0.xsd"
WSU = f"{_WSS}wssecurity-utility-1.0.xsd"
_DIGEST = f"{_WSS}username-token-profile-1.0#PasswordDigest"
_BASE64 = f"{_WSS}soap-message-security-1.0#Base64Binary"
_NONCE_BYTES = 16


class UsernameToken:
    """``clock`` answers aware times."""

    def __init__(self, login: Login, clock: Callable[[], datetime]) -> None:
        self._login = login
        self._clock = clock

    def sign(self, header: Any) -> None:
        """Put a token of now into a SOAP header."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        created = f"{self._clock().astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"  # some cameras take only "…Z"
        hashed = hashlib.sha1(nonce + created.encode() + self._login.password.encode(), usedforsecurity=False)
        security = etree.SubElement(header, f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU})
        token = etree.SubElement(security, f"{{{WSSE}}}UsernameToken")
        etree.SubElement(token, f"{{{WSSE}}}Username").text = self._login.username
        password = etree.SubElement(token, f"{{{WSSE}}}Password", Type=_DIGEST)
        password.text = base64.b64encode(hashed.digest()).decode()
        etree.SubElement(token, f"{{{WSSE}}}Nonce", EncodingType=_BASE64).text = base64.b64encode(nonce).decode()
        etree.SubElement(token, f"{{{WSU}}}Created").text = created
