"""RTSP/1.0 as a camera speaks it (RFC 2326): requests are written, and what comes back is taken apart, within bounds.

Answers and packets come on one connection (10.12), in any order, and cameras are careless: header names in any case,
lines that end in LF alone, an answer that names no request, bytes of a packet that was cut. Whatever comes, nothing is
raised but ``BadAnswer``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

MOST_HEAD = 16 * 1024
MOST_BODY = 64 * 1024
MOST_HEADERS = 128
MOST_JUNK = 256 * 1024
"""Bytes that are neither answer nor packet, before a connection is given up that had been good."""
PACKET = 0x24
VERSION = 2
"""Of RTP and RTCP, in the first two bits of each packet."""
_STATUS_LINE = re.compile(rb"RTSP/\d\.\d +(\d{3})(?: |\r|$)")
_RTSP = b"RTSP/"

Packet = Callable[[int, memoryview, int, int], bool]


class BadAnswer(Exception):
    """What came is no RTSP, or more than any camera has to say."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names in lower case; of one that came twice the last is kept. ``challenges``: every WWW-Authenticate."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    challenges: tuple[str, ...] = ()
    body: bytes = b""

    @property
    def sequence(self) -> int | None:
        text = self.headers.get("cseq", "")
        return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else None


def request(method: str, url: str, sequence: int, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """``url`` and headers are printable ASCII."""
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {sequence}", "User-Agent: gateway"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("ascii", "replace")


class Wire:
    """Takes apart what came. ``packet(channel, data, begin, end)`` hears of each packet and where it lies, and tells
    whether it makes sense; ``answer`` hears of each answer. Both are called in the order of what came."""

    def __init__(self, packet: Packet, answer: Callable[[Answer], None]) -> None:
        self.packet = packet
        self._answer = answer
        self._junk = 0
        self._greeted = False

    def take(self, data: memoryview, end: int) -> int:
        """How much of the first ``end`` bytes was taken; what is left is the beginning of something. Raises
        ``BadAnswer``."""
        at = 0
        packet = self.packet
        while at < end:
            first = data[at]
            if first == PACKET:
                if end - at < 5:
                    break
                if self._junk and data[at + 4] >> 6 != VERSION:
                    at += self._skip(bytes(data[at:end]))
                    continue
                size = data[at + 2] << 8 | data[at + 3]
                if end - at < 4 + size:
                    break
                if not self._greeted or packet(data[at + 1], data, at + 4, at + 4 + size):
                    self._junk = 0
                else:
                    self._junk += 4 + size
                    if self._junk > MOST_JUNK:
                        raise BadAnswer
                at += 4 + size
            elif first in b"\r\n\0 ":
                at += 1
            elif bytes(data[at : min(end, at + 5)]) == _RTSP[: end - at]:
                used = self._text(bytes(data[at : min(end, at + MOST_HEAD + MOST_BODY)]))
                if not used:
                    break
                at += used
            else:
                at += self._skip(bytes(data[at:end]))
        return at

    def _text(self, data: bytes) -> int:
        """How long the answer is that ``data`` begins with; 0 where its end has not come yet."""
        ends = [(found, len(mark)) for mark in (b"\r\n\r\n", b"\n\n") if (found := data.find(mark, 0, MOST_HEAD)) >= 0]
        if not ends:
            if len(data) >= MOST_HEAD:
                raise BadAnswer
            return 0
        size, mark = min(ends)
        status = _STATUS_LINE.match(data)
        if status is None:
            if not self._greeted:
                raise BadAnswer
            return len(_RTSP)  # of a request of its own: nothing is answered
        headers, challenges = _headers(data[:size])
        length = _length(headers.get("content-length", ""))
        used = size + mark + length
        if len(data) < used:
            return 0
        self._greeted = True
        self._junk = 0
        self._answer(Answer(int(status[1]), headers, challenges, data[size + mark : used]))
        return used

    def _skip(self, data: bytes) -> int:
        """Go on at what may be a packet or an answer: a camera that is late cuts what it sends."""
        if not self._greeted:
            raise BadAnswer
        places = [place for place in (data.find(b"$", 1), data.find(_RTSP, 1)) if place >= 0]
        skipped = min(places, default=len(data))
        self._junk += skipped
        if self._junk > MOST_JUNK:
            raise BadAnswer
        return skipped


def _headers(head: bytes) -> tuple[dict[str, str], tuple[str, ...]]:
    lines = head.decode("utf-8", "replace").splitlines()[1:]
    if len(lines) > MOST_HEADERS:
        raise BadAnswer
    headers: dict[str, str] = {}
    challenges = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            continue
        name, value = name.strip().lower(), value.strip()
        if name == "www-authenticate":
            challenges.append(value)
        headers[name] = value
    return headers, tuple(challenges)


def _length(text: str) -> int:
    text = text.strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) > MOST_BODY:
        raise BadAnswer
    return int(text)
