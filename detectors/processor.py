"""What the processor can do by itself: whether it multiplies 8-bit integers, or only imitates it.

Without such instructions (VNNI, AMX) products of unsigned and signed bytes are summed in 16 bits, which overflow: a
quantised network would be slower than its gain and, worse, wrong in its bright parts. Floats are computed then.
"""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})


def multiplies_bytes(cpuinfo: Path = CPUINFO) -> bool:
    """As the kernel tells it; where it tells nothing, no."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return not _FLAGS.isdisjoint(flags)
