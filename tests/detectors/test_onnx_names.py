from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detectors.onnx_names import Malformed, class_names


@given(st.binary(max_size=200))
def test_whatever_bytes_stand_in_a_file_the_reader_of_names_ends(data: bytes) -> None:
    try:
        names = class_names(data)
    except Malformed:
        return
    assert names is None or all(isinstance(name, str) for name in names)
