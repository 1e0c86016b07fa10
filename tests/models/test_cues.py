"""The finder of a stall's parts is COCO's network with fewer rows, and the card names it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from detectors.cues import open_cues
from detectors.rules.cues import CUES, GOODS, VEHICLES
from models import shipped
from models.cli.main import app
from models.cues import CLASSES
from models.origin import COCO, IMAGENET
from models.prepare import COCO_WEIGHTS


@pytest.mark.train
def test_the_command_keeps_what_coco_taught_of_the_parts_that_count_and_names_it_in_the_card(
    sample_data: Path, tmp_path: Path
) -> None:
    card, to = tmp_path / shipped.CARD.name, tmp_path / shipped.CUES.name
    shutil.copyfile(shipped.CARD, card)
    words = ["cues", "--sample-data", sample_data, "--to", to, "--card", card]
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    made, before = (json.loads(path.read_text())["cues"] for path in (card, shipped.CARD))
    assert made.pop("pretrained_on") == [COCO, IMAGENET]
    assert made | {"sha256": ""} == before | {"sha256": ""}
    assert f"`{to.name}`" in card.with_suffix(".md").read_text()
    assert open_cues(card, threads=1) is not None

    picture = np.random.default_rng(4).random((1, 3, 640, 640), np.float32)
    answers = {
        file: onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"images": picture})[0]
        for file in (sample_data / "weights" / COCO_WEIGHTS, to)
    }
    whole, ours = (np.asarray(answer)[0] for answer in answers.values())
    assert ours == pytest.approx(whole[[0, 1, 2, 3, *(4 + number for number in CLASSES)]], rel=0.02, abs=0.05)


def test_its_classes_are_parts_of_a_stall_and_vehicles() -> None:
    names = {name for _, name in CLASSES.values()}
    assert names <= CUES | VEHICLES
    assert GOODS in names
    assert "table" not in names, "a café's terrace has tables, too"
