"""How often each training picture is shown in an epoch."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

SHARES: tuple[tuple[str, float], ...] = (
    ("fire_neg_", 4),
    ("feedback_", 4),
    ("fire_xia_", 2),
    ("fire_abo_", 0.6),
    ("coco_", 6),
    ("crowd_ind_", 4),
    ("crowd_shtB_", 2),
    ("stall_", 2),
)
"""By the beginning of the name: times an epoch shows it, or the share of such pictures that is used; else once.

Hard negatives count most: a false fire costs more than anything. The xia photos have the small, tight flames; the
frames of one CCTV scene repeat one another.
"""


def mixture(files: Sequence[Path]) -> Iterator[Path]:
    """The files of an epoch, some several times, some left out; the same for the same files."""
    for file in files:
        times = next((times for prefix, times in SHARES if file.name.startswith(prefix)), 1.0)
        chance = zlib.crc32(file.name.encode()) / 2**32
        yield from [file] * (int(times) + (chance < times - int(times)))
