"""Whichever runtime is set: the same boxes on the same picture, and unusable weights refused before anything runs."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from detectors.card import Card
from detectors.engine import Detector, EngineName, open_detector
from detectors.networks import checked_files
from detectors.observation import Detection
from detectors.onnx_names import class_names
from detectors.plan import Plan, fastest, plans
from detectors.processor import multiplies_bytes
from detectors.refusals import WeightsRefused
from models.scenes import Scene
from models.shipped import CARD as SHIPPED
from tests.detectors.conftest import red_finder

MakeWeights = Callable[..., Path]
COCO = Path(os.environ.get("GATEWAY_SAMPLE_DATA") or "/nowhere")
RUNTIMES: tuple[EngineName, ...] = ("openvino", "onnxruntime")


def assert_same(one: Sequence[Detection], other: Sequence[Detection], tolerance: float) -> None:
    """The same detections, whatever the order of equal scores."""
    assert len(one) == len(other)
    left = list(other)
    for mine in one:
        theirs = max((d for d in left if d.label == mine.label), key=lambda d: d.box.iou(mine.box))
        left.remove(theirs)
        assert theirs.box.iou(mine.box) > 1 - tolerance
        assert theirs.score == pytest.approx(mine.score, abs=tolerance)


def red_patch() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """128×64 px, red in the right half's upper left corner: 32 px wide, laid into 64×64 as one cell of 16 px."""
    picture = np.zeros((64, 128, 3), np.uint8)
    picture[0:32, 64:96, 2] = 255
    return picture


@pytest.mark.parametrize("engine", [*RUNTIMES, "auto"])
def test_a_red_patch_is_found_where_it_is(make_weights: MakeWeights, engine: EngineName) -> None:
    (found,) = open_detector(engine, make_weights(), threads=1).detect(red_patch())
    assert found.label == "fire"
    box = found.box
    assert (box.x1, box.y1, box.x2, box.y2) == pytest.approx((0.5, 0.0, 0.75, 0.5), abs=1e-6)


@pytest.mark.parametrize("engine", RUNTIMES)
def test_a_detector_looks_again_and_again_and_remembers_nothing(make_weights: MakeWeights, engine: EngineName) -> None:
    detector = open_detector(engine, make_weights(), threads=1)
    first = detector.detect(red_patch())
    assert detector.detect(np.zeros((50, 50, 3), np.uint8)) == ()
    assert detector.detect(red_patch()) == first


@pytest.mark.parametrize("engine", RUNTIMES)
def test_a_detector_carries_its_card(make_weights: MakeWeights, engine: EngineName) -> None:
    assert open_detector(engine, make_weights(), threads=1).card.name == "tiny"


@pytest.mark.parametrize("engine", RUNTIMES)
def test_a_file_that_is_no_model_is_refused(make_weights: MakeWeights, engine: EngineName) -> None:
    with pytest.raises(WeightsRefused) as caught:
        open_detector(engine, make_weights(b"\x08\x08\x12\x05torch"), threads=1)
    assert caught.value.reason == "weights_unusable"


@pytest.mark.parametrize("engine", RUNTIMES)
def test_a_card_with_a_class_more_than_the_network_is_refused(
    make_weights: MakeWeights, unnamed_model: bytes, engine: EngineName
) -> None:
    names = ["person", "fire", "smoke", "stall", "cart"]
    with pytest.raises(WeightsRefused) as caught:
        open_detector(
            engine, make_weights(unnamed_model, classes=names, thresholds=dict.fromkeys(names, 0.5)), threads=1
        )
    assert caught.value.reason == "classes_differ"


