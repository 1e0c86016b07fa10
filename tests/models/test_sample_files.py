"""Pictures, labels and manifests that cannot be used are named, with the line, and end no command in a traceback."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from models import shipped
from models.classes import FIRE, SMOKE
from models.cli.main import app
from models.evaluate import heads, labels_of
from models.refusals import DataRefused
from models.sample_data import Sample, read_samples
from models.sample_files import LabelRow, heads_px, label_rows, read_picture

HEADER = "file\tsplit\tscene\tlicence\tnote"


def sample(folder: Path, kind: Any, text: str | bytes) -> Sample:
    label = folder / kind / "labels" / "one.txt"
    label.parent.mkdir(parents=True)
    label.write_bytes(text if isinstance(text, bytes) else text.encode())
    knows = frozenset({FIRE, SMOKE})
    return Sample(folder / kind / "images" / "one.png", label, "test", "one", "CC0", kind, knows, knows)


def pictures(folder: Path, *rows: str, header: str = HEADER) -> Path:
    (folder / "fire" / "images").mkdir(parents=True)
    cv2.imwrite(str(folder / "fire" / "images" / "one.png"), np.zeros((64, 64, 3), np.uint8))
    (folder / "MANIFEST.tsv").write_text("\n".join((header, *rows)) + "\n")
    return folder


def prepare(folder: Path) -> tuple[int, str]:
    words = ["prepare", "--sample-data", str(folder), "--out", str(folder.with_name("set"))]
    done = CliRunner().invoke(app, words)
    assert type(done.exception) is SystemExit, done.exception
    assert not folder.with_name("set").exists()
    return done.exit_code, done.output


def test_a_label_file_is_read_in_our_classes(tmp_path: Path) -> None:
    one = sample(tmp_path, "fire", "0 0.5 0.5 0.2 0.4\n\n1 0.1 0.1 0.25 0.2\n")
    assert label_rows(one) == (LabelRow(FIRE, (0.5, 0.5, 0.2, 0.4)), LabelRow(SMOKE, (0.1, 0.1, 0.25, 0.2)))
    assert [found.label for found in labels_of(one)] == ["fire", "smoke"]


def test_a_byte_order_mark_and_the_lines_of_windows_change_no_label(tmp_path: Path) -> None:
    one = sample(tmp_path, "fire", b"\xef\xbb\xbf0 0.5 0.5 0.2 0.4\r\n1 0.1 0.1 0.25 0.2\r\n")
    assert [row.cls for row in label_rows(one)] == [FIRE, SMOKE]


def test_boxes_with_a_score_are_what_a_network_saw_and_no_labels(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="label_invalid") as refused:
        label_rows(sample(tmp_path, "fire", "0 0.5 0.5 0.2 0.4\n0 0.5 0.5 0.2 0.4 0.91\n"))
    assert "第 2 行" in refused.value.zh
    assert "得分" in refused.value.zh
    assert "a score" in refused.value.en


@pytest.mark.parametrize(
    ("kind", "line"),
    [("fire", "2 0.5 0.5 0.1 0.1"), ("fire", "9 0.5 0.5 0.1 0.1"), ("fire", "-1 0.5 0.5 0.1 0.1"),
     ("stall", "1 0.5 0.5 0.1 0.1"), ("coco", "16 0.5 0.5 0.1 0.1"), ("fire", "fire 0.5 0.5 0.1 0.1"),
     ("fire", "0 0.5 0.5 0.1"), ("fire", "0 0.5 0.5 0.1 wide"), ("fire", "0 nan 0.5 0.1 0.1"),
     ("fire", "0 320 240 64 48"), ("fire", "0 0.5 0.5 -0.1 0.1"), ("fire", b"\xff\xfe")],
)  # fmt: skip
def test_a_label_that_means_nothing_is_refused_by_file_and_line(tmp_path: Path, kind: str, line: str | bytes) -> None:
    """A class out of range was an IndexError, or another hazard: the third of `fire/` passed for a stall."""
    text = line if isinstance(line, bytes) else f"0 0.5 0.5 0.1 0.1\n{line}\n"
    with pytest.raises(DataRefused, match="label_invalid") as refused:
        label_rows(sample(tmp_path, kind, text))
    assert "one.txt" in refused.value.zh
    assert isinstance(line, bytes) or ("第 2 行" in refused.value.zh and "line 2" in refused.value.en)


def test_a_file_that_is_no_picture_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_text("no picture")
    for name in ("one", "none"):
        with pytest.raises(DataRefused, match=rf"picture_unusable: .*/{name}\.png") as refused:
            read_picture(tmp_path / f"{name}.png")
        assert "不是可用的图片" in refused.value.zh


def png_of(width: int, height: int) -> bytes:
    """A picture that says to be so large, and ends after its first bytes."""
    chunks = (b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(b"\0"))
    packed = (struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize("content", [b"", png_of(64, 64), png_of(40_000, 40_000)], ids=["empty", "cut", "huge"])
def test_a_picture_that_is_empty_cut_off_or_far_too_large_is_refused_by_its_name(
    tmp_path: Path, content: bytes
) -> None:
    """One of more than 2³⁰ pixels raised an error of OpenCV."""
    (tmp_path / "one.png").write_bytes(content)
    with pytest.raises(DataRefused, match=r"picture_unusable: .*/one\.png"):
        read_picture(tmp_path / "one.png")


def test_a_picture_is_read_though_its_name_is_no_utf_8(tmp_path: Path) -> None:
    """OpenCV ended the process at such a name, as archives from a Chinese Windows unpack to."""
    encoded = cv2.imencode(".png", np.full((4, 6, 3), 7, np.uint8))[1].tobytes()
    path = tmp_path / os.fsdecode("火.png".encode("gb18030"))
    path.write_bytes(encoded)
    assert read_picture(path).shape == (4, 6, 3)


@pytest.mark.parametrize(
    ("header", "row", "line"),
    [("file\tsplit\tscene\tnote", "fire/images/one.png\ttest\tone\t", 1), ("", "", 1),
     (HEADER.replace("\t", ","), "fire/images/one.png,test,one,CC0,", 1),
     (HEADER, "fire/images/one.png\ttest\tone", 2), (HEADER, "fires/images/one.png\ttest\tone\tCC0\t", 2)],
)  # fmt: skip
def test_a_manifest_without_a_column_or_of_another_folder_is_refused_by_its_line(
    tmp_path: Path, header: str, row: str, line: int
) -> None:
    """A column too few was a KeyError; pictures of a folder mistyped passed for pictures without fire."""
    code, said = prepare(pictures(tmp_path / "data", row, header=header))
    assert (code, "manifest_invalid" in said, f"MANIFEST.tsv 第 {line} 行" in said) == (2, True, True)


def test_a_manifest_in_another_encoding_is_refused_and_one_with_a_byte_order_mark_read(tmp_path: Path) -> None:
    row = "fire/images/one.png\ttest\t火场\tCC0\t"
    folder = pictures(tmp_path / "data", row)
    (folder / "MANIFEST.tsv").write_text(f"{HEADER}\n{row}\n", encoding="utf-8-sig")
    assert [one.scene for one in read_samples(folder)] == ["火场"]
    (folder / "MANIFEST.tsv").write_text(f"{HEADER}\n{row}\n", encoding="gb18030")
    with pytest.raises(DataRefused, match=r"manifest_invalid: .*MANIFEST\.tsv: this is no table in UTF-8"):
        list(read_samples(folder))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"points": [[1, 2, 3]]}', '{"points": "many"}', '{"points": [[1, null]]}',
     f'{{"points": [[1, 1{"0" * 400}]]}}', "[" * 100_000],
)  # fmt: skip
def test_points_that_are_none_are_refused_by_file(tmp_path: Path, text: str) -> None:
    one = sample(tmp_path, "crowd", "")
    (tmp_path / "crowd" / "points").mkdir()
    (tmp_path / "crowd" / "points" / "one.json").write_text(text)
    with pytest.raises(DataRefused, match=r"points_invalid: .*one\.json"):
        heads_px(one)


def test_heads_are_where_the_points_are(tmp_path: Path) -> None:
    one = sample(tmp_path, "crowd", "")
    for kind in ("points", "images"):
        (tmp_path / "crowd" / kind).mkdir()
    cv2.imwrite(str(one.path), np.zeros((40, 80, 3), np.uint8))
    (tmp_path / "crowd" / "points" / "one.json").write_text(
        json.dumps({"count": 1, "points": [[20, 10]]}), encoding="utf-8-sig"
    )
    assert heads(one) == ((0.25, 0.25),)


@pytest.mark.train
def test_a_counter_or_a_judge_without_pictures_to_learn_from_is_refused(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "data", "fire/images/one.png\ttest\tone\tCC0\t")
    shutil.copytree(shipped.CARD.parent, tmp_path / "weights")
    card = str(tmp_path / "weights" / shipped.CARD.name)
    for command, reason in (("density", "crowds_missing"), ("judge", "pictures_missing")):
        done = CliRunner().invoke(app, [command, "--sample-data", str(folder), "--card", card])
        assert (done.exit_code, reason in done.output) == (2, True), done.output
    done = CliRunner().invoke(app, ["density", "--sample-data", str(folder), "--card", card, "--folds", "2"])
    assert (done.exit_code, "--turns" in done.output) == (2, True)


def test_pictures_without_the_network_that_finds_people_are_refused(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "data", "fire/images/one.png\ttest\tone\tCC0\t")
    code, said = prepare(folder)
    assert (code, "file_unusable" in said, "yolov8n_coco" in said) == (2, True, True)
