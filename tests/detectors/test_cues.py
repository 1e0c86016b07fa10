"""The network beside the detector that finds parts of a stall: several of its classes bear one name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from detectors.card import Cues
from detectors.card_file import load_card
from detectors.cues import CueFinder, open_cues
from detectors.networks import CUES, Networks, checked_files, open_networks
from detectors.refusals import WeightsRefused
from models import shipped

FACTS = {
    "weights": "cues.onnx",
    "classes": ["goods", "goods", "umbrella", "car"],
    "thresholds": {"goods": 0.5, "umbrella": 0.5, "car": 0.5},
    "input_size": [64, 64],
}


def made(folder: Path, data: bytes, *classes: str, market_from: float | None = None) -> CueFinder:
    (folder / "cues.onnx").write_bytes(data)
    limits = MappingProxyType(dict.fromkeys(classes, 0.5))
    cues = Cues("cues.onnx", hashlib.sha256(data).hexdigest(), classes, limits, (64, 64), market_from)
    return CueFinder(cues, folder / "cues.onnx", 1)


@pytest.fixture
def finder(tmp_path: Path, unnamed_model: bytes) -> CueFinder:
    """Takes blue for one kind of goods and red for another."""
    return made(tmp_path, unnamed_model, "goods", "goods", "umbrella", "car")


def test_a_network_that_answers_with_nothing_usable_is_refused_when_it_is_loaded(
    tmp_path: Path, broken_model: bytes, unnamed_model: bytes, judge_model: Callable[[], bytes]
) -> None:
    """It is asked seldom: what it answers came to light with the first stall that was looked for."""
    for data, classes in (
        (broken_model, ("goods", "goods", "umbrella", "car")),
        (unnamed_model, ("goods", "umbrella")),
        (judge_model(), ("goods", "umbrella")),
    ):
        with pytest.raises(WeightsRefused, match="weights_answer_nothing_usable"):
            made(tmp_path, data, *classes)


@pytest.mark.parametrize(("height", "width"), [(128, 64), (64, 128), (300, 400)])
def test_a_network_of_one_size_finds_parts_in_pictures_of_all_proportions(
    finder: CueFinder, height: int, width: int
) -> None:
    """The picture that it was shown at the start had its proportions, the cameras' had not: each of them failed."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (0, 0, 255)
    found = finder.find(picture)
    assert found
    assert all(one.box.x2 <= 0.6 and one.box.y2 <= 0.6 for one in found)


def test_a_network_that_only_says_to_take_any_size_is_shown_pictures_in_its_own(
    tmp_path: Path, secretly_bound_model: bytes
) -> None:
    """OpenVINO answered with what lay in memory, ONNX Runtime not at all."""
    finder = made(tmp_path, secretly_bound_model, "goods", "goods", "umbrella", "car")
    picture = np.zeros((128, 64, 3), np.uint8)
    picture[:64] = (0, 0, 255)
    assert {one.box.y2 <= 0.6 for one in finder.find(picture)} == {True}


def test_two_kinds_of_fruit_are_two_pieces_of_goods(finder: CueFinder) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:16, :16] = (0, 0, 255)
    picture[16:32, :16] = (255, 0, 0)
    found = finder.find(picture)
    assert [one.label for one in found] == ["goods", "goods"]
    assert sorted((one.box.x1, one.box.y1) for one in found) == [(0, 0), (0, 0.25)]
    assert finder.find(np.full((64, 64, 3), 90, np.uint8)) == ()


def test_a_market_scene_is_a_stall_beside_the_parts_that_are_seen(tmp_path: Path, market_model: bytes) -> None:
    kinds = ("goods", "goods", "umbrella", "car")
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32, :32] = (0, 0, 255)
    found = made(tmp_path, market_model, *kinds, market_from=0.5).find(picture)
    (stall,) = [one for one in found if one.label == "stall"]
    assert stall.score > 0.9
    assert stall.box.x2 < 0.8
    assert {one.label for one in found} == {"stall", "goods"}
    assert {one.label for one in made(tmp_path, market_model, *kinds).find(picture)} == {"goods"}


def test_a_network_that_says_nothing_of_the_market_scenes_its_card_tells_of_is_refused(
    tmp_path: Path, unnamed_model: bytes
) -> None:
    with pytest.raises(WeightsRefused, match="weights_answer_nothing_usable"):
        made(tmp_path, unnamed_model, "goods", "goods", "umbrella", "car", market_from=0.5)


def test_parts_are_found_by_that_network_alone_and_nobody_is_asked_where_there_is_none(finder: CueFinder) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:16, :16] = (0, 0, 255)
    never = None  # the detector is not asked
    assert len(Networks(never, cues=finder).look(picture, CUES).detections) == 1  # type: ignore[arg-type]
    assert Networks(never).look(picture, CUES).detections == ()  # type: ignore[arg-type]


def test_the_shipped_card_names_one_and_checks_it(tmp_path: Path) -> None:
    card, files = checked_files(shipped.CARD)
    assert card.cues is not None
    assert shipped.CARD.parent / card.cues.weights in files
    assert open_networks("auto", shipped.CARD, 1).cues is not None
    (tmp_path / "card.json").write_text(shipped.CARD.read_text())
    (tmp_path / card.cues.weights).write_bytes(b"other")
    with pytest.raises(WeightsRefused, match="weights_damaged"):
        open_cues(tmp_path / "card.json", 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": ["goods", "person"], "thresholds": {"goods": 0.5, "person": 0.5}},
        {"thresholds": {"goods": 0.5}},
        {"thresholds": {"goods": float("nan"), "umbrella": 0.5, "car": 0.5}},
        {"classes": [], "thresholds": {}},
        {"input_size": [64, 65]},
        {"input_size": [64]},
        {"weights": "../cues.onnx"},
    ],
)
def test_a_card_that_names_what_no_rule_knows_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    facts = json.loads(shipped.CARD.read_text()) | {"cues": FACTS | {"sha256": "ab" * 32}}
    (tmp_path / "card.json").write_text(json.dumps(facts))
    assert load_card(tmp_path / "card.json").cues is not None
    facts["cues"] |= wrong
    (tmp_path / "card.json").write_text(json.dumps(facts))
    with pytest.raises(WeightsRefused, match="card_invalid"):
        load_card(tmp_path / "card.json")
