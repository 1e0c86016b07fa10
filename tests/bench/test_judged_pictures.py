"""The pictures of a folder that others bring: which are judged, which are not, and that it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.judged_pictures import EMPTY, NO_LABELS, NO_POINTS, NOT_THERE, TOO_DENSE, brought
from models.refusals import DataRefused


def picture(folder: Path, place: str, label: str | None = None) -> None:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not looked at")
    if label is not None:
        beside = path.parents[1] / "labels" / f"{path.stem}.txt"
        beside.parent.mkdir(exist_ok=True)
        beside.write_text(label)


def names(folder: Path) -> list[str]:
    return [one.path.name for one in brought(folder).samples]


def test_pictures_without_a_label_file_among_labelled_ones_show_nothing_and_are_counted(tmp_path: Path) -> None:
    picture(tmp_path, "fire/images/burning.jpg", "0 0.5 0.5 0.1 0.1")
    picture(tmp_path, "fire/images/quiet.jpg", "")
    picture(tmp_path, "fire/images/unlabelled.jpg")
    picture(tmp_path, "coco/images/street.jpg")
    found = brought(tmp_path)
    assert (len(found.samples), found.unlabelled) == (4, 1)
    assert found.told() == ["judged as showing nothing, as no label file is there: 1 pictures"]


@pytest.mark.parametrize("foreign", [False, True])
def test_where_labels_are_missing_altogether_nothing_is_judged_by_them(tmp_path: Path, *, foreign: bool) -> None:
    """Every fire passed for a picture that shows none, and what found it for wrong."""
    picture(tmp_path, "fire/images/burning.jpg")
    picture(tmp_path, "stall/images/street.jpg", "0 0.5 0.5 0.1 0.1")
    if foreign:
        (tmp_path / "fire" / "labels").mkdir()
        (tmp_path / "fire" / "labels" / "burning.xml").touch()
    found = brought(tmp_path)
    assert [one.folder for one in found.samples] == ["stall"]
    assert found.left_out == {NO_LABELS: ["fire/images/burning.jpg"]}


def test_an_empty_folder_of_labels_says_that_nothing_is_shown(tmp_path: Path) -> None:
    picture(tmp_path, "fire/images/quiet.jpg")
    (tmp_path / "fire" / "labels").mkdir()
    (tmp_path / "fire" / "labels" / ".gitkeep").touch()
    found = brought(tmp_path)
    assert (len(found.samples), found.unlabelled, found.left_out) == (1, 1, {})


def test_what_cannot_be_judged_is_left_out_by_its_reason(tmp_path: Path) -> None:
    for name in ("marked", "unmarked", "shtA_1"):
        picture(tmp_path, f"crowd/images/{name}.jpg")
    (tmp_path / "crowd" / "points").mkdir()
    (tmp_path / "crowd" / "points" / "marked.json").write_text('{"count": 0, "points": []}')
    picture(tmp_path, "stall/images/street.jpg", "")
    (tmp_path / "stall" / "images" / "nothing.jpg").touch()
    rows = ["crowd/images/marked.jpg", "crowd/images/unmarked.jpg", "crowd/images/shtA_1.jpg"]
    rows += ["stall/images/street.jpg", "stall/images/nothing.jpg", "fire/images/gone.jpg"]
    lines = ("file\tsplit\tscene\tlicence\tnote", *(f"{row}\ttest\tone\tCC0\t" for row in rows))
    (tmp_path / "MANIFEST.tsv").write_text("\n".join(lines))
    assert names(tmp_path) == ["marked.jpg", "street.jpg"]
    assert brought(tmp_path).left_out == {
        NO_POINTS: ["crowd/images/unmarked.jpg"],
        TOO_DENSE: ["crowd/images/shtA_1.jpg"],
        EMPTY: ["stall/images/nothing.jpg"],
        NOT_THERE: ["fire/images/gone.jpg"],
    }


def test_a_label_that_means_nothing_is_refused_before_any_picture_is_looked_at(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path, f"fire/images/{number}.jpg", "0 0.5 0.5 0.1 0.1\n" if number < 2 else "0 320 240 64 48\n")
    with pytest.raises(DataRefused, match=r"label_invalid: .*2\.txt, line 1"):
        brought(tmp_path)


def test_what_is_no_picture_is_told_by_number_and_by_the_first_names(tmp_path: Path) -> None:
    for name in ("Thumbs.db", "a.txt", "b.txt", "c.txt"):
        picture(tmp_path, f"coco/images/{name}")
    (line,) = brought(tmp_path).told()
    assert line.endswith(": 4 (coco/images/Thumbs.db, coco/images/a.txt, coco/images/b.txt, …)")
    assert brought(tmp_path / "nowhere").samples == ()
