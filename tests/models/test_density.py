"""The counter of dense crowds: what it learns from, that it learns, and that the card names what was exported."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from detectors.density import open_density
from models import crowd_pictures, shipped
from models.cli.main import app
from models.crowd_pictures import CrowdPicture, cells, crop, disturbed
from models.density import block_loss, mean_errors
from models.sample_data import read_samples

CROP = (128, 192)
"""Height and width in px: less than is learnt from, so that it takes seconds."""


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Threads that wait for one another on a busy machine take longer than the sums do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def dotted(size: tuple[int, int], people: int, seed: int = 0) -> CrowdPicture:
    """White dots on black, one for each head, none at the border."""
    height, width = size
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.uint8)
    places = random.uniform(0.1, 0.9, (people, 2))
    for x, y in places * (width, height):
        cv2.circle(picture, (int(x), int(y)), max(3, width // 60), (255, 255, 255), -1)
    return CrowdPicture(f"shtB_{seed}", picture, places)


def test_everybody_inside_is_counted_once_also_at_the_border_and_nobody_outside() -> None:
    places = np.array([[0.0, 0.0], [7.9, 5.9], [3.5, 2.5], [8.1, 1.0], [-0.1, 1.0], [2.0, 6.0]])
    assert cells(places, (6, 8), (8.0, 6.0)).sum() == pytest.approx(3)
    assert cells(places, (6, 12), (8.0, 6.0)).sum() == pytest.approx(3)  # what lies right of the picture is no picture


@pytest.mark.parametrize("size", [(768, 1024), (40, 60), (2000, 300)])
def test_a_crop_of_any_picture_has_one_size_and_its_people_are_where_they_are_seen(size: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    picture = dotted(size, 30)
    for _ in range(6):
        shown, density = crop(picture, random)
        assert shown.shape == (3, *crowd_pictures.CROP)
        assert density.shape == (crowd_pictures.CROP[0] // 8, crowd_pictures.CROP[1] // 8)
        bright = cv2.resize(shown.mean(axis=0), density.shape[::-1], interpolation=cv2.INTER_AREA)
        near = cv2.dilate(bright, np.ones((5, 5)))
        where = density > 0.3
        assert (near[where] > np.median(bright)).mean() > 0.9 if where.any() else density.sum() < 30


def test_crowds_are_shown_softer_and_sharper_than_they_are_so_that_focus_makes_nobody_more_or_less() -> None:
    """A counter that had seen pictures of one camera alone missed a third of the people in them when they were soft."""
    random = np.random.default_rng(5)
    picture = np.asarray(dotted((200, 300), 40).picture // 3 + 80, np.uint8)

    def sharpness(shown: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
        return float(cv2.Laplacian(shown, cv2.CV_64F).var() / max(1.0, float(shown.var())))

    shares = [sharpness(disturbed(picture, random)) / sharpness(picture) for _ in range(80)]
    assert sum(share < 0.6 for share in shares) > 8
    assert sum(share > 1.2 for share in shares) > 4


def test_the_loss_is_least_where_the_counts_are_right_so_that_the_sum_has_no_bias() -> None:
    truth = torch.from_numpy(cells(np.random.default_rng(1).uniform(0, 16, (40, 2)), (16, 16), (16.0, 16.0)))[None]
    at = [float(block_loss(truth * factor, truth)) for factor in (0.8, 0.9, 1.0, 1.1, 1.2)]
    assert min(at) == at[2]


def test_the_error_is_told_by_source_with_its_bias_and_on_how_many_pictures() -> None:
    found = {"shtB_1": (100, 90.0), "shtB_2": (100, 120.0), "ind_1": (5, 4.0)}
    assert mean_errors(found) == {
        "ind": {"pictures": 1, "mean_error": -1.0, "mean_absolute_error": 1.0},
        "shtB": {"pictures": 2, "mean_error": 5.0, "mean_absolute_error": 15.0},
    }


def with_crowds(folder: Path) -> list[CrowdPicture]:
    """Drawn crowds of 12 people, named in the manifest."""
    for kind in ("images", "points"):
        (folder / "crowd" / kind).mkdir(parents=True)
    pictures = [dotted((192, 288), 12, seed) for seed in range(6)]
    with (folder / "MANIFEST.tsv").open("a", newline="") as file:
        for one in pictures:
            cv2.imwrite(str(folder / "crowd" / "images" / f"{one.name}.png"), one.picture)
            points = {"count": len(one.places), "points": (one.places * (288, 192)).tolist()}
            (folder / "crowd" / "points" / f"{one.name}.json").write_text(json.dumps(points))
            csv.writer(file, delimiter="\t").writerow(
                [f"crowd/images/{one.name}.png", "train", one.name, "CC0-1.0", ""]
            )
    return pictures


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.train
@pytest.mark.usefixtures("one_thread")
def test_the_command_teaches_a_counter_and_names_it_in_the_card(
    sample_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd_pictures, "CROP", CROP)
    with_crowds(sample_data)
    assert sum(one.folder == "crowd" for one in read_samples(sample_data)) == 6
    card, to = tmp_path / "hazard_n.json", tmp_path / "crowd_density.onnx"
    shutil.copyfile(shipped.CARD, card)
    words = ("density", "--sample-data", sample_data, "--to", to, "--card", card, "--folds", 3, "--turns", 1)
    run(*words, "--steps", 30)
    named = json.loads(card.read_text())["density"]
    assert named["cross_validated"]["shtB"]["pictures"] == 2
    counter = open_density(card, threads=1)
    assert counter is not None
    empty, crowd = np.zeros((768, 1024, 3), np.uint8), dotted((768, 1024), 40, 9).picture
    assert float(counter.map(crowd).sum()) > 2 * float(counter.map(empty).sum())
    assert counter.map(crowd).shape == (96, 128)
    assert f"sha256 `{named['sha256']}`" in card.with_suffix(".md").read_text()


@pytest.mark.train
def test_without_crowds_nothing_is_written(sample_data: Path, tmp_path: Path) -> None:
    card, to = tmp_path / "hazard_n.json", tmp_path / "crowd_density.onnx"
    shutil.copyfile(shipped.CARD, card)
    before = card.read_bytes()
    words = ["density", "--sample-data", sample_data, "--to", to, "--card", card, "--turns", 0]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert (done.exit_code, "crowds_missing" in done.output) == (2, True)
    assert card.read_bytes() == before
    assert not to.exists()
