"""Camera codes of 20 digits: built from their parts, read back, and refused by the part at fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_registry.codes import INDUSTRIES, MOST_SERIALS, NETWORKS, TYPES, CameraCode, CodeRange
from camera_registry.errors import CameraRefused

RANGE = CodeRange("99010100", "08", "132", "2")


def test_a_code_is_centre_industry_type_network_and_serial() -> None:
    assert str(RANGE.code(42)) == "99010100" + "08" + "132" + "2" + "000042"


@given(
    st.from_regex(r"[0-9]{8}", fullmatch=True),
    st.sampled_from(sorted(INDUSTRIES)),
    st.sampled_from(sorted(TYPES)),
    st.sampled_from(sorted(NETWORKS)),
    st.integers(1, MOST_SERIALS),
)
def test_what_is_written_reads_back(centre: str, industry: str, kind: str, network: str, serial: int) -> None:
    code = CodeRange(centre, industry, kind, network).code(serial)
    assert len(str(code)) == 20
    assert CameraCode.parse(str(code)) == code


@pytest.mark.parametrize(
    ("text", "reason", "field"),
    [
        ("9901010008132200004", "code_not_20_digits", "code"),
        ("990101000813220000421", "code_not_20_digits", "code"),
        ("9901010008132200004x", "code_not_20_digits", "code"),
        ("99010100081322000042\n", "code_not_20_digits", "code"),
        ("9901010008132200004٢", "code_not_20_digits", "code"),
        ("99010100991322000042", "industry_unknown", "industry"),
        ("99010100081182000042", "type_not_a_camera", "type"),
        ("99010100081329000042", "network_unknown", "network"),
        ("99010100081322000000", "serial_invalid", "serial"),
    ],
)
def test_a_wrong_code_is_refused_by_its_part(text: str, reason: str, field: str) -> None:
    with pytest.raises(CameraRefused) as refused:
        CameraCode.parse(text)
    assert (refused.value.reason, refused.value.field) == (reason, field)
    assert refused.value.zh
    assert refused.value.en


@pytest.mark.parametrize("centre", ["", "9901010", "990101000", "9901010a", "９９０１０１００"])
def test_a_centre_has_eight_digits(centre: str) -> None:
    with pytest.raises(CameraRefused, match="centre_invalid"):
        CodeRange(centre)


@pytest.mark.parametrize("serial", [0, -1, MOST_SERIALS + 1])
def test_serials_end(serial: int) -> None:
    with pytest.raises(CameraRefused, match="serial_invalid"):
        RANGE.code(serial)
