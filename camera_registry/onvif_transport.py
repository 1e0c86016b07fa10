"""How requests reach a device: bounded answers, no redirects, one time limit for each request.

onvif-zeep-async brings the service descriptions and the login; its own transport follows redirects, reads answers of
any length and allows huge XML trees. A device is not trusted so far.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from lxml import etree
from onvif.settings import DEFAULT_SETTINGS
from onvif.zeep_aiohttp import AIOHTTPTransport

from camera_registry import reasons
from camera_registry.errors import CameraRefused

REQUEST_SECONDS = 5.0
LONGEST_ANSWER = 1_000_000
_HEADERS = {"Content-Type": "application/soap+xml; charset=utf-8", "User-Agent": "gateway"}


def harden_parser() -> None:
    """zeep's settings are one object for all clients: neither huge trees nor entities from here on."""
    DEFAULT_SETTINGS.xml_huge_tree = False
    DEFAULT_SETTINGS.forbid_entities = True


def open_http() -> aiohttp.ClientSession:
    """A session for one device. Its certificate is its own and proves nothing, so it is not checked."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=False, limit=2),
        timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class BoundedTransport(AIOHTTPTransport):  # type: ignore[misc]  # the library has no types
    """zeep's transport within our bounds; counts requests. An answer's clock and status are zeep's to judge."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        super().__init__(session=session, verify_ssl=False)
        self.requests = 0

    async def _post_internal(
        self, address: str, message: str | bytes, headers: dict[str, str]
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        return await self.exchange(address, message.encode() if isinstance(message, str) else message)

    async def exchange(self, address: str, data: bytes) -> tuple[aiohttp.ClientResponse, bytes]:
        """One request past zeep, within the same bounds."""
        self.requests += 1
        return await post(self.session, address, data)


async def post(session: aiohttp.ClientSession, address: str, data: bytes) -> tuple[aiohttp.ClientResponse, bytes]:
    """One SOAP request. Raises ``CameraRefused`` for whatever keeps the device from answering."""
    try:
        async with session.post(address, data=data, headers=_HEADERS, allow_redirects=False) as response:
            content = await response.content.read(LONGEST_ANSWER + 1)
            while len(content) <= LONGEST_ANSWER and (more := await response.content.read(LONGEST_ANSWER)):
                content += more
    except TimeoutError as error:
        raise CameraRefused(reasons.TIMEOUT) from error
    except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError, OSError) as error:
        raise CameraRefused(reasons.UNREACHABLE, detail=type(error).__name__) from error
    except (aiohttp.ClientError, ValueError) as error:
        raise CameraRefused(reasons.NOT_ONVIF, detail=type(error).__name__) from error
    if len(content) > LONGEST_ANSWER:
        raise CameraRefused(reasons.ANSWER_INVALID, detail="too long")
    if 300 <= response.status < 400 or response.status == 404:
        raise CameraRefused(reasons.NOT_ONVIF, detail=f"HTTP {response.status}")
    return response, content


def as_bytes(envelope: Any) -> bytes:
    return bytes(etree.tostring(envelope, xml_declaration=True, encoding="utf-8"))


def parsed(content: bytes) -> Any:
    """An answer as a tree, with no entity resolved and libxml2's own limits on."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True)
    try:
        tree = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise CameraRefused(reasons.ANSWER_INVALID) from error
    if tree.getroottree().docinfo.internalDTD is not None:
        raise CameraRefused(reasons.ANSWER_INVALID, detail="DTD")  # SOAP 1.2, part 1, 5: a message holds none
    return tree
