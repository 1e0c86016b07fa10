"""What a camera's scene looks like is learned anew where it is told to be, and nowhere else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from gateway.streams.ring import ClipRing
from gateway.workers.camera.picture_watch import PictureWatch


@pytest.fixture
def watch() -> PictureWatch:
    """It stands at the gate, and knows the yard too."""
    watch = PictureWatch(cast(ClipRing, None), cast(ThreadPoolExecutor, None), lambda _preset, _scene: None, "gate")
    cast(Any, watch)._judge.scenes = {"gate": "a gate", "yard": "a yard"}
    return watch


@pytest.mark.parametrize(
    ("preset", "left"), [(None, {"yard"}), ("gate", {"yard"}), ("yard", {"gate"}), ("of nobody", {"gate", "yard"})]
)
def test_the_scene_of_the_preset_that_is_named_is_forgotten_or_that_of_where_it_stands(
    watch: PictureWatch, preset: str | None, left: set[str]
) -> None:
    watch.learn_anew(preset)
    assert set(cast(Any, watch)._judge.scenes) == left
    assert cast(Any, watch)._turned is (preset in (None, "gate"))
