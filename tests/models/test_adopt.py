"""YOLO files from elsewhere, made here from their descriptions: their card is made, or it is said why not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from detectors.card_file import load_card
from detectors.engine import open_detector
from detectors.refusals import WeightsRefused
from detectors.sees import hazards_of
from models.adopt import adopt
from models.cli.main import app

# One process loads torch, which takes its time on a busy machine.
pytestmark = [pytest.mark.train, pytest.mark.xdist_group("adopt"), pytest.mark.timeout(300)]

STREET = np.random.default_rng(5).integers(0, 255, (240, 426, 3), np.uint8)
MakeYolo = Callable[..., Path]


def coco() -> tuple[str, ...]:
    from ultralytics.utils import ROOT, YAML

    return tuple(YAML.load(ROOT / "cfg" / "datasets" / "coco.yaml")["names"].values())


@pytest.fixture
def make_yolo(tmp_path: Path) -> MakeYolo:
    """An untrained YOLO that takes everything for its first class."""
    from models.torchvision_ops import register

    register()
    from ultralytics import YOLO

    def make(description: str = "yolo11n.yaml", names: Sequence[str] | None = None) -> Path:
        made = YOLO(description, verbose=False)
        named = coco() if names is None else (*names, *(f"thing{n}" for n in range(80 - len(names))))
        made.model.names = dict(enumerate(named))
        head = made.model.model[-1]
        for branches in (head.cv3, getattr(head, "one2one_cv3", None)) if description != "yolo11n-cls.yaml" else ():
            for branch in branches or ():
                branch[-1].bias.data[0] = 2.0
        path = tmp_path / "elsewhere.pt"
        made.save(path)
        return path

    return make


@pytest.mark.parametrize("description", ["yolov8n.yaml", "yolo26n.yaml"])
def test_a_yolo_file_of_cocos_classes_sees_people_and_says_that_it_knows_no_fire(
    make_yolo: MakeYolo, description: str
) -> None:
    weights = make_yolo(description)
    said = CliRunner().invoke(app, ["adopt", str(weights), "--threshold", "0.4", "--licence", "AGPL-3.0"])
    assert said.exit_code == 0, said.output
    assert [line for line in said.output.splitlines() if ": " in line] == [
        "fire: 不能识别 not told",
        "crowd: 可识别 told",
        "stall: 不能识别 not told",
    ]
    card = load_card(weights.with_suffix(".json"))
    assert card.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert (card.weights, card.licence, card.input_size) == ("elsewhere.pt", "AGPL-3.0", (640, 640))
    assert set(card.thresholds.values()) == {0.4}
    assert hazards_of(card) == {"crowd"}
    found = open_detector("auto", weights.with_suffix(".json")).detect(STREET)
    assert {one.label for one in found} == {"person"}
    assert len(found) > 5


def test_a_file_that_is_cut_short_is_refused_and_leaves_no_card(make_yolo: MakeYolo) -> None:
    weights = make_yolo()
    weights.write_bytes(weights.read_bytes()[:100_000])
    with pytest.raises(WeightsRefused, match="weights_unusable"):
        adopt(weights, threshold=0.25, licence="unknown")
    assert [file.name for file in weights.parent.iterdir()] == [weights.name]


@pytest.mark.parametrize(
    ("description", "names", "reason"),
    [
        ("yolo11n.yaml", ("cat", "dog"), "weights_see_nothing"),
        ("yolo11n-seg.yaml", None, "weights_no_detector"),
        ("yolo11n-cls.yaml", None, "weights_no_detector"),
    ],
)
def test_a_file_that_can_watch_nothing_is_refused(
    make_yolo: MakeYolo, description: str, names: Sequence[str] | None, reason: str
) -> None:
    with pytest.raises(WeightsRefused, match=reason):
        adopt(make_yolo(description, names), threshold=0.25, licence="unknown")


def test_a_card_that_an_operator_settled_is_not_overwritten(make_yolo: MakeYolo) -> None:
    weights = make_yolo()
    path = adopt(weights, threshold=0.25, licence="unknown")
    facts = json.loads(path.read_text()) | {"name": "settled"}
    path.write_text(json.dumps(facts))
    said = CliRunner().invoke(app, ["adopt", str(weights)])
    assert said.exit_code == 2
    assert "card_exists" in said.output
    assert load_card(path).name == "settled"
