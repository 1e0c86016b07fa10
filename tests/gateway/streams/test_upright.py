"""A film's pictures are turned as a player turns them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.streams.upright import upright
from tests.gateway.film_parts import A_QUARTER_LEFT, A_QUARTER_RIGHT, AS_STORED, UPSIDE_DOWN, to_be_turned

Picture = NDArray[np.uint8]
CORNERS = np.repeat(np.repeat(np.array([[0, 80], [160, 240], [40, 200]], np.uint8), 32, 0), 64, 1)
"""96 by 128, no two corners alike."""


def filmed(path: Path) -> Path:
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=5, options={"crf": "4"})
        stream.height, stream.width = CORNERS.shape
        stream.pix_fmt = "yuv420p"
        film.mux(stream.encode(av.VideoFrame.from_ndarray(CORNERS, "gray")))
        film.mux(stream.encode(None))
    return path


def first_of(path: Path) -> av.VideoFrame:
    with av.open(str(path)) as film:
        return next(film.decode(video=0))


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        (A_QUARTER_LEFT, np.rot90(CORNERS)),
        (UPSIDE_DOWN, np.rot90(CORNERS, 2)),
        (A_QUARTER_RIGHT, np.rot90(CORNERS, 3)),
        ((-1, 0, 0, 1), np.fliplr(CORNERS)),
        ((1, 0, 0, -1), np.flipud(CORNERS)),
        ((0, 1, 1, 0), CORNERS.T),
        ((0, -1, -1, 0), np.rot90(CORNERS, 2).T),
    ],
    ids=["left", "upside_down", "right", "mirrored", "head_over_heels", "lying_mirrored", "lying_mirrored_otherwise"],
)
def test_a_picture_that_lies_is_turned(tmp_path: Path, matrix: tuple[int, int, int, int], shown: Picture) -> None:
    turned = upright(first_of(to_be_turned(filmed(tmp_path / "phone.mp4"), matrix))).to_ndarray(format="gray")
    assert turned.shape == shown.shape
    assert np.abs(turned.astype(int) - shown).max() <= 8


@pytest.mark.parametrize("matrix", [AS_STORED, (0, 0, 0, 0)])
def test_a_picture_that_needs_no_turn_is_itself(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    picture = first_of(to_be_turned(filmed(tmp_path / "film.mp4"), matrix))
    assert upright(picture) is picture
