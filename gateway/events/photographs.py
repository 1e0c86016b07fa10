"""Whether an upload is a photograph: by its own head and by decoding it, never by what it calls itself. Pure.

The head tells width and height before anything is decoded, so that a few kilobytes cannot ask for gigabytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import cv2
import numpy as np

from gateway.refusals import Refusal

MOST_BYTES = 20_000_000
MOST_PIXELS = 60_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOFn, ITU-T T.81 table B.1
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})


@dataclass(frozen=True, slots=True)
class PictureHead:
    """What a picture says of itself. ``suffix`` is that of its file."""

    media_type: str
    suffix: str
    width: int
    height: int


def checked_photograph(content: bytes) -> PictureHead:
    """The head of a JPEG or PNG that can be decoded; refuses everything else. Takes tens of milliseconds: use a
    thread."""
    if len(content) > MOST_BYTES:
        raise Refusal(
            "too_large",
            "photo_too_large",
            f"照片不得超过 {MOST_BYTES // 1_000_000} MB。",
            f"A photograph has at most {MOST_BYTES // 1_000_000} MB.",
            field="body",
        )
    head = _head(content)
    if head is None or not 0 < head.width * head.height <= MOST_PIXELS:
        raise _no_picture()
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    except cv2.error:
        picture = None
    if picture is None:
        raise _no_picture()
    return head


def _head(content: bytes) -> PictureHead | None:
    if content.startswith(_PNG) and content[12:16] == b"IHDR" and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return PictureHead("image/png", ".png", width, height)
    if not content.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF or marker in _JPEG_ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return PictureHead("image/jpeg", ".jpg", width, height)
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None


def _no_picture() -> Refusal:
    return Refusal(
        "invalid",
        "photo_unreadable",
        "文件不是可读取的 JPEG 或 PNG 照片。",
        "The upload is no JPEG or PNG that can be read.",
        field="body",
    )
