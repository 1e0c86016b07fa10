"""The judge of the second look: fitted on examples, exported as it was fitted, and named by the card."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from detectors.card import Judging
from detectors.judge import SIDE, VIEWS, Judge, open_judge
from detectors.observation import Box, Detection
from models import shipped
from models.candidates import Example, altered, shown
from models.classes import FIRE, SMOKE, STALL
from models.cli.main import app
from models.efficientnet_lite import imagenet_weights
from models.judge import LABELS, Examples, Pooling, Row, auc, export_judge, judged, with_features
from models.sample_data import Sample

PLACE = Box(0.4, 0.4, 0.6, 0.6)


def picture_of(scene: str = "one", complete: tuple[int, ...] = (FIRE, SMOKE, STALL)) -> Sample:
    knows = frozenset(complete)
    return Sample(Path(f"{scene}.jpg"), None, "train", scene, "CC0", "fire", knows, knows)


def example(*, burns: bool | None, scene: str = "one", score: float = 0.5, seed: int = 0) -> Example:
    """What burns is orange and ragged, the rest grey and even."""
    random = np.random.default_rng(seed)
    pixels = random.integers(90, 120, (SIDE, SIDE, 3), np.uint8)
    if burns:
        pixels[40:180, 40:180] = random.integers(0, 255, (140, 140, 1)) * np.array([0.1, 0.5, 1.0])
    seen = Detection("fire", score, PLACE)
    return Example(picture_of(scene), "crop", {"fire": burns, "smoke": None}, pixels, candidate=seen)


def test_what_meets_no_label_is_wrong_only_where_the_labels_have_no_gaps() -> None:
    fire, elsewhere = Detection("fire", 1.0, Box(0.4, 0.4, 0.7, 0.7)), Detection("fire", 1.0, Box(0, 0, 0.1, 0.1))
    assert shown(PLACE, "fire", picture_of(), [fire]) is True
    assert shown(PLACE, "fire", picture_of(), [elsewhere]) is False
    assert shown(PLACE, "smoke", picture_of(complete=(FIRE,)), [elsewhere]) is None
    assert shown(PLACE, "fire", picture_of(), [Detection("fire", 1.0, Box(0.65, 0.65, 0.95, 0.95))]) is None


def test_a_picture_is_altered_the_same_way_by_the_same_chance_and_stays_a_picture() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (500, 700, 3), np.uint8)
    made, again = (altered(pixels, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(made, again)
    assert (made.dtype, max(made.shape)) == (np.uint8, 320)


def test_the_area_under_the_curve_is_a_half_by_chance_and_one_where_all_right_ones_score_higher() -> None:
    right = np.array([True, True, False, False])
    assert auc(right, np.array([0.9, 0.8, 0.2, 0.1], np.float32)) == 1.0
    assert auc(right, np.array([0.5, 0.5, 0.5, 0.5], np.float32)) == 0.5
    assert auc(right[:2], np.array([0.5, 0.6], np.float32)) is None


def test_the_judge_is_compared_with_the_network_on_its_candidates_of_which_the_truth_is_known() -> None:
    found = [example(burns=burns, score=score) for burns, score in ((True, 0.3), (False, 0.6), (None, 0.9))]
    of = Examples(found, np.zeros((3, 1), np.float32))
    said = judged(of, "crop", "fire", np.array([2.0, -2.0, 0.0], np.float32))
    assert said == {"there": 1, "not_there": 1, "auc_score": 0.0, "auc_judge": 1.0}
    assert judged(of, "whole", "fire", np.zeros(3, np.float32))["auc_judge"] is None


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads that wait for one another on a busy machine take longer than the sums do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.train
@pytest.mark.usefixtures("one_thread")
def test_a_judge_tells_what_it_was_taught_and_runs_as_it_was_fitted(tmp_path: Path) -> None:
    pooling = Pooling(imagenet_weights())
    of = with_features(pooling, [example(burns=bool(n % 2), scene=f"scene{n % 7}", seed=n) for n in range(24)])
    assert auc(of.there("fire"), of.held_out("crop", "fire")) == 1.0
    row = of.row("crop", "fire", np.ones(len(of.examples), np.bool_))
    never = Row(np.zeros_like(row.weights), -5.0)
    rows: Mapping = {
        (view, name): row if (view, name) == ("crop", "fire") else never for view in VIEWS for name in LABELS
    }
    sha256 = export_judge(pooling, rows, tmp_path / "judge.onnx")
    assert sha256 == hashlib.sha256((tmp_path / "judge.onnx").read_bytes()).hexdigest()
    judge = Judge(Judging("judge.onnx", sha256, LABELS), tmp_path / "judge.onnx", threads=1)
    for burns in (True, False):
        pixels = example(burns=burns, seed=99).pixels
        logit = float(row.logits(pooling.features(pixels)))
        believed = judge.judged(pixels, "crop")
        assert believed["fire"] == pytest.approx(1 / (1 + np.exp(-logit)), abs=0.01)
        assert (believed["fire"] > 0.5) == burns
        assert judge.judged(pixels, "whole")["fire"] == pytest.approx(0.0067, abs=0.001)


@pytest.mark.train
@pytest.mark.usefixtures("one_thread")
def test_the_command_names_the_judge_in_the_card_with_its_licences_and_settles_the_thresholds(
    sample_data: Path, tmp_path: Path
) -> None:
    card, to = tmp_path / "hazard_n.json", tmp_path / "second_look.onnx"
    for file in (shipped.WEIGHTS, shipped.DENSITY, shipped.CUES):
        shutil.copyfile(file, tmp_path / file.name)
    facts = json.loads(shipped.CARD.read_text())
    card.write_text(json.dumps({name: value for name, value in facts.items() if name not in ("judge", "quantised")}))
    words = ["judge", "--sample-data", sample_data, "--to", to, "--card", card, "--licensed-only"]
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    named = json.loads(card.read_text())["judge"]
    assert (named["licensed_only"], named["licences"]) == (True, {"CC0-1.0": 2})
    assert "clear licence" in named["note"]
    assert set(named["raised_on_val"]) == {"with", "without"}
    assert "## The second look's judge" in card.with_suffix(".md").read_text()
    assert open_judge(card, threads=1) is not None


def test_to_keep_a_judge_that_a_card_does_not_name_is_refused(tmp_path: Path) -> None:
    card = tmp_path / "hazard_n.json"
    facts = json.loads(shipped.CARD.read_text())
    card.write_text(json.dumps({name: value for name, value in facts.items() if name != "judge"}))
    for file in shipped.WEIGHTS.parent.glob("*.onnx"):
        shutil.copyfile(file, tmp_path / file.name)
    done = CliRunner().invoke(app, ["judge", "--keep", "--sample-data", str(tmp_path), "--card", str(card)])
    assert (done.exit_code, "judge_missing" in done.output) == (2, True)
