"""Rejected alerts taken into a prepared set: those of the folder as it is now, and no others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.feedback import LICENCE, FeedbackUnusable, take_in


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    for split in ("images/train", "labels/train"):
        (tmp_path / "set" / split).mkdir(parents=True)
    (tmp_path / "set" / "images" / "train" / "own.jpg").write_bytes(b"own")
    (tmp_path / "set" / "licences.json").write_text(json.dumps({"pictures": {}, "licences": {"train": {}}}))
    return tmp_path / "set"


def rejected(folder: Path, *alerts: str) -> Path:
    for kind, suffix in (("images", "jpg"), ("labels", "txt")):
        (folder / kind).mkdir(parents=True)
        for alert in alerts:
            (folder / kind / f"feedback_{alert}@person+stall.{suffix}").write_text("")
    return folder


def told(prepared: Path) -> int:
    facts = json.loads((prepared / "licences.json").read_text())
    return int(facts["licences"]["train"][LICENCE])


def test_what_was_taken_in_before_and_is_no_negative_any_more_is_trained_on_no_more(
    prepared: Path, tmp_path: Path
) -> None:
    """It stayed in the set, and the card told of fewer pictures than there were."""
    assert take_in(rejected(tmp_path / "first", "a", "b"), prepared) == 2
    assert take_in(rejected(tmp_path / "then", "b"), prepared) == 1
    lying = {path.name for path in (prepared / "images" / "train").iterdir()}
    assert lying == {"own.jpg", "feedback_b@person+stall.jpg"}
    assert [path.name for path in (prepared / "labels" / "train").iterdir()] == ["feedback_b@person+stall.txt"]
    assert told(prepared) == 1


def test_feedback_that_is_none_changes_nothing(prepared: Path, tmp_path: Path) -> None:
    take_in(rejected(tmp_path / "first", "a"), prepared)
    unlabelled = rejected(tmp_path / "unlabelled", "b")
    (unlabelled / "labels" / "feedback_b@person+stall.txt").unlink()
    unclear = rejected(tmp_path / "unclear")
    (unclear / "images" / "feedback_c@ghosts.jpg").write_text("")
    for folder in (unlabelled, unclear, tmp_path / "nothing"):
        with pytest.raises(FeedbackUnusable):
            take_in(folder, prepared)
    assert told(prepared) == 1
