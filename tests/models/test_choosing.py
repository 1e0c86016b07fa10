"""Weights that only pictures with a clear licence taught are calibrated on such, and their thresholds chosen by such;
where they are too few, the card says so."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.observation import Box, Detection
from models import calibration, precision, release, shipped
from models.card import write_card
from models.choosing import ENOUGH, TWICE
from models.evaluate import Seen
from models.origin import CLEAR
from models.sample_data import Sample
from models.thresholds import fire_judged

ALL = frozenset(range(4))
UNCLEAR_SCORE, CLEAR_SCORE = 0.2, 0.6
"""Of what is seen in pictures of either licence: by which a threshold was chosen shows in it."""
CLEAR_LICENCE, UNCLEAR_LICENCE = "CC0-1.0", "unknown (web photos)"


def nothing_said(_what: str, _done: int, _of: int) -> None:
    pass


def seen(name: str, *labels: str, clear: bool) -> Seen:
    box = Box(0.2, 0.2, 0.4, 0.4)
    licence, score = (CLEAR_LICENCE, CLEAR_SCORE) if clear else (UNCLEAR_LICENCE, UNCLEAR_SCORE)
    sample = Sample(Path(name), None, "val", name, licence, "fire", ALL, ALL)
    labelled = tuple(Detection(label, 1.0, box) for label in labels)
    found = tuple(Detection(label, score, box) for label in ("fire", "smoke", "stall"))
    return Seen(sample, labelled, found)


def val(clear: int, unclear: int = 30) -> dict[str, list[Seen]]:
    """So many pictures of fire and smoke of either licence; none shows a stall, in all one is seen."""
    pictures = [seen("clear", "fire", "smoke", clear=True)] * clear
    pictures += [seen("unclear", "fire", "smoke", clear=False)] * unclear
    return {"fire": pictures, "stall": [], "coco": [], "crowd": []}


def card_of(folder: Path, licences: Mapping[str, int]) -> Path:
    facts: dict[str, Any] = json.loads(shipped.CARD.read_text(encoding="utf-8"))
    facts = {name: value for name, value in facts.items() if name not in ("density", "judge", "cues", "quantised")}
    origin = facts["trained_from"] | {"licences": {"train": dict(licences), "val": {}, "test": {}}}
    (folder / "clear.onnx").write_bytes(shipped.WEIGHTS.read_bytes())
    write_card(facts | {"trained_from": origin}, folder / "clear.json")
    return folder / "clear.json"


def chosen(card: Path, of_val: dict[str, list[Seen]], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The card after ``gateway models thresholds``, where the network sees on val what is given here."""
    monkeypatch.setattr(release, "open_profile", lambda _card: None)
    monkeypatch.setattr(release, "look", lambda *_: of_val)
    monkeypatch.setattr(release, "gatherings_of_train", lambda *_: [])
    monkeypatch.setattr(release, "with_figures", lambda facts, to, *_: write_card(facts, to))
    release.choose_thresholds(card, card.parent, nothing_said)
    told: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
    return told


