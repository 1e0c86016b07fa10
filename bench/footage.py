"""The films of a folder, by what they show: a film's name begins with its hazard; where that begins later than the film
it is said in ``begins.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

from models.sample_data import SPLITS, manifest_rows

FILMS = frozenset({
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".flv", ".wmv", ".asf",
    ".3gp", ".gif", ".h264", ".h265", ".hevc",
})  # fmt: skip
HAZARDS = ("fire", "crowd", "stall")
BEGINS = {"fire_night_blast_overlay": 1.2}
"""Seconds at which a hazard of the sample data begins, where it is not there from the first picture on."""


class FootageUnusable(Exception):
    """What lies beside the films cannot be used: ``str`` says which file and why."""


@dataclass(frozen=True, slots=True)
class Clip:
    """``begins``: seconds of the film at which its hazard does. ``learnt``: pictures of its scene were trained on, or
    chosen by."""

    path: Path
    hazard: str | None
    begins: float
    learnt: bool


def clips_of(folder: Path) -> list[Clip]:
    """The films of a folder, in the order of their names. Raises ``FootageUnusable``, and ``DataRefused`` for its
    manifest."""
    told = _begins(folder / "begins.json")
    learnt = learnt_films(folder.parent / "MANIFEST.tsv")
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in FILMS and path.is_file() and not path.name.startswith("."):
            hazard = next((name for name in HAZARDS if path.stem.startswith(name)), None)
            found.append(Clip(path, hazard, told.get(path.stem, 0.0), path.name in learnt))
    unknown = sorted(told.keys() - {clip.path.stem for clip in found}) if told is not BEGINS else []
    if unknown:
        raise FootageUnusable(f"{folder / 'begins.json'}: no film of that name (without its ending): {unknown[0]}")
    return found


def learnt_films(manifest: Path) -> frozenset[str]:
    """Names of the films of whose scene the manifest has a picture in train or val; none without a manifest. Raises
    ``DataRefused``."""
    if not manifest.is_file():
        return frozenset()
    rows = [
        (PurePosixPath(row["file"].replace("\\", "/")), SPLITS.get(row["split"].strip().lower()), row["scene"])
        for _, row in manifest_rows(manifest)
    ]
    learnt = {scene for _, split, scene in rows if split in ("train", "val") and scene not in ("", "-")}
    return frozenset(place.name for place, _, scene in rows if "video" in place.parts[:-1] and scene in learnt)


def _begins(file: Path) -> Mapping[str, float]:
    if not file.is_file():
        return BEGINS
    try:
        told: Any = json.loads(file.read_text(encoding="utf-8-sig"))
        begins = {str(name): float(at) for name, at in told.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise FootageUnusable(f'{file}: it holds {{"name without ending": seconds}} ({error})') from error
    if not all(isfinite(at) and at >= 0 for at in begins.values()):
        raise FootageUnusable(f"{file}: seconds from the film's beginning, 0 or more")
    return begins
