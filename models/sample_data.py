"""Reads the sample pictures' manifest: which file, which split, which licence, and what its labels leave out.

The folder is an argument (or ``GATEWAY_SAMPLE_DATA``); nothing of it ever enters the repository.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, cast

from models.classes import FIRE, PERSON, SMOKE, STALL
from models.refusals import DataRefused

Split = Literal["train", "val", "test"]
Kind = Literal["fire", "crowd", "stall", "coco"]
FOLDERS = ("fire", "crowd", "stall", "coco")
COLUMNS = ("file", "split", "scene", "licence", "note")
SPLITS: dict[str, Split] = {"train": "train", "val": "val", "valid": "val", "test": "test"}
"""As they are spelt, in any case: ``valid`` by the tools that write YOLO folders."""
PICTURES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".gif", ".avif", ".ppm",
    ".pgm",
})  # fmt: skip
"""Endings, in any case, of what is taken for a picture where no manifest names it."""

PassedOver = Callable[[str, str], None]
"""Told why a file, or a row of the manifest, was not taken for a picture, and which."""
NO_PICTURE = "files that are no pictures by their names"
NO_SPLIT = "rows of the manifest in none of train, val, test"
ELSEWHERE = f"rows of the manifest with pictures outside {', '.join(f'{kind}/images' for kind in FOLDERS)}"

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
    folder: Kind
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


def read_samples(folder: Path, passed_over: PassedOver = lambda _why, _which: None) -> Iterator[Sample]:
    """All pictures of the manifest that belong to a split. Raises ``FileNotFoundError`` without a manifest or pictures,
    ``DataRefused`` where the manifest cannot be used: where it names a split, or a place for pictures, that is none.

    Without a manifest every picture of the same folders is a test picture whose labels are taken to be whole.
    """
    if not (folder / "MANIFEST.tsv").exists():
        yield from _without_manifest(folder, passed_over)
        return
    manifest = folder / "MANIFEST.tsv"
    named: dict[tuple[Kind, str], int] = {}
    for line, row in manifest_rows(manifest):
        place = _place(manifest, line, row["file"], passed_over)
        split = _split(manifest, line, row["split"], passed_over) if place else None
        if place is None or split is None:
            continue
        kind, name = place
        if place in named:
            raise _invalid(
                manifest, f"与第 {named[place]} 行是同一图片", f"this picture is named in line {named[place]}", line
            )
        named[place] = line
        path = folder / kind / "images" / name
        labelled, complete = _knowledge(kind, name, row["note"])
        yield Sample(
            path=path,
            label_path=_labels(path),
            split=split,
            scene=row["scene"],
            licence=row["licence"] if row["licence"] not in ("-", "") else "unknown",
            folder=kind,
            labelled=labelled,
            complete=complete,
        )


def _labels(picture: Path) -> Path | None:
    labels = picture.parents[1] / "labels" / f"{picture.stem}.txt"
    return labels if labels.exists() else None


def _place(manifest: Path, line: int, file: str, passed_over: PassedOver) -> tuple[Kind, str] | None:
    """Which of the folders a row's picture lies in, and its name; None where the row is of something else. Windows
    writes backslashes, and any case in the names of folders."""
    parts = PurePosixPath(file.strip().replace("\\", "/")).parts
    within = tuple(part.lower() for part in parts[:-1])
    if len(within) == 2 and within[0] in FOLDERS and within[1] == "images":
        return cast(Kind, within[0]), parts[-1]
    if "images" in within:
        raise _invalid(
            manifest,
            f"图片应在 {'、'.join(f'{kind}/images' for kind in FOLDERS)} 之下，路径相对于本目录，不含子目录",
            f"pictures lie in {', '.join(f'{kind}/images' for kind in FOLDERS)}, without folders of their own there;"
            " paths begin at this folder",
            line,
        )
    of_others = within[:1] in (("video",), ("weights",)) or within[1:2] in (("labels",), ("points",))
    if parts and not of_others and PurePosixPath(parts[-1]).suffix.lower() in PICTURES:
        passed_over(ELSEWHERE, f"line {line}: {file}")
    return None


def _split(manifest: Path, line: int, told: str, passed_over: PassedOver) -> Split | None:
    """None where a row is of no split: it says so, or names a part of its own beside one (``test-image-level``)."""
    spelt = told.strip().lower()
    if spelt in SPLITS:
        return SPLITS[spelt]
    if spelt.partition("-")[0] not in ("", *SPLITS):
        raise _invalid(
            manifest,
            f"没有 {told} 这一部分，应为 train、val 或 test，不属于任何部分时为 -",
            f"there is no split {told}: it is train, val or test, and - where a picture is in none",
            line,
        )
    passed_over(NO_SPLIT, f"line {line}: {told}")
    return None


def scenes_in_two_splits(samples: Iterable[Sample]) -> dict[str, dict[Split, int]]:
    """Scenes that lie in more than one split, by name, with their pictures in each. What is learnt of a scene in train
    flatters the figures on its pictures in val and test."""
    found: dict[str, Counter[Split]] = {}
    for one in samples:
        if one.scene not in ("", "-"):  # nobody knows which
            found.setdefault(one.scene, Counter())[one.split] += 1
    return {scene: dict(splits) for scene, splits in found.items() if len(splits) > 1}


def manifest_rows(manifest: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row by its columns, and its line from 1. Raises ``DataRefused``."""
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
            raise _invalid(
                manifest,
                "不是 UTF-8 编码、以制表符分隔的表格",
                f"this is no table in UTF-8 with tabs between its columns: {error}",
                reader.line_num if isinstance(error, csv.Error) else None,  # what is decoded runs ahead of the lines
            ) from error


def _without_columns(manifest: Path, missing: Sequence[str], line: int) -> DataRefused:
    return _invalid(
        manifest,
        f"缺少列 {'、'.join(missing)}（制表符分隔：{'、'.join(COLUMNS)}）",
        f"{', '.join(missing)} missing; columns, between tabs: {', '.join(COLUMNS)}",
        line,
    )


def _invalid(manifest: Path, zh: str, en: str, line: int | None) -> DataRefused:
    return DataRefused("manifest_invalid", manifest, zh, en, line)


def _without_manifest(folder: Path, passed_over: PassedOver) -> Iterator[Sample]:
    everything = frozenset({FIRE, SMOKE, STALL})
    known: dict[Kind, frozenset[int]] = {
        "fire": everything,
        "stall": everything,
        "crowd": frozenset({FIRE, SMOKE}),
        "coco": everything,
    }
    found = False
    for kind, complete in known.items():
        for path in sorted((folder / kind / "images").glob("*")):
            if path.name.startswith(".") or path.suffix.lower() not in PICTURES or not path.is_file():
                passed_over(NO_PICTURE, f"{kind}/images/{path.name}")
                continue
            found = True
            yield Sample(
                path=path,
                label_path=_labels(path),
                split="test",
                scene=path.stem,
                licence="unknown",
                folder=kind,
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
