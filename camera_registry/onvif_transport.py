"""How requests reach a device: bounded answers, no redirects, one time limit for each request, digest as second login.

A device is not trusted: it cannot lead elsewhere, send without end, or make a small answer a large one. Where it
refuses the token and asks for HTTP digest, as newer ones do, that is tried once; what it takes is kept for the session.
"""

from __future__ import annotations

import re
import secrets
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
from lxml import etree

from camera_registry import digest, reasons
from camera_registry.errors import CameraRefused
from camera_registry.login import Login
from camera_registry.username_token import WSSE

REQUEST_SECONDS = 5.0
CONNECT_SECONDS = 3.0
LONGEST_ANSWER = 1_000_000
_HEADERS = {
    "Content-Type": "application/soap+xml; charset=utf-8",
    "User-Agent": "gateway",
    # Nothing to unpack: a small answer cannot become a large one.
    "Accept-Encoding": "identity",
}
_SECURITY = f"{{{WSSE}}}Security"
_LOCKED = re.compile(rb"\blocked\b|\block-?out\b|lockstatus>\s*lock\b", re.IGNORECASE)
"""No standard says how a device tells of a lock; these are words seen in faults and in bodies of HTTP 401."""


LoginForm = Literal["either", "token", "digest"]
"""How a login is given: WS-UsernameToken first and HTTP digest where that is refused, or one of them alone."""


def open_http(seconds: float = REQUEST_SECONDS) -> aiohttp.ClientSession:
    """A session for one device, with so many seconds for each request.

    Its certificate is its own and proves nothing, so it is not checked.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=False, limit=2),
        timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


class BoundedTransport:
    """Questions to one device within our bounds, with its login.

    ``requests`` counts all; ``wrong_logins`` those that the device refused although a login was in them; ``locked`` is
    set where it says that the account is locked.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        login: Login,
        wrong_logins_left: int,
        form: LoginForm = "either",
        clear_login: bool = False,
    ) -> None:
        self._session = session
        self._login = login
        self._left = wrong_logins_left
        self._form = form
        self._clear_login = clear_login
        self._challenge: digest.Challenge | None = None
        self._count = 0
        self.requests = 0
        self.last_status = 0
        self.wrong_logins = 0
        self.locked = False
        self.digest_refused = False
        self.basic_only = False
        """Whether the device refused the token and offers nothing but HTTP Basic."""

    async def exchange(self, address: str, data: bytes) -> tuple[aiohttp.ClientResponse, bytes]:
        """One request within the bounds, once more with digest where the device asks for it."""
        bare = without_token(data)
        if bare is None:  # a question that needs no login is never asked with one
            return await self._post(address, data)
        known = self._challenge
        if known is None and self._form == "digest":
            # Asked without any login first: that is no wrong one, and the answer brings the challenge.
            response, content = await self._post(address, bare)
            if response.status != 401 or (known := _offered(response)) is None:
                return response, content
            self._challenge, self._count = known, 0
        if self.basic_only and self._clear_login:
            return await self._post(address, bare, {"Authorization": self._readable()})
        response, content = await self._post(address, data) if known is None else await self._digest(address, bare)
        if response.status == 401 and known is None and digest.schemes(_challenges(response)) == {"basic"}:
            self.basic_only = True
            return await self.exchange(address, data) if self._clear_login else (response, content)
        if response.status != 401:
            return response, content
        if known is None:
            if self._form == "token" or _offered(response) is None or self.wrong_logins + 1 >= self._left:
                return response, content
            self.wrong_logins += 1
            self._challenge, self._count = _offered(response), 0
            response, content = await self._digest(address, bare)
        if response.status == 401 and (fresh := _offered(response)) is not None and fresh.stale:
            # The nonce had grown old, says the device: the login was not judged.
            self._challenge, self._count = fresh, 0
            response, content = await self._digest(address, bare)
        if response.status == 401:
            self._challenge, self.digest_refused = None, True
        elif known is None:
            self.wrong_logins -= 1  # it was the kind of login that was refused, not the password
        return response, content

    def _readable(self) -> str:
        return aiohttp.encode_basic_auth(self._login.username, self._login.password)

    async def _digest(self, address: str, data: bytes) -> tuple[aiohttp.ClientResponse, bytes]:
        if self._challenge is None:
            raise RuntimeError("no challenge to answer")
        self._count += 1
        parts = urlsplit(address)
        uri = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        answer = digest.answer(self._challenge, self._login, "POST", uri, secrets.token_hex(8), self._count)
        return await self._post(address, data, {"Authorization": answer})

    async def _post(
        self, address: str, data: bytes, headers: dict[str, str] | None = None
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        self.requests += 1
        response, content = await post(self._session, address, data, headers)
        self.last_status = response.status
        self.locked = self.locked or (response.status >= 400 and _LOCKED.search(content) is not None)
        return response, content


def _offered(response: aiohttp.ClientResponse) -> digest.Challenge | None:
    return digest.best(_challenges(response))


def _challenges(response: aiohttp.ClientResponse) -> list[str]:
    return response.headers.getall("WWW-Authenticate", [])


async def post(
    session: aiohttp.ClientSession, address: str, data: bytes, headers: dict[str, str] | None = None
) -> tuple[aiohttp.ClientResponse, bytes]:
    """One SOAP request. Raises ``CameraRefused`` for whatever keeps the device from answering.

    Many devices end a connection after an answer without saying so: a question that finds it closed, before any word
    came back, is asked once more on a new one.
    """
    try:
        try:
            response, content = await _posted(session, address, data, headers)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            response, content = await _posted(session, address, data, headers)
    except aiohttp.ConnectionTimeoutError as error:
        raise CameraRefused(reasons.UNREACHABLE, detail="no connection in time") from error
    except TimeoutError as error:
        raise CameraRefused(reasons.TIMEOUT) from error
    except aiohttp.ClientSSLError as error:
        raise CameraRefused(reasons.TLS_ERROR, detail=type(error).__name__) from error
    except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError, OSError) as error:
        raise CameraRefused(reasons.UNREACHABLE, detail=type(error).__name__) from error
    except (aiohttp.ClientError, ValueError) as error:
        raise CameraRefused(reasons.NOT_ONVIF, detail=type(error).__name__) from error
    if len(content) > LONGEST_ANSWER:
        raise CameraRefused(reasons.ANSWER_INVALID, detail="too long")
    if 300 <= response.status < 400 and response.headers.get("Location", "").lower().startswith("https:"):
        raise CameraRefused(reasons.HTTPS_NEEDED, field="onvif_address")
    if 300 <= response.status < 400 or response.status == 404:
        raise CameraRefused(reasons.NOT_ONVIF, detail=f"HTTP {response.status}")
    return response, content


