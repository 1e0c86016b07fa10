"""How a message travels on a local socket: its length in four bytes, then the message. Bounded, whoever sends it."""

from __future__ import annotations

import asyncio
import struct

_LENGTH = struct.Struct(">I")


class FrameTooLarge(ValueError):
    """The peer announced more than is taken; nothing after it can be read."""

    def __init__(self, size: int) -> None:
        super().__init__(f"a frame of {size} bytes")
        self.size = size


def framed(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data


async def read_frame(reader: asyncio.StreamReader, most: int) -> bytes:
    """The next message. Raises ``asyncio.IncompleteReadError`` at the end and ``FrameTooLarge``."""
    (size,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if size > most:
        raise FrameTooLarge(size)
    return await reader.readexactly(size)
