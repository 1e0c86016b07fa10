"""SIP messages on the wire: bounded, cleaned and parsed; what comes from outside is hostile until it passed here."""

from __future__ import annotations

import asyncio
import re

from sipmessage import Message, Request, Response

MOST_BYTES = 16 * 1024
MOST_HEADERS = 100
_FOLD = re.compile(rb"\r\n[ \t]+")
_NEEDED = ("Via", "From", "To", "Call-ID", "CSeq")


class BadMessage(ValueError):
    """No SIP message, or one that cannot be answered."""


def parsed(data: bytes) -> Request | Response:
    """A message whose headers can all be read. Raises ``BadMessage``."""
    if len(data) > MOST_BYTES:
        raise BadMessage("too large")
    head, separator, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not separator or head.count(b"\r\n") > MOST_HEADERS:
        raise BadMessage("no head")
    head = _FOLD.sub(b" ", head)
    head = head.decode("utf-8", "replace").encode()  # terminals send names in GBK; sipmessage wants UTF-8
    try:
        message = Message.parse(head + b"\r\n\r\n" + body)
        for name in _NEEDED:
            if name not in message.headers.keys():  # noqa: SIM118  # not a mapping
                raise BadMessage(f"no {name}")
        if not message.via or not message.call_id or len(message.call_id) > 256:
            raise BadMessage("no way back")
        cseq = message.cseq
        if not 0 <= cseq.sequence < 1 << 31:
            raise BadMessage("sequence")
        _ = message.from_address, message.to_address, message.contact
        length = message.content_length
    except BadMessage:
        raise
    except (ValueError, KeyError, IndexError, AssertionError, TypeError, AttributeError, RecursionError) as error:
        raise BadMessage(str(error)[:100]) from error
    if length is not None:
        if length < 0 or length > len(body):
            raise BadMessage("length")
        message.body = body[:length]
    if isinstance(message, Request) and message.method != cseq.method:
        raise BadMessage("method")
    return message


async def read_stream(reader: asyncio.StreamReader) -> bytes:
    """The next message of a TCP connection, framed by its Content-Length (RFC 3261, 18.3); b"" for a keep-alive.

    Raises ``BadMessage`` and ``asyncio.IncompleteReadError``.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise BadMessage("too large") from error
    if not head.strip():
        return b""
    found = re.search(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d{1,6})[ \t]*\r$", head)
    if found is None:
        raise BadMessage("no length")
    size = int(found[1])
    if len(head) + size > MOST_BYTES:
        raise BadMessage("too large")
    return head + await reader.readexactly(size)


def readable(text: str, most: int = 64) -> str:
    """A name as it may be shown: printable, one line, not too long."""
    return "".join(character for character in text if character.isprintable()).strip()[:most]