@pytest.mark.parametrize("engine", RUNTIMES)
@pytest.mark.parametrize("shape", [(1, 1), (4320, 7680), (1, 2000)])
def test_a_picture_of_any_size_is_looked_at(
    make_weights: MakeWeights, engine: EngineName, shape: tuple[int, int]
) -> None:
    detector = open_detector(engine, make_weights(), threads=1)
    red = np.zeros((*shape, 3), np.uint8)
    assert detector.detect(red) == ()
    red[: (shape[0] + 1) // 2, : (shape[1] + 1) // 2, 2] = 255
    found = detector.detect(red)
    assert found or shape in ((1, 1), (1, 2000))  # all of one colour, and a line less than a pixel high
    assert {one.label for one in found} <= {"fire"}
    assert all(0 <= side <= 1 for one in found for side in (one.box.x1, one.box.y1, one.box.x2, one.box.y2))


@pytest.mark.parametrize("engine", RUNTIMES)
def test_a_network_that_only_says_to_take_any_size_is_shown_pictures_of_all_proportions_in_its_own(
    make_weights: MakeWeights, secretly_bound_model: bytes, engine: EngineName
) -> None:
    """It was seen to answer at the start, in the usual input, and failed at the first upright camera."""
    detector = open_detector(engine, make_weights(secretly_bound_model), threads=1)
    red = np.zeros((1280, 640, 3), np.uint8)
    red[:640, :, 2] = 255
    found = detector.detect(red)
    assert {one.label for one in found} == {"fire"}
    assert all(one.box.y2 <= 0.6 for one in found)


@pytest.mark.parametrize("engine", RUNTIMES)
def test_the_shipped_network_takes_any_size(engine: EngineName) -> None:
    assert open_detector(engine, SHIPPED, threads=1)._any_size  # type: ignore[attr-defined]


@pytest.mark.parametrize("engine", RUNTIMES)
def test_several_threads_get_the_answers_to_their_own_pictures(make_weights: MakeWeights, engine: EngineName) -> None:
    detector = open_detector(engine, make_weights(), threads=2)
    red, black = red_patch(), np.zeros((64, 128, 3), np.uint8)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(detector.detect, [red, black] * 50))
    assert [len(answer) for answer in answers] == [1, 0] * 50


