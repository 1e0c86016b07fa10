"""The judge of the second look: fitted on candidates, exported as it was fitted, and named by the card."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from detectors.judge import SIDE, Judge, open_judge
from detectors.observation import Box, Detection
from detectors.weights import Judging
from models import cli
from models.candidates import Candidate, is_right
from models.classes import FIRE, SMOKE, STALL
from models.judge import KEPT, Pooling, auc, believing_from, examples, export_judge, judged
from models.prepare import COCO_WEIGHTS
from models.sample_data import Sample

PLACE = Box(0.4, 0.4, 0.6, 0.6)


def picture_of(scene: str = "one", complete: tuple[int, ...] = (FIRE, SMOKE, STALL)) -> Sample:
    knows = frozenset(complete)
    return Sample(Path(f"{scene}.jpg"), None, "train", scene, "CC0", "fire", knows, knows)


def candidate(
    *, right: bool, scene: str = "one", label: str = "fire", score: float = 0.5, closer: float = 0.5, seed: int = 0
) -> Candidate:
    """Right ones are orange and ragged, wrong ones grey and even."""
    random = np.random.default_rng(seed)
    pixels = random.integers(90, 120, (SIDE, SIDE, 3), np.uint8)
    if right:
        pixels[30:130, 30:130] = random.integers(0, 255, (100, 100, 1)) * np.array([0.1, 0.5, 1.0])
    return Candidate(picture_of(scene), label, score, closer, right, PLACE, pixels)


def test_what_meets_no_label_is_wrong_only_where_the_labels_have_no_gaps() -> None:
    seen, label = Detection("smoke", 0.5, PLACE), Detection("fire", 1.0, Box(0.4, 0.4, 0.7, 0.7))
    elsewhere = Detection("fire", 1.0, Box(0, 0, 0.1, 0.1))
    assert is_right(seen, picture_of(), [label]) is True
    assert is_right(seen, picture_of(), [elsewhere]) is False
    assert is_right(seen, picture_of(complete=(FIRE,)), [elsewhere]) is None
    assert is_right(seen, picture_of(), [Detection("fire", 1.0, Box(0.55, 0.55, 0.95, 0.95))]) is None


def test_the_area_under_the_curve_is_a_half_by_chance_and_one_where_all_right_ones_score_higher() -> None:
    right = np.array([True, True, False, False])
    assert auc(right, np.array([0.9, 0.8, 0.2, 0.1], np.float32)) == 1.0
    assert auc(right, np.array([0.5, 0.5, 0.5, 0.5], np.float32)) == 0.5
    assert auc(right[:2], np.array([0.5, 0.6], np.float32)) is None


def test_where_it_believes_is_where_nine_of_ten_right_ones_do_that_the_crop_confirms() -> None:
    confirmed = [candidate(right=True) for _ in range(100)]
    others = [candidate(right=True, closer=0.0), candidate(right=False), candidate(right=True, score=0.2)]
    logits = np.concatenate((np.arange(100), [-50.0, -50.0, -50.0])).astype(np.float32)
    begins = believing_from([*confirmed, *others], "fire", logits, 0.3)
    assert (logits[:100] >= begins).mean() == pytest.approx(KEPT, abs=0.01)
    said = judged([*confirmed, *others], "fire", logits - np.float32(begins), 0.3)
    assert (said["confirmed_right"], said["confirmed_wrong"], said["of_those_believed"]) == (100, 1, 0.0)
    assert said["of_them_believed"] == pytest.approx(KEPT, abs=0.01)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads that wait for one another on a busy machine take longer than the sums do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.train
@pytest.mark.usefixtures("one_thread")
def test_a_judge_tells_what_it_was_taught_and_runs_as_it_was_fitted(sample_data: Path, tmp_path: Path) -> None:
    pooling = Pooling(sample_data / "weights" / COCO_WEIGHTS)
    found = [candidate(right=bool(n % 2), scene=f"scene{n % 7}", seed=n) for n in range(24)]
    of = examples(pooling, found, seed=7)
    right = np.array([one.right for one in found])
    assert auc(right, of.held_out("fire")) == 1.0
    row = of.row("fire", np.ones(len(found), np.bool_))
    sha256 = export_judge(pooling, {"fire": row, "smoke": row}, tmp_path / "judge.onnx")
    assert sha256 == hashlib.sha256((tmp_path / "judge.onnx").read_bytes()).hexdigest()
    judge = Judge(Judging("judge.onnx", sha256, ("fire", "smoke")), tmp_path / "judge.onnx", threads=1)
    unseen = [candidate(right=right, seed=99) for right in (True, False)]
    logits = row.logits(pooling.features([one.pixels for one in unseen]))
    for one, logit in zip(unseen, logits, strict=True):
        believed = judge.judged(one.pixels)
        assert believed["fire"] == pytest.approx(1 / (1 + np.exp(-logit)), abs=0.01)
        assert (believed["fire"] > 0.5) == one.right


@pytest.mark.train
@pytest.mark.usefixtures("one_thread")
def test_the_command_names_the_judge_in_the_card_with_its_licences(sample_data: Path, tmp_path: Path) -> None:
    card, to = tmp_path / "hazard_n.json", tmp_path / "second_look.onnx"
    for file in (cli.CARD, cli.WEIGHTS, cli.DENSITY):
        shutil.copyfile(file, tmp_path / file.name)
    words = ["judge", "--sample-data", sample_data, "--to", to, "--card", card, "--licensed-only"]
    done = CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    named = json.loads(card.read_text())["judge"]
    assert (named["licensed_only"], named["licences"]) == (True, {"CC0-1.0": 2})
    assert "clear licence" in named["note"]
    assert "## The second look's judge" in card.with_suffix(".md").read_text()
    assert open_judge(card, threads=1) is not None
