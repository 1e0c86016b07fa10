"""Flames cut out of pictures and laid into others."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.classes import FIRE, SMOKE, STALL
from models.flames import Flame, cut_flames, lay_in
from models.sample_data import Sample

EVERYTHING = frozenset({FIRE, SMOKE, STALL})


def fire_picture(folder: Path, name: str, around: int) -> Sample:
    """A flame of 60×80 px in the middle of 200×160 px, what surrounds it this bright."""
    picture = np.full((160, 200, 3), around, np.uint8)
    cv2.ellipse(picture, (100, 80), (28, 38), 0, 0, 360, (30, 150, 250), -1)
    path, labels = folder / f"{name}.jpg", folder / f"{name}.txt"
    cv2.imwrite(str(path), picture)
    labels.write_text("0 0.5 0.5 0.3 0.5")
    return Sample(path, labels, "train", name, "CC0", "fire", EVERYTHING, EVERYTHING)


def test_a_flame_that_stands_out_is_cut_along_its_own_outline(tmp_path: Path) -> None:
    [flame] = cut_flames([fire_picture(tmp_path, "xia_1", around=20)])
    assert flame.opacity.shape == pytest.approx((77, 57), abs=6)
    assert flame.opacity[38, 28] == pytest.approx(1)
    assert flame.opacity[0, 0] == pytest.approx(0, abs=0.1)


def test_what_is_as_bright_as_its_surroundings_is_not_cut(tmp_path: Path) -> None:
    assert cut_flames([fire_picture(tmp_path, "xia_1", around=220)]) == []


def test_pictures_with_coarse_boxes_give_no_flames(tmp_path: Path) -> None:
    assert cut_flames([fire_picture(tmp_path, "abo_1", around=20)]) == []


@pytest.mark.parametrize("seed", range(8))
def test_a_flame_lies_where_its_box_says_and_lights_what_is_round_it(seed: int) -> None:
    street = np.full((240, 320, 3), 60, np.uint8)
    flame = Flame(np.full((80, 50, 3), (10, 120, 250), np.float32), np.ones((80, 50), np.float32))
    burning, (x1, y1, x2, y2) = lay_in(street, flame, np.random.default_rng(seed))
    assert burning.shape == street.shape
    assert (street == 60).all()
    assert 0 <= x1 < x2 <= 1
    assert 0 <= y1 < y2 <= 1
    assert 0.03 < y2 - y1 < 0.32
    within = burning[round(y1 * 240) : round(y2 * 240), round(x1 * 320) : round(x2 * 320)]
    assert within[:, :, 2].mean() > 200
    without = burning.copy()
    without[round(y1 * 240) - 5 : round(y2 * 240) + 5, round(x1 * 320) - 5 : round(x2 * 320) + 5] = 60
    assert without[:, :, 2].max() <= 120, "nothing burns outside the box"
