"""Films as phones store them: beside the pictures it says how these are to be turned."""

from __future__ import annotations

import struct
from pathlib import Path

AS_STORED = (1, 0, 0, 1)
A_QUARTER_LEFT, UPSIDE_DOWN, A_QUARTER_RIGHT = (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0)


def to_be_turned(film: Path, matrix: tuple[int, int, int, int]) -> Path:
    """The MP4 with ``a``, ``b``, ``c`` and ``d`` in its only track's header (ISO/IEC 14496-12, 8.3.2, version 0)."""
    data = bytearray(film.read_bytes())
    a, b, c, d = (side << 16 for side in matrix)
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    film.write_bytes(data)
    return film
