"""The head that is cut open: the same boxes as the whole network's, and no other network is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import openvino
import pytest
from openvino import opset13

from detectors.answers import AnswerUnusable
from detectors.boxes import chosen
from detectors.dfl_head import DflHead, cut_open
from detectors.engine import open_detector
from detectors.letterbox import Placement
from models.scenes import Scene, SceneKind
from models.shipped import CARD
from tests.detectors.conftest import red_finder

SHIPPED = CARD.with_suffix(".onnx")
BINS = 16


def model_of(file: Path | bytes) -> openvino.Model:
    return openvino.Core().read_model(file)


def certain_of(*distances: int) -> list[float]:
    """Distributions by which each side lies that many bins away."""
    said = np.full((4, BINS), -50.0, np.float32)
    for side, distance in enumerate(distances):
        said[side, distance] = 50
    return said.reshape(-1).tolist()


def test_a_box_is_made_of_its_anchors_place_and_the_distances_of_its_sides() -> None:
    head = DflHead.of((64, 96), [(8, 12), (4, 6)])
    fine, coarse = (np.zeros((rows, columns, 4 * BINS), np.float32) for rows, columns in ((8, 12), (4, 6)))
    fine[1, 2] = certain_of(1, 0, 3, 2)
    coarse[3, 5] = certain_of(2, 2, 0, 0)
    boxes = head.boxes((fine, coarse), np.array([1 * 12 + 2, 96 + 3 * 6 + 5]))
    # Centre (20, 12), stride 8; centre (88, 56), stride 16.
    assert boxes == pytest.approx(np.array([[28, 20, 32, 16], [72, 40, 32, 32]]), abs=1e-3)


def test_a_distance_is_the_mean_of_its_distribution() -> None:
    head = DflHead.of((8, 8), [(1, 1)])
    said = np.full((4, BINS), -50.0, np.float32)
    said[:, [2, 5]] = 0  # half and half
    assert head.boxes((said.reshape(1, 1, -1),), np.array([0])) == pytest.approx(np.array([[4, 4, 56, 56]]), abs=1e-3)


@pytest.mark.parametrize("name", ["hazard_n.onnx", "hazard_n.int8.onnx"])
def test_the_shipped_networks_end_at_the_distributions_of_three_levels(name: str) -> None:
    cut = cut_open(model_of(SHIPPED.with_name(name)))
    assert cut is not None
    assert [str(one.partial_shape[-1]) for one in cut.outputs[:-1]] == ["64"] * 3
    assert str(cut.outputs[-1].partial_shape[1]) == "4"


@pytest.mark.parametrize("kind", ["fire", "gathering"])
def test_cut_open_the_shipped_network_sees_what_it_sees_whole(kind: SceneKind, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Scene(kind, 3, pieces="demo").frame(16.0)
    upright = np.asarray(cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE), np.uint8)
    opened = open_detector("openvino", CARD, threads=1)
    monkeypatch.setattr("detectors.openvino_engine.cut_open", lambda _model: None)
    whole = open_detector("openvino", CARD, threads=1)
    for seen in (picture, upright):
        ours, theirs = (one.detect(seen, thresholds=dict.fromkeys(one.card.classes, 0.02)) for one in (opened, whole))
        assert len(ours) == len(theirs) > 0
        for mine, its in zip(ours, theirs, strict=True):
            assert mine.label == its.label
            assert mine.score == pytest.approx(its.score, abs=1e-4)
            assert mine.box.iou(its.box) > 0.99


def twice_as_large(model: openvino.Model) -> openvino.Model:
    """The network with boxes twice as large as its head makes them."""
    joined = model.output(0).get_node().input_value(0).get_node()
    larger = opset13.multiply(joined.input_value(0), np.float32(2))
    joined.input(0).replace_source_output(larger.output(0))
    return model


def with_answers_for_two(model: openvino.Model) -> openvino.Model:
    return openvino.Model([model.output(0), model.output(0)], model.get_parameters(), "two")


def of_finds_red(_model: openvino.Model) -> openvino.Model:
    return model_of(red_finder())


@pytest.mark.parametrize("made", [twice_as_large, with_answers_for_two, of_finds_red])
def test_a_network_whose_head_is_another_is_left_whole(made: Callable[[openvino.Model], openvino.Model]) -> None:
    assert cut_open(made(model_of(SHIPPED))) is None


def test_distributions_that_are_no_numbers_are_an_error_and_not_nothing_seen() -> None:
    scores = np.array([[0.1, 0.9]], np.float32)

    def boxes(
        anchors: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.full((len(anchors), 4), np.nan, np.float32)

    with pytest.raises(AnswerUnusable):
        chosen(scores, boxes, ("fire",), {"fire": 0.5}, Placement(100, 100, 0, 0))
