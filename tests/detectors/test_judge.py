"""The judge of the second look: believed only as the card names it, and asked about any picture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.answers import AnswerUnusable
from detectors.card import Judging
from detectors.card_file import load_card
from detectors.engine import open_detector
from detectors.judge import Judge, judge_input, open_judge, part_of
from detectors.networks import DENSITY, WHOLE, Networks, crop_part, open_networks
from detectors.observation import Box
from detectors.refusals import WeightsRefused

MakeWeights = Callable[..., Path]
MakeJudge = Callable[..., bytes]
Picture = NDArray[np.uint8]
HAZARDS = ("fire", "smoke")


def written(folder: Path, data: bytes) -> tuple[Judging, Path]:
    (folder / "judge.onnx").write_bytes(data)
    return Judging("judge.onnx", hashlib.sha256(data).hexdigest(), HAZARDS), folder / "judge.onnx"


def judge(folder: Path, data: bytes) -> Judge:
    return Judge(*written(folder, data), threads=1)


def coloured(height: int, width: int, blue: int, red: int) -> Picture:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, :] = (blue, 0, red)
    return picture


def test_a_crop_is_judged_for_each_hazard(tmp_path: Path, judge_model: MakeJudge) -> None:
    said = judge(tmp_path, judge_model()).judged(coloured(90, 200, blue=51, red=255), "crop")
    assert said == pytest.approx({"fire": 1.0, "smoke": 0.2}, abs=0.01)


def test_a_whole_picture_is_judged_by_rows_of_its_own(tmp_path: Path, judge_model: MakeJudge) -> None:
    said = judge(tmp_path, judge_model()).judged(coloured(90, 200, blue=51, red=255), "whole")
    assert said == pytest.approx({"fire": 0.5, "smoke": 0.1}, abs=0.01)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 4000), (4320, 7680), (224, 224)])
def test_a_crop_of_any_size_is_judged_and_an_all_black_one_too(
    tmp_path: Path, judge_model: MakeJudge, height: int, width: int
) -> None:
    judging = judge(tmp_path, judge_model())
    assert judging.judged(coloured(height, width, 0, 255), "crop")["fire"] == pytest.approx(1, abs=0.01)
    assert set(judging.judged(coloured(height, width, 0, 0), "whole").values()) == {0.0}


@pytest.mark.parametrize("box", [Box(0, 0, 0, 0), Box(1, 1, 1, 1), Box(0.999, 0.2, 1, 0.2001), Box(0, 0, 1, 1)])
@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (90, 160)])
def test_every_part_of_a_picture_has_a_pixel(box: Box, size: tuple[int, int]) -> None:
    part = part_of(np.zeros((*size, 3), np.uint8), box)
    assert min(part.shape) >= 1
    assert judge_input(part).shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"factor": float("nan")}, "weights_answer_nothing_usable"),
        ({"factor": 7.0}, "weights_answer_nothing_usable"),
        ({"hazards": 3}, "weights_answer_nothing_usable"),
        ({"cut": 40}, "weights_unusable"),
    ],
)
def test_a_judge_that_answers_nothing_usable_is_refused_when_it_is_loaded(
    tmp_path: Path, judge_model: MakeJudge, made: dict[str, float], reason: str
) -> None:
    wanted = dict(made)
    cut = int(wanted.pop("cut", 0))
    with pytest.raises(WeightsRefused) as caught:
        judge(tmp_path, judge_model(**wanted)[: -cut or None])
    assert caught.value.reason == reason
    assert "复核模型" in caught.value.zh


def test_a_judge_that_was_exchanged_or_is_not_there_is_refused(tmp_path: Path, judge_model: MakeJudge) -> None:
    judging, file = written(tmp_path, judge_model())
    file.write_bytes(judge_model(0.5))
    with pytest.raises(WeightsRefused, match="weights_damaged"):
        Judge(judging, file, threads=1)
    file.unlink()
    with pytest.raises(WeightsRefused, match="weights_missing"):
        Judge(judging, file, threads=1)


def with_judge(card: Path, data: bytes, **changes: object) -> Path:
    """The card, naming a judge beside it."""
    judging, _ = written(card.parent, data)
    facts = {"weights": judging.weights, "sha256": judging.sha256, "labels": list(HAZARDS), **changes}
    card.write_text(json.dumps(json.loads(card.read_text()) | {"judge": facts}))
    return card


def test_crops_are_judged_and_whole_pictures_with_a_candidate(
    make_weights: MakeWeights, judge_model: MakeJudge
) -> None:
    networks = open_networks("auto", with_judge(make_weights(), judge_model()), threads=1)
    red = coloured(64, 64, 0, 255)
    red[:32] = 0
    assert networks.look(red, crop_part(0)).judged["fire"] == pytest.approx(0.5, abs=0.01)
    assert networks.look(red, WHOLE).judged["fire"] == pytest.approx(0.25, abs=0.01)
    assert not networks.look(coloured(64, 64, 255, 0), WHOLE).judged
    assert not networks.look(red, "tile-1").judged
    assert not networks.look(red, DENSITY).judged
    assert not Networks(networks.detector).look(red, crop_part(0)).judged


def test_a_card_without_a_judge_opens_none(make_weights: MakeWeights) -> None:
    assert open_judge(make_weights(), threads=1) is None


@pytest.mark.parametrize(
    "change",
    [{"weights": "../judge.onnx"}, {"weights": "judge.bin"}, {"labels": ["person"]}, {"labels": []}, {"labels": None}],
)
def test_a_judge_named_wrongly_makes_the_card_invalid(
    make_weights: MakeWeights, judge_model: MakeJudge, change: dict[str, object]
) -> None:
    with pytest.raises(WeightsRefused, match="card_invalid"):
        load_card(with_judge(make_weights(), judge_model(), **change))


def test_an_answer_that_is_none_is_not_taken_for_doubt(tmp_path: Path, judge_model: MakeJudge) -> None:
    judging = judge(tmp_path, judge_model())
    judging._run = lambda tensor: np.full((1, 2, 2), np.nan, np.float32)  # what a broken runtime computes later
    with pytest.raises(AnswerUnusable):
        judging.judged(coloured(9, 9, 0, 0), "crop")


def test_a_fire_is_seen_though_its_judge_answers_with_nothing_usable(
    tmp_path: Path, make_weights: MakeWeights, judge_model: MakeJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging = judge(tmp_path, judge_model())
    monkeypatch.setattr(judging, "_run", lambda _tensor: np.full((1, 2, 2), np.nan, np.float32))
    networks = Networks(open_detector("auto", make_weights(), 1), judge=judging)
    picture = coloured(64, 64, 0, 0)
    picture[:16, :16] = (0, 0, 255)
    for part in (WHOLE, crop_part(0)):
        seen = networks.look(picture, part)
        assert [one.label for one in seen.detections] == ["fire"]
        assert not seen.judged