@pytest.mark.parametrize("engine", RUNTIMES)
@pytest.mark.parametrize("threads", [0, 1])
def test_weights_that_answer_nan_are_refused_when_they_are_loaded(
    make_weights: MakeWeights, broken_model: bytes, engine: EngineName, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detectors.engine.cores", lambda: 2)  # two ways to share them out: they are measured
    with pytest.raises(WeightsRefused) as caught:
        open_detector(engine, make_weights(broken_model), threads=threads)
    assert caught.value.reason == "weights_answer_nothing_usable"


@pytest.mark.parametrize("engine", RUNTIMES)
def test_weights_for_another_input_than_their_card_says_or_with_another_answer_are_refused_when_they_are_loaded(
    make_weights: MakeWeights, unnamed_model: bytes, judge_model: Callable[[], bytes], engine: EngineName
) -> None:
    for model, size in ((unnamed_model, [96, 160]), (judge_model(), [224, 224])):
        with pytest.raises(WeightsRefused):
            open_detector(engine, make_weights(model, input_size=size), threads=1)


@pytest.mark.parametrize("engine", RUNTIMES)
def test_weights_that_lie_in_another_file_which_no_sha256_vouches_for_are_refused(
    make_weights: MakeWeights, unnamed_model: bytes, tmp_path: Path, engine: EngineName
) -> None:
    network = onnx.load_from_string(unnamed_model)
    onnx.save_model(
        network, tmp_path / "apart.onnx", save_as_external_data=True, location="tensors.bin", size_threshold=0
    )
    assert (tmp_path / "tensors.bin").exists()
    with pytest.raises(WeightsRefused, match="weights_unusable"):
        open_detector(engine, make_weights((tmp_path / "apart.onnx").read_bytes()), threads=1)


@pytest.mark.parametrize("level", [0, 114, 255])
def test_a_picture_that_is_all_one_shade_shows_nothing_whatever_the_network_says(
    make_weights: MakeWeights, level: int
) -> None:
    thresholds = dict.fromkeys(("person", "fire", "smoke", "stall"), 1e-9)
    detector = open_detector("openvino", make_weights(thresholds=thresholds), threads=1)
    assert detector.detect(red_patch())
    assert detector.detect(np.full((64, 128, 3), level, np.uint8)) == ()


def test_how_the_cores_are_shared_out_is_measured_and_the_faster_way_kept() -> None:
    opened = [0.020, 0.002]

    def slower_with_one_stream(plan: Plan) -> Detector:
        return Sleeper(plan, opened[plan.streams - 1])

    assert fastest(slower_with_one_stream, plans(2)).at_once == 2
    assert [plan.streams for plan in plans(16)] == [1, 2, 8, 16]


def test_a_machine_that_is_busy_for_a_moment_does_not_decide_how_the_cores_are_shared_out() -> None:
    """An engine that started beside its cameras once kept the slower way, with three quarters of the pictures."""
    turns = {1: iter((60.0, 83.0, 80.0)), 2: iter((40.0, 55.0, 100.0))}

    def measured(detector: Detector, _seconds: float) -> float:
        return next(turns[detector.at_once])

    assert fastest(lambda plan: Sleeper(plan, 0.0), plans(2), measured).at_once == 2


@pytest.mark.parametrize("any_shapes", [True, False])
def test_judged_a_picture_is_seen_alike_whatever_shapes_came_before_it(tmp_path: Path, *, any_shapes: bool) -> None:
    """People in upright photos were missed where seven other shapes had come first: they lay small in a wide input."""
    card = json.loads(SHIPPED.read_text()) | {"thresholds": dict.fromkeys(("person", "fire", "smoke", "stall"), 1e-4)}
    (tmp_path / SHIPPED.name).write_text(json.dumps({key: card[key] for key in card if key != "quantised"}))
    (tmp_path / SHIPPED.with_suffix(".onnx").name).symlink_to(SHIPPED.with_suffix(".onnx"))
    detector = open_detector("openvino", tmp_path / SHIPPED.name, 1, any_shapes=any_shapes)
    random = np.random.default_rng(3)
    upright, *others = (
        cv2.resize(random.integers(0, 256, (12, 12, 3), np.uint8), (100 * wide, 100 * high))
        for wide, high in ((3, 8), (1, 1), (4, 3), (3, 2), (2, 1), (3, 1), (4, 1), (2, 3))
    )
    alone = open_detector("openvino", tmp_path / SHIPPED.name, 1).detect(upright)
    assert alone
    for other in others:
        detector.detect(other)
    assert (detector.detect(upright) == alone) is any_shapes


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """Real COCO weights under a card, and a few real pictures."""
    weights = COCO / "weights" / "yolov8n_coco_dequant_fp32_640.onnx"
    if not weights.is_file():
        pytest.skip("no sample data")
    data = weights.read_bytes()
    names = class_names(data) or ("person", *(f"class{number}" for number in range(1, 80)))
    card = tmp_path_factory.mktemp("coco") / "coco.json"
    card.with_suffix(".onnx").write_bytes(data)
    thresholds = ",".join(f'"{name}": 0.25' for name in names)
    quoted = ",".join(f'"{name}"' for name in names)
    card.write_text(
        f'{{"name": "coco", "sha256": "{hashlib.sha256(data).hexdigest()}", "classes": [{quoted}],'
        f' "input_size": [640, 640], "stride": 32, "thresholds": {{{thresholds}}},'
        ' "precision": "fp32", "licence": "AGPL-3.0"}'
    )
    return card, sorted((COCO / "coco" / "images").glob("*.jpg"))[:3]


class Sleeper:
    """A detector that takes its time."""

    precision = "fp32"

    def __init__(self, plan: Plan, seconds: float) -> None:
        self.at_once = plan.streams
        self._seconds = seconds
        self.card = Card("slow", "", ("fire",), (64, 64), 32, {"fire": 0.5}, "fp32", "")

    def detect(self, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], **_how: object) -> tuple[Detection, ...]:
        time.sleep(self._seconds)
        return ()


