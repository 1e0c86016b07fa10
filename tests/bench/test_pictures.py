"""The bench of still pictures before folders that others bring: it ends with figures, and says what they are of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bench import pictures as bench
from detectors.card_file import load_card
from detectors.engine import Detector
from detectors.observation import Box, Detection
from models import shipped
from models.figures import Profile

FLAME = "0 0.5 0.5 0.2 0.2"


class Fixed(Profile):
    """Sees a flame wherever it is bright in the middle of a picture, and nobody."""

    __slots__ = ()

    def look(self, picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
        bright = picture[picture.shape[0] // 2, picture.shape[1] // 2].mean() > 128
        return (Detection("fire", 0.9, Box(0.4, 0.4, 0.6, 0.6)),) if bright else ()

    look_twice = with_cues = look


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures of fire, and two of a gathering."""
    network = cast(Detector, SimpleNamespace(precision="of none"))
    monkeypatch.setattr(bench, "open_profile", lambda _: Fixed(load_card(shipped.CARD), network, None))
    monkeypatch.setenv("DATA", str(tmp_path))
    for kind, beside in (("fire", "labels"), ("crowd", "points")):
        (tmp_path / kind / "images").mkdir(parents=True)
        (tmp_path / kind / beside).mkdir()
    for name, grey, label in (("burning", 255, FLAME), ("quiet", 0, "")):
        cv2.imwrite(str(tmp_path / "fire" / "images" / f"{name}.png"), np.full((20, 20, 3), grey, np.uint8))
        (tmp_path / "fire" / "labels" / f"{name}.txt").write_text(label)
    for name in ("one", "two"):
        cv2.imwrite(str(tmp_path / "crowd" / "images" / f"{name}.png"), np.zeros((20, 20, 3), np.uint8))
        (tmp_path / "crowd" / "points" / f"{name}.json").write_text('{"points": [[4, 5], [9, 9]]}')
    return tmp_path


def figures() -> Mapping[str, Any]:
    return asyncio.run(bench.pictures()).figures


def test_the_figures_say_of_how_many_pictures_they_are(folder: Path) -> None:
    found = figures()
    assert (found["fire_map50"], found["hard_negative_fire_share"], found["gathering_mae"]) == (1.0, 0.0, 2.0)
    assert {name: found[name] for name in found if name in COUNTED} == COUNTED
    assert not (folder / "MANIFEST.tsv").exists()


COUNTED = {
    "fire_pictures": 2,
    "fire_pictures_with_fire": 1,
    "fire_pictures_with_smoke": 0,
    "hard_negatives": 1,
    "stall_pictures": 0,
    "stall_pictures_with_stall": 0,
    "coco_pictures": 0,
    "coco_people": 0,
    "gatherings": 2,
    "dense_crowds": 0,
    "pictures_without_label_file": 0,
    "pictures_left_out": 0,
}


def test_pictures_that_cannot_be_judged_are_left_out_and_counted_and_the_others_judged(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged one ended the bench in a traceback, hours after it had begun."""
    for name in ("damaged.jpg", "empty.jpg"):
        (folder / "fire" / "images" / name).write_bytes(b"" if name == "empty.jpg" else b"\xff\xd8 no more")
    (folder / "fire" / "images" / "Thumbs.db").touch()
    (folder / "crowd" / "points" / "two.json").unlink()
    found = figures()
    assert (found["fire_pictures"], found["gatherings"], found["pictures_left_out"]) == (2, 1, 3)
    assert (found["fire_map50"], found["hard_negative_fire_share"]) == (1.0, 0.0)
    said = capsys.readouterr().err
    assert all(name in said for name in ("damaged.jpg", "empty.jpg", "Thumbs.db", "crowd/images/two.png"))


@pytest.mark.parametrize(
    ("file", "text"),
    [("fire/labels/quiet.txt", "7 0.5 0.5 0.1 0.1"), ("crowd/points/two.json", "{}"), ("MANIFEST.tsv", "file\tsplit")],
)
def test_a_fault_beside_the_pictures_is_named_and_nothing_is_judged(
    folder: Path, capsys: pytest.CaptureFixture[str], file: str, text: str
) -> None:
    (folder / file).write_text(text)
    assert set(figures().values()) == {None}
    said = capsys.readouterr().err
    assert "nothing judged: " in said
    assert str(folder / file) in said


def test_a_folder_without_pictures_or_none_at_all_has_no_figures(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for data in (folder / "nowhere", folder / "fire"):
        monkeypatch.setenv("DATA", str(data))
        found = asyncio.run(bench.pictures())
        assert {name: found.figures[name] for name in bench.TARGETS} == dict.fromkeys(bench.TARGETS)
        assert not found.holds
        assert f"no test pictures that can be judged in {data}" in capsys.readouterr().err


def test_a_folder_of_crowds_alone_is_judged_by_them_alone(folder: Path) -> None:
    (folder / "fire").rename(folder / "elsewhere")
    found = figures()
    assert (found["gathering_mae"], found["fire_map50"], found["hard_negatives"]) == (2.0, None, 0)
