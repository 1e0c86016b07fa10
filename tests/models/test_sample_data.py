"""Which pictures of a folder are taken, and for what: however its manifest is spelt, whatever lies beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.refusals import DataRefused
from models.sample_data import ELSEWHERE, NO_PICTURE, NO_SPLIT, read_samples

HEADER = "file\tsplit\tscene\tlicence\tnote"


def folder_of(tmp_path: Path, *rows: str) -> Path:
    lines = (f"{row}\tone\tCC0\t" for row in rows)
    (tmp_path / "MANIFEST.tsv").write_text("\n".join((HEADER, *lines)), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("row", ["fire\\images\\a.JPG\ttest", "./fire/images/a.JPG\tTest", " Fire/Images/a.JPG\tTEST "])
def test_a_manifest_that_windows_or_a_spreadsheet_wrote_names_the_same_picture(tmp_path: Path, row: str) -> None:
    """Its pictures were judged by nobody, and nobody was told."""
    (one,) = read_samples(folder_of(tmp_path, row))
    assert (one.path, one.split, one.folder) == (tmp_path / "fire" / "images" / "a.JPG", "test", "fire")


def test_the_val_part_may_be_called_valid_as_yolo_folders_call_it(tmp_path: Path) -> None:
    assert [one.split for one in read_samples(folder_of(tmp_path, "fire/images/a.jpg\tvalid"))] == ["val"]


@pytest.mark.parametrize(
    "row",
    ["fire/images/b.jpg\ttset", "fire/images/b.jpg\tholdout", "fire/images/a.jpg\ttrain", "fire\\images\\a.jpg\ttest",
     "images/b.jpg\ttest", "data/fire/images/b.jpg\ttest", "/data/fire/images/b.jpg\ttest",
     "C:\\fire\\images\\b.jpg\ttest", "../fire/images/b.jpg\ttest", "fire/images/day/b.jpg\ttest"],
)  # fmt: skip
def test_a_split_or_a_place_that_is_none_and_a_picture_named_twice_are_refused_by_their_line(
    tmp_path: Path, row: str
) -> None:
    folder = folder_of(tmp_path, "fire/images/a.jpg\ttest", row)
    with pytest.raises(DataRefused, match=r"manifest_invalid: .*MANIFEST\.tsv, line 3"):
        list(read_samples(folder))


def test_rows_of_other_files_are_passed_over_and_those_of_pictures_not_in_silence(tmp_path: Path) -> None:
    rows = ["video/night.mp4\ttest", "video/night.jpg\ttest", "weights/one.onnx\t-", "crowd/points/a.png\ttest"]
    rows += ["README.txt\t", "fire/b.jpg\ttest", "stall/images/c.jpg\ttest-image-level", "stall/images/d.jpg\t-"]
    told = list[tuple[str, str]]()
    assert not list(read_samples(folder_of(tmp_path, *rows), lambda why, which: told.append((why, which))))
    assert told == [
        (ELSEWHERE, "line 7: fire/b.jpg"),
        (NO_SPLIT, "line 8: test-image-level"),
        (NO_SPLIT, "line 9: -"),
    ]


def test_without_a_manifest_only_pictures_are_taken_for_such(tmp_path: Path) -> None:
    """`Thumbs.db` and `.DS_Store` passed for pictures, and ended the bench in a traceback."""
    images = tmp_path / "fire" / "images"
    (images / "more.jpg").mkdir(parents=True)
    for name in ("a.jpg", "b.PNG", "c.Jpeg", "d.webp", "e.bmp", "Thumbs.db", ".DS_Store", "._a.jpg", "notes.txt"):
        (images / name).touch()
    told = list[tuple[str, str]]()
    samples = list(read_samples(tmp_path, lambda why, which: told.append((why, which))))
    assert [one.path.name for one in samples] == ["a.jpg", "b.PNG", "c.Jpeg", "d.webp", "e.bmp"]
    beside = (".DS_Store", "._a.jpg", "Thumbs.db", "more.jpg", "notes.txt")
    assert told == [(NO_PICTURE, f"fire/images/{name}") for name in beside]