def read(file: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = cv2.imread(str(file))
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_both_runtimes_give_the_same_boxes_on_real_pictures(coco: tuple[Path, list[Path]]) -> None:
    card, pictures = coco
    one, other = (open_detector(engine, card, threads=1) for engine in RUNTIMES)
    found = 0
    for picture in map(read, pictures):
        mine = one.detect(picture)
        assert_same(mine, other.detect(picture), tolerance=0.01)
        found += len(mine)
    assert found


@pytest.fixture(scope="module")
def in_floats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped weights with a card that has them computed in 32-bit floats: what all runtimes share."""
    card = tmp_path_factory.mktemp("floats") / SHIPPED.name
    card.write_text(
        json.dumps(
            json.loads(SHIPPED.read_text()) | {"precision": "fp32", "density": None, "cues": None, "quantised": None}
        )
    )
    card.with_suffix(".onnx").symlink_to(SHIPPED.with_suffix(".onnx"))
    return card


@pytest.fixture(scope="module")
def shipped(in_floats: Path) -> list[Detector]:
    return [open_detector(engine, in_floats, threads=1) for engine in RUNTIMES]


@pytest.fixture
def no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that does not multiply 8-bit integers by itself."""
    monkeypatch.setattr("detectors.openvino_engine.multiplies_bytes", lambda: False)


@pytest.mark.parametrize("engine", RUNTIMES)
def test_of_a_network_with_further_answers_the_first_one_counts(engine: EngineName, make_weights: MakeWeights) -> None:
    model = onnx.load_from_string(red_finder())
    model.graph.output.append(helper.make_tensor_value_info("cells", TensorProto.FLOAT, [1, 3, 4, 4]))
    (found,) = open_detector(engine, make_weights(model.SerializeToString()), threads=1).detect(red_patch())
    assert found.label == "fire"


@pytest.mark.usefixtures("no_bytes")
def test_where_the_cpu_has_neither_bytes_nor_bfloat16_the_shipped_weights_are_computed_in_floats(
    shipped: list[Detector], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Scene("fire", 3, pieces="demo").frame(16.0)
    monkeypatch.setattr("detectors.openvino_engine._has_bfloat16", lambda _core: False)
    assert open_detector("openvino", SHIPPED, threads=1).detect(picture) == shipped[0].detect(picture)


@pytest.mark.usefixtures("no_bytes")
def test_bfloat16_sees_what_floats_see(shipped: list[Detector]) -> None:
    picture = Scene("fire", 3, pieces="demo").frame(16.0)
    assert_same(shipped[0].detect(picture), open_detector("openvino", SHIPPED, threads=1).detect(picture), 0.05)


@pytest.mark.skipif(not multiplies_bytes(), reason="this processor does not multiply bytes by itself")
def test_openvino_tells_that_it_compiles_while_it_does_so_for_pictures_of_a_new_shape(
    shipped: list[Detector], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector: Any = shipped[0]
    told, compile_model = [], detector._core.compile_model

    def compiled(*asked: object) -> object:
        told.append(detector.compiling)
        return compile_model(*asked)

    monkeypatch.setattr(detector, "_core", SimpleNamespace(compile_model=compiled))
    for _ in range(2):
        detector.detect(np.eye(160, 64, dtype=np.uint8)[..., None].repeat(3, 2) * 255)
    assert told == [True]
    assert not detector.compiling


def test_the_shipped_weights_in_bytes_find_the_rendered_fire_that_floats_find(shipped: list[Detector]) -> None:
    picture = Scene("fire", 3, pieces="demo").frame(16.0)
    exact, quick = shipped[0].detect(picture), open_detector("openvino", SHIPPED, threads=1).detect(picture)
    best, found = (
        max((one for one in seen if one.label == "fire"), key=lambda one: one.score) for seen in (exact, quick)
    )
    assert found.box.iou(best.box) > 0.8
    assert found.score == pytest.approx(best.score, abs=0.1)


@pytest.fixture
def with_bytes_beside(make_weights: MakeWeights, sees_smoke_too: bytes) -> Path:
    """A card whose quantised network, to tell it from the card's own, sees smoke everywhere."""
    digest = hashlib.sha256(sees_smoke_too).hexdigest()
    card = make_weights(
        quantised={"weights": "tiny.int8.onnx", "sha256": digest, "accuracy_lost": {"fire": 0.0}},
    )
    (card.parent / "tiny.int8.onnx").write_bytes(sees_smoke_too)
    return card


def test_the_quantised_network_looks_where_the_processor_multiplies_bytes_and_the_cards_own_elsewhere(
    with_bytes_beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = with_bytes_beside
    seen = {}
    for able in (True, False):
        monkeypatch.setattr("detectors.openvino_engine.multiplies_bytes", lambda able=able: able)
        seen[able] = {one.label for one in open_detector("openvino", card, threads=1).detect(red_patch())}
    assert seen == {True: {"fire", "smoke"}, False: {"fire"}}
    # ONNX Runtime takes longer over bytes than over floats.
    assert {one.label for one in open_detector("onnxruntime", card, threads=1).detect(red_patch())} == {"fire"}


def test_a_quantised_network_that_was_exchanged_or_is_not_there_is_refused(
    with_bytes_beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detectors.openvino_engine.multiplies_bytes", lambda: True)
    card = with_bytes_beside
    file = card.parent / "tiny.int8.onnx"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(WeightsRefused) as caught:
        open_detector("openvino", card, threads=1)
    assert caught.value.reason == "weights_damaged"
    file.unlink()
    with pytest.raises(WeightsRefused) as caught:
        checked_files(card)
    assert caught.value.reason == "weights_missing"


@pytest.mark.parametrize("seed", [3, 4])
def test_the_shipped_weights_find_a_rendered_fire_and_both_runtimes_agree(shipped: list[Detector], seed: int) -> None:
    scene = Scene("fire", seed, pieces="demo")
    picture = scene.frame(16.0)
    one, other = (detector.detect(picture) for detector in shipped)
    assert_same(one, other, tolerance=0.01)
    assert any(found.label in ("fire", "smoke") for found in one)


@pytest.mark.train
def test_ultralytics_gives_the_same_boxes_as_the_runtimes(make_weights: MakeWeights) -> None:
    card = make_weights()
    one, other = (open_detector(engine, card, threads=1) for engine in ("openvino", "ultralytics"))
    assert one.detect(red_patch())
    assert_same(one.detect(red_patch()), other.detect(red_patch()), tolerance=1e-4)


@pytest.mark.train
def test_ultralytics_computes_in_as_many_threads_as_the_setting_says(make_weights: MakeWeights) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        open_detector("ultralytics", make_weights(), threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.train
def test_ultralytics_is_not_taken_to_hang_at_its_first_look_of_a_shape_for_which_a_gpu_compiles(
    make_weights: MakeWeights,
) -> None:
    """The process was ended after ten seconds and begun again, for ever."""
    detector: Any = open_detector("ultralytics", make_weights())
    told, network = [], detector._network

    def looked(picture: object) -> object:
        told.append(detector.compiling)
        return network(picture)

    detector._network = looked
    detector._ready.clear()  # these weights take one shape, and were asked when they were opened
    for _ in range(2):
        detector.detect(red_patch())
    assert told == [True, False]
    assert not detector.compiling


@pytest.mark.train
def test_ultralytics_runs_a_yolo_file_that_has_no_card(make_weights: MakeWeights) -> None:
    weights = make_weights().with_suffix(".onnx")
    detector = open_detector("ultralytics", weights)
    assert detector.card.classes == ("person", "fire", "smoke", "stall")
    assert detector.card.licence == "unknown"


@pytest.mark.train
def test_the_shipped_weights_give_the_same_boxes_on_ultralytics(shipped: list[Detector]) -> None:
    picture = Scene("gathering", 5, pieces="demo").frame(16.0)
    assert_same(shipped[0].detect(picture), open_detector("ultralytics", SHIPPED).detect(picture), tolerance=0.01)