async def _posted(
    session: aiohttp.ClientSession, address: str, data: bytes, headers: dict[str, str] | None
) -> tuple[aiohttp.ClientResponse, bytes]:
    async with session.post(
        address, data=data, headers={**_HEADERS, **(headers or {})}, allow_redirects=False
    ) as response:
        content = await response.content.read(LONGEST_ANSWER + 1)
        while len(content) <= LONGEST_ANSWER and (more := await response.content.read(LONGEST_ANSWER)):
            content += more
        return response, content


def without_token(data: bytes) -> bytes | None:
    """One of our own requests without its WS-UsernameToken; None where it has none."""
    envelope = etree.fromstring(data, _parser())
    tokens = list(envelope.iter(_SECURITY))
    for token in tokens:
        token.getparent().remove(token)
    return as_bytes(envelope) if tokens else None


def as_bytes(envelope: Any) -> bytes:
    return bytes(etree.tostring(envelope, xml_declaration=True, encoding="utf-8"))


def parsed(content: bytes) -> Any:
    """An answer as a tree, with no entity resolved and libxml2's own limits on. Raises ``answer_invalid``, and
    ``not_onvif`` for a page."""
    if content[:200].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise CameraRefused(reasons.NOT_ONVIF, detail="a page")
    try:
        tree = etree.fromstring(content, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise CameraRefused(reasons.ANSWER_INVALID) from error
    if tree.getroottree().docinfo.internalDTD is not None:
        raise CameraRefused(reasons.ANSWER_INVALID, detail="DTD")  # SOAP 1.2, part 1, 5: a message holds none
    return tree


def _parser() -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True)
