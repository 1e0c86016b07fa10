"""Whether the processor multiplies bytes by itself is read from what the kernel tells, and doubt means no."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.processor import multiplies_bytes


@pytest.mark.parametrize(
    ("flags", "able"),
    [
        ("fpu sse2 avx2 avx512f avx512_vnni", True),
        ("fpu sse2 avx2 avx_vnni", True),
        ("fpu avx512f avx512_bf16 amx_tile amx_int8", True),
        ("fpu sse2 avx2 avx512f avx512bw", False),
        ("fpu sse2 avx2_vnni_like", False),
    ],
)
def test_a_processor_multiplies_bytes_that_has_an_instruction_for_it(tmp_path: Path, flags: str, able: bool) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text(f"processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: {flags}\nbugs\t\t:\n\nprocessor\t: 1\n")
    assert multiplies_bytes(told) is able


def test_where_the_kernel_tells_nothing_floats_are_computed(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert not multiplies_bytes(tmp_path / "cpuinfo")
    assert not multiplies_bytes(tmp_path / "none")
