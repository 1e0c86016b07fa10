"""Reads the sample pictures' manifest: which file, which split, which licence, and what its labels leave out.

The folder is an argument (or ``GATEWAY_SAMPLE_DATA``); nothing of it ever enters the repository.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.classes import FIRE, PERSON, SMOKE, STALL
from models.refusals import DataRefused

Split = Literal["train", "val", "test"]
FOLDERS = ("fire", "crowd", "stall", "coco")
COLUMNS = ("file", "split", "scene", "licence", "note")

_CLEAR = ("CC-BY", "CC0", "MIT text", "made by hand", "COCO", "own cameras")
"""Beginnings of licence texts that allow use with attribution at least; the rest is unknown or research-only."""
_RESTRICTED = re.compile(
    r"(?:(?<![a-z])|by|sa)n[cd](?:sa)?(?![a-z])|no[nt]?[\W_]*(?:for[\W_]*)?commercial|no[\W_]*deriv|非商业|禁止演绎",
    re.IGNORECASE,
)
"""What takes use or adaptation away again, as Creative Commons' NC and ND do, however it is spelt."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture: ``labelled`` are the classes that its label file knows of, ``complete`` those it knows whole."""

    path: Path
    label_path: Path | None
    split: Split
    scene: str
    licence: str
    folder: Literal["fire", "crowd", "stall", "coco"]
    labelled: frozenset[int]
    complete: frozenset[int]

    def class_of(self, number: int) -> int:
        """Our class for the number of a class in the label file."""
        return number + FIRE if self.folder == "fire" else {"stall": STALL}.get(self.folder, PERSON)

    @property
    def clear_licence(self) -> bool:
        return clear(self.licence)


def clear(licence: str) -> bool:
    """Whether a licence text allows any use, of adaptations too, with attribution at least."""
    return licence.startswith(_CLEAR) and not _RESTRICTED.search(licence)


def read_samples(folder: Path) -> Iterator[Sample]:
    """All pictures of the manifest that belong to a split. Raises ``FileNotFoundError`` without a manifest or pictures,
    ``DataRefused`` where the manifest cannot be used.

    Without a manifest every picture of the same folders is a test picture whose labels are taken to be whole.
    """
    if not (folder / "MANIFEST.tsv").exists():
        yield from _without_manifest(folder)
        return
    manifest = folder / "MANIFEST.tsv"
    for line, row in _rows(manifest):
        place = Path(row["file"])
        split = row["split"]
        if len(place.parts) < 3 or place.parts[1] != "images" or split not in ("train", "val", "test"):
            continue
        kind = place.parts[0]
        if kind not in FOLDERS:
            raise DataRefused(
                "manifest_invalid",
                manifest,
                f"没有 {kind} 这一类图片，只有 {'、'.join(FOLDERS)}",
                f"there are no pictures of {kind}: they are {', '.join(FOLDERS)}",
                line,
            )
        labels = folder / kind / "labels" / f"{place.stem}.txt"
        labelled, complete = _knowledge(kind, place.name, row["note"])
        yield Sample(
            path=folder / place,
            label_path=labels if labels.exists() else None,
            split=split,  # type: ignore[arg-type]  # checked above
            scene=row["scene"],
            licence=row["licence"] if row["licence"] not in ("-", "") else "unknown",
            folder=kind,  # type: ignore[arg-type]  # the manifest's folders
            labelled=labelled,
            complete=complete,
        )


def scenes_in_two_splits(samples: Iterable[Sample]) -> dict[str, dict[Split, int]]:
    """Scenes that lie in more than one split, by name, with their pictures in each. What is learnt of a scene in train
    flatters the figures on its pictures in val and test."""
    found: dict[str, Counter[Split]] = {}
    for one in samples:
        if one.scene not in ("", "-"):  # nobody knows which
            found.setdefault(one.scene, Counter())[one.split] += 1
    return {scene: dict(splits) for scene, splits in found.items() if len(splits) > 1}


def _rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row by its columns, and its line from 1."""
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter="\t")
        try:
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise _without_columns(manifest, missing, 1)
            for row in reader:
                cut = [name for name in COLUMNS if row[name] is None]
                if cut:
                    raise _without_columns(manifest, cut, reader.line_num)
                yield reader.line_num, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataRefused(
                "manifest_invalid",
                manifest,
                "不是 UTF-8 编码、以制表符分隔的表格",
                f"this is no table in UTF-8 with tabs between its columns: {error}",
                reader.line_num,
            ) from error


def _without_columns(manifest: Path, missing: Sequence[str], line: int) -> DataRefused:
    return DataRefused(
        "manifest_invalid",
        manifest,
        f"缺少列 {'、'.join(missing)}（制表符分隔：{'、'.join(COLUMNS)}）",
        f"{', '.join(missing)} missing; columns, between tabs: {', '.join(COLUMNS)}",
        line,
    )


def _without_manifest(folder: Path) -> Iterator[Sample]:
    everything = frozenset({FIRE, SMOKE, STALL})
    known = {"fire": everything, "stall": everything, "crowd": frozenset({FIRE, SMOKE}), "coco": everything}
    found = False
    for kind, complete in known.items():
        for path in sorted((folder / kind / "images").glob("*")):
            labels = folder / kind / "labels" / f"{path.stem}.txt"
            found = True
            yield Sample(
                path=path,
                label_path=labels if labels.exists() else None,
                split="test",
                scene=path.stem,
                licence="unknown",
                folder=kind,  # type: ignore[arg-type]  # the four above
                labelled=complete,
                complete=complete,
            )
    if not found:
        raise FileNotFoundError(folder / "fire" / "images")


def _knowledge(kind: str, name: str, note: str) -> tuple[frozenset[int], frozenset[int]]:
    """Which classes a source labels, and which of them without gaps, as the data notes say."""
    if kind == "stall":
        return frozenset({STALL}), frozenset({STALL, FIRE, SMOKE})
    if kind == "coco":
        return frozenset({PERSON}), frozenset({FIRE, SMOKE, STALL})
    if kind == "crowd":
        return frozenset(), frozenset({FIRE, SMOKE})
    everything = frozenset({FIRE, SMOKE, STALL})
    if name.startswith("xia_"):
        return frozenset({FIRE}), frozenset({FIRE, STALL})
    if name.startswith("liu_smoke-image_"):
        return frozenset({FIRE, SMOKE}), frozenset({SMOKE, STALL})
    if name.startswith("liu_fire-image_"):
        return frozenset({FIRE, SMOKE}), everything if "smoke=0" not in note else frozenset({FIRE, STALL})
    if name.startswith("liu_fire_smoke_"):
        return frozenset({FIRE, SMOKE}), frozenset({SMOKE, STALL})
    return frozenset({FIRE, SMOKE}), everything
