"""A YOLO file of torch's: run by Ultralytics alone, and loaded only where a card vouches for that very file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.engine import open_detector
from detectors.networks import checked_files
from detectors.refusals import WeightsRefused

MakeWeights = Callable[..., Path]


def test_a_torch_file_is_for_ultralytics_alone_and_only_where_torch_is_installed(
    make_weights: MakeWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_weights(weights="tiny.pt")
    path.with_name("tiny.onnx").rename(path.with_name("tiny.pt"))
    for engine in ("openvino", "onnxruntime"):
        with pytest.raises(WeightsRefused, match="engine_unfit"):
            open_detector(engine, path)
    monkeypatch.setitem(sys.modules, "torch", None)
    for engine in ("ultralytics", "auto"):
        with pytest.raises(WeightsRefused, match="engine_missing") as caught:
            open_detector(engine, path)
        assert "make train-setup" in caught.value.zh


@pytest.mark.parametrize("file", ["tiny.pt", "tiny.onnx"])
def test_weights_without_a_card_are_refused_saying_how_to_make_one(tmp_path: Path, file: str) -> None:
    with pytest.raises(WeightsRefused, match=r"card_needed.*gateway models adopt"):
        checked_files(tmp_path / file)


def test_a_torch_file_that_is_cut_short_or_lies_elsewhere_is_refused_before_anything_loads_it(
    make_weights: MakeWeights,
) -> None:
    path = make_weights(weights="tiny.pt")
    whole = path.with_name("tiny.onnx").read_bytes()
    path.with_name("tiny.pt").write_bytes(whole)
    assert checked_files(path)[1] == (path.with_name("tiny.pt"),)
    path.with_name("tiny.pt").write_bytes(whole[:-10])
    with pytest.raises(WeightsRefused, match="weights_damaged"):
        open_detector("ultralytics", path)
    for name in ("../tiny.pt", "/tmp/tiny.pt", "tiny.pkl"):
        with pytest.raises(WeightsRefused, match="card_invalid"):
            checked_files(make_weights(weights=name))
