"""RTSP/1.0 on the wire (RFC 2326): requests are read within bounds, whatever bytes come; answers are written.

Between requests a reader may send interleaved RTCP (RFC 2326, 10.12): it is read and let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

MOST_HEAD = 8 * 1024
MOST_BODY = 8 * 1024
MOST_HEADERS = 64
LONGEST_URI = 2048

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    503: "Service Unavailable",
    505: "RTSP Version Not Supported",
    551: "Option not supported",
}

_END = b"\r\n\r\n"


class BadRequest(Exception):
    """The bytes are no request that can be answered otherwise than with ``status``; the connection ends."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """Header names in lower case; of a header that came twice the last is kept. Holds credentials: never log it."""

    method: str
    uri: str
    headers: dict[str, str] = field(repr=False)

    @property
    def sequence(self) -> str:
        return self.headers.get("cseq", "")


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request; None at the end of the connection. ``reader``'s limit bounds the head (``MOST_HEAD``)."""
    try:
        while (first := await reader.readexactly(1)) in b"$\r\n":
            if first == b"$":
                _channel, *size = await reader.readexactly(3)
                await reader.readexactly(int.from_bytes(size, "big"))
        head = first + await reader.readuntil(_END)
        request = parse_request(head)
        await reader.readexactly(_body_size(request))
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest(413) from None
    return request


def parse_request(head: bytes) -> Request:
    """A request from its head. Pure."""
    if len(head) > MOST_HEAD:
        raise BadRequest(413)
    try:
        line, *rest = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
    except UnicodeDecodeError:
        raise BadRequest(400) from None
    match line.split(" "):
        case [method, uri, "RTSP/1.0"] if method and uri.isprintable() and len(uri) <= LONGEST_URI:
            pass
        case [_, _, version] if version.startswith("RTSP/") and version != "RTSP/1.0":
            raise BadRequest(505)
        case _:
            raise BadRequest(400)
    if len(rest) > MOST_HEADERS:
        raise BadRequest(413)
    headers = {}
    for text in rest:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not text.replace("\t", " ").isprintable():
            raise BadRequest(400)
        headers[name.strip().lower()] = value.strip()
    if not headers.get("cseq", "").isdecimal() or len(headers["cseq"]) > 10:
        raise BadRequest(400)
    return Request(method, uri, headers)


def _body_size(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    if not text.isdecimal():
        raise BadRequest(400)
    if len(text) > 9 or int(text) > MOST_BODY:
        raise BadRequest(413)
    return int(text)


def answer(
    status: int, sequence: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", content_type: str = ""
) -> bytes:
    lines = [f"RTSP/1.0 {status} {REASONS[status]}"]
    if sequence:
        lines.append(f"CSeq: {sequence}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
