"""What ImageNet taught of markets, beside the finder of a stall's parts: the same answers as its own network gives."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn import functional

from detectors.cues import open_cues
from models import shipped
from models.market import AROUND, MARKET, SIDE, market_scenes

DATA = Path(os.environ.get("GATEWAY_SAMPLE_DATA") or "/nowhere")


@pytest.mark.train
@pytest.mark.parametrize("size", [(224, 224), (384, 640), (SIDE, 3 * SIDE)])
def test_the_shipped_file_says_of_every_size_what_imagenets_network_says(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(4).random((1, 3, *size), np.float32)
    session = onnxruntime.InferenceSession(shipped.CUES, providers=["CPUExecutionProvider"])
    _, said = session.run(None, {"images": picture})
    with torch.no_grad():
        meant = market_scenes().eval()(torch.from_numpy(picture)).numpy()
    assert np.asarray(said).shape == (1, 2, size[0] // SIDE, size[1] // SIDE)
    assert np.asarray(said)[0, 1] == pytest.approx(meant[0, 1], abs=0.05)
    assert np.asarray(said)[0, 0] == pytest.approx(meant[0, 0], abs=0.02)


@pytest.mark.train
def test_where_one_place_is_the_whole_picture_it_is_imagenets_own_answer() -> None:
    """Pooled over as many places as the map has, that is what the thousand classes were taught by."""
    network = market_scenes().eval()
    picture = torch.rand(1, 3, SIDE * AROUND, SIDE * AROUND, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        pooled = network._network.map(picture).mean((2, 3))
        classes = torch.softmax(
            functional.linear(pooled, network._classes.weight[:, :, 0, 0], network._classes.bias), 1
        )
        assert float(network(picture)[0, 0, 1, 1]) == pytest.approx(float(classes[0, MARKET]), rel=1e-4)


def test_of_real_pictures_market_stalls_are_told_and_no_street_is() -> None:
    """The stalls are those that count in no figure, as boxes are drawn into them."""
    if not (DATA / "MANIFEST.tsv").is_file():
        pytest.skip("no sample data")
    finder = open_cues(shipped.CARD, threads=1)
    assert finder is not None
    with (DATA / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["file"].startswith("stall/images/")]
    streets = [row["file"] for row in rows if row["split"] in ("train", "val")]
    drawn_into = [row for row in rows if row["split"] == "test-image-level"]
    markets = [row["file"] for row in drawn_into if "market stalls" in row["note"] or "vegetable" in row["note"]]
    assert len(streets) == 16
    assert len(markets) == 2
    told = {
        file: any(one.label == "stall" for one in finder.find(cv2.imread(str(DATA / file))))
        for file in streets + markets
    }
    assert [file for file in streets if told[file]] == []
    assert [file for file in markets if not told[file]] == []
