"""Hard negatives of one's own cameras, as ``gateway feedback`` writes them, taken into a prepared training set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from models.classes import CLASSES

LICENCE = "own cameras (rejected alerts)"
"""As the card tells where these pictures are from."""
EVERY = "feedback_*"


class FeedbackUnusable(ValueError):
    """The folder holds no feedback, or a picture's name says what nobody understands."""


def take_in(feedback: Path, prepared: Path) -> int:
    """Copy the pictures and their (empty) labels into the training split, in place of those that were taken in before,
    and say so in its licences, which the card tells; answers how many. Never into val or test: figures stay those of
    pictures that were never trained on. Raises ``FeedbackUnusable`` before anything is changed."""
    pictures = sorted((feedback / "images").glob("feedback_*.jpg"))
    if not pictures:
        raise FeedbackUnusable(f"{feedback} holds no feedback")
    for picture in pictures:
        gaps = picture.stem.partition("@")[2].split("+")
        if not set(gaps) <= set(CLASSES):
            raise FeedbackUnusable(f"{picture.name} leaves open what is no class")
        if not (feedback / "labels" / f"{picture.stem}.txt").is_file():
            raise FeedbackUnusable(f"{picture.name} has no label file")
    if not (prepared / "licences.json").is_file():
        raise FeedbackUnusable(f"{prepared} is no prepared set (gateway models prepare)")
    for before in (*(prepared / "images" / "train").glob(EVERY), *(prepared / "labels" / "train").glob(EVERY)):
        before.unlink()
    for picture in pictures:
        shutil.copyfile(picture, prepared / "images" / "train" / picture.name)
        label = f"{picture.stem}.txt"
        shutil.copyfile(feedback / "labels" / label, prepared / "labels" / "train" / label)
    _tell(prepared / "licences.json", len(pictures))
    return len(pictures)


def _tell(licences: Path, pictures: int) -> None:
    facts: dict[str, Any] = json.loads(licences.read_text(encoding="utf-8"))
    facts["pictures"]["train/feedback"] = facts["licences"]["train"][LICENCE] = pictures
    licences.write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