def test_thresholds_of_a_licensed_only_run_are_chosen_by_pictures_with_a_clear_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were chosen by pictures of any licence, and the card told nothing of it."""
    card = card_of(tmp_path, {CLEAR_LICENCE: 9})
    told = chosen(card, val(clear=ENOUGH), monkeypatch)
    thresholds = told["thresholds"]
    assert (thresholds["fire"], thresholds["smoke"]) == (CLEAR_SCORE, CLEAR_SCORE)
    assert thresholds["stall"] == pytest.approx(CLEAR_SCORE, abs=0.02)
    assert told["chosen_on"] == {
        "person": {"clear": 0, "unclear": 0},
        **{name: {"clear": ENOUGH, "unclear": 0} for name in ("fire", "smoke", "stall")},
    }
    assert told["note"] == CLEAR
    assert f"| the threshold of fire | {ENOUGH} | 0 |" in card.with_suffix(".md").read_text()


def test_where_those_are_too_few_all_choose_and_the_first_line_of_the_card_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = card_of(tmp_path, {CLEAR_LICENCE: 9})
    told = chosen(card, val(clear=ENOUGH - 1), monkeypatch)
    assert told["thresholds"]["fire"] == UNCLEAR_SCORE
    assert told["chosen_on"]["fire"] == {"clear": ENOUGH - 1, "unclear": 30}
    for text in (told["note"], card.with_suffix(".md").read_text()):
        assert text.startswith(CLEAR)
        assert "to choose the threshold of fire, the threshold of smoke" in text
        assert "火焰阈值、烟雾阈值" in text


def test_other_runs_choose_by_all_pictures_and_say_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = card_of(tmp_path, {CLEAR_LICENCE: 9, UNCLEAR_LICENCE: 1})
    told = chosen(card, val(clear=ENOUGH), monkeypatch)
    assert told["thresholds"]["fire"] == UNCLEAR_SCORE
    assert "chosen_on" not in told


@pytest.mark.parametrize(("clear", "threshold"), [(TWICE, CLEAR_SCORE), (TWICE - 1, UNCLEAR_SCORE)])
def test_nineteen_of_twenty_fires_are_told_by_twenty_with_a_clear_licence(clear: int, threshold: float) -> None:
    assert fire_judged(val(clear)["fire"], licensed_only=True)[0] == threshold


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve pictures of fire and of streets each in train and val, every other one without a clear licence, but of the
    streets in train only one with it."""
    folder = tmp_path / "data"
    rows = [["file", "split", "scene", "licence", "note"]]
    for kind in ("fire", "coco"):
        (folder / kind / "images").mkdir(parents=True)
        (folder / kind / "labels").mkdir()
        for number in range(48):
            name = f"{kind}/images/efs_{number}.jpg"
            assert cv2.imwrite(str(folder / name), np.zeros((32, 32, 3), np.uint8))
            labels = ("0 .5 .5 .2 .2", "1 .5 .5 .2 .2") if kind == "fire" else ("0 .5 .5 .2 .2",)
            (folder / kind / "labels" / f"efs_{number}.txt").write_text("\n".join(labels))
            split = "train" if number < 24 else "val"
            clear = number % 2 == 0 if (kind, split) != ("coco", "train") else number == 0
            rows.append([name, split, f"{kind}{number}", CLEAR_LICENCE if clear else UNCLEAR_LICENCE, ""])
    with (folder / "MANIFEST.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)
    return folder


class Stop(Exception):
    """What comes of it is told elsewhere."""


@pytest.mark.parametrize(
    ("licences", "unclear_fires", "unclear_streets"),
    [({CLEAR_LICENCE: 9}, 0, 23), ({CLEAR_LICENCE: 9, UNCLEAR_LICENCE: 1}, 12, 23)],
)
def test_integers_of_a_licensed_only_run_are_bounded_by_pictures_with_a_clear_licence(
    tmp_path: Path,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    licences: dict[str, int],
    unclear_fires: int,
    unclear_streets: int,
) -> None:
    shown: list[Path] = []

    def read(path: Path) -> NDArray[np.uint8]:
        shown.append(path)
        return np.zeros((32, 32, 3), np.uint8)

    def stop(*_: object) -> str:
        raise Stop

    monkeypatch.setattr(precision, "multiplies_bytes", lambda: True)
    monkeypatch.setattr(calibration, "read_picture", read)
    monkeypatch.setattr(precision, "quantise", stop)
    with pytest.raises(Stop):
        release.choose_precision(card_of(tmp_path, licences), pictures, nothing_said)
    unclear = {"fire": unclear_fires, "coco": unclear_streets}
    for kind, count in unclear.items():
        of_kind = [int(path.stem.removeprefix("efs_")) for path in shown if path.parts[-3] == kind]
        clear_ones = [number for number in of_kind if (number % 2 == 0 if kind == "fire" else number == 0)]
        assert len(of_kind) - len(clear_ones) == count


def test_precision_is_measured_on_such_as_well_and_the_card_says_by_how_many_it_was_chosen(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Sample] = []

    def measured(_cards: object, _file: object, fires: list[Sample], people: list[Sample], _say: object) -> Any:
        shown.extend((*fires, *people))
        of = {"fire": 0.5, "smoke": 0.5, "person": 0.5}
        return {name: {"processor_ms": ms, **of} for name, ms in (("fp32", 60.0), ("bf16", 30.0), ("int8", 20.0))}

    def quantise(_fp32: Path, to: Path, *_: object) -> str:
        to.write_bytes(b"in integers")
        return "ab" * 32

    monkeypatch.setattr(precision, "multiplies_bytes", lambda: True)
    monkeypatch.setattr(precision, "quantise", quantise)
    monkeypatch.setattr(precision, "_measured", measured)
    monkeypatch.setattr(release, "with_figures", lambda facts, to, *_: write_card(facts, to))
    card = card_of(tmp_path, {CLEAR_LICENCE: 9})
    release.choose_precision(card, pictures, nothing_said)
    assert {one.licence for one in shown} == {CLEAR_LICENCE}
    told = json.loads(card.read_text(encoding="utf-8"))
    assert told["chosen_on"] == {
        "bounds_fire": {"clear": 12, "unclear": 0},
        "bounds_others": {"clear": 1, "unclear": 23},
        **{f"precision_{name}": {"clear": 12, "unclear": 0} for name in ("fire", "smoke", "person")},
    }
    assert "the bounds of int8, on the rest" in told["note"]
    # Where bytes cannot be computed, those before stay, and what they were bounded by stays told.
    monkeypatch.setattr(precision, "multiplies_bytes", lambda: False)
    monkeypatch.setattr(
        precision, "_measured", lambda *about: {n: v for n, v in measured(*about).items() if n != "int8"}
    )
    release.choose_precision(card, pictures, nothing_said)
    again = json.loads(card.read_text(encoding="utf-8"))
    assert (again["quantised"], again["chosen_on"]) == (told["quantised"], told["chosen_on"])


def test_what_fewer_bits_cost_smoke_is_not_measured_on_pictures_that_show_none(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On such nothing is lost, whatever the bits."""
    for number in range(24, 48, 2):  # the clear ones of val
        (pictures / "fire" / "labels" / f"efs_{number}.txt").write_text("0 .5 .5 .2 .2")
    shown: list[Sample] = []

    def measured(_cards: object, _file: object, fires: list[Sample], *_: object) -> Any:
        shown.extend(fires)
        return {"fp32": {"processor_ms": 60.0, "fire": 0.5, "smoke": 0.5, "person": 0.5}}

    monkeypatch.setattr(precision, "multiplies_bytes", lambda: False)
    monkeypatch.setattr(precision, "_measured", measured)
    words = precision.choose(
        card_of(tmp_path, {}).with_suffix(".onnx"), (64, 64), pictures, nothing_said, licensed_only=True
    )
    assert len(shown) == 24
    assert words["chosen_on"]["precision_smoke"] == {"clear": 0, "unclear": 12}
