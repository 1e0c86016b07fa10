"""The films of a folder that others bring."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.footage import FootageUnusable, clips_of, learnt_films
from models.refusals import DataRefused


@pytest.fixture
def video(tmp_path: Path) -> Path:
    folder = tmp_path / "video"
    folder.mkdir()
    for name in ("fire_shed.mp4", "crowd_square.MKV", "road.m4v"):
        (folder / name).touch()
    return folder


def test_a_films_name_begins_with_its_hazard_and_other_files_are_no_films(video: Path) -> None:
    for name in (".hidden.mp4", "notes.txt", "poster.jpg"):
        (video / name).touch()
    (video / "folder.mp4").mkdir()

    assert [(clip.path.name, clip.hazard) for clip in clips_of(video)] == [
        ("crowd_square.MKV", "crowd"),
        ("fire_shed.mp4", "fire"),
        ("road.m4v", None),
    ]


def test_where_a_hazard_begins_later_it_is_said_beside_the_films(video: Path) -> None:
    (video / "begins.json").write_text('{"fire_shed": 12.5}', encoding="utf-8-sig")

    assert {clip.path.stem: clip.begins for clip in clips_of(video)} == {
        "crowd_square": 0.0,
        "fire_shed": 12.5,
        "road": 0.0,
    }


@pytest.mark.parametrize(
    "said", ["no json", "[1]", '{"fire_shed": "soon"}', '{"fire_shed": -1}', '{"fire_shed": NaN}', '{"fire_shad": 3}']
)
def test_beginnings_that_say_nothing_are_refused_with_their_file(video: Path, said: str) -> None:
    (video / "begins.json").write_text(said)

    with pytest.raises(FootageUnusable, match=r"begins\.json"):
        clips_of(video)


def test_a_film_of_a_scene_that_was_trained_on_is_known_as_such(video: Path) -> None:
    rows = ["file\tsplit\tscene", "fire/images/a.jpg\ttrain\tshed", "video\\fire_shed.mp4\ttest\tshed"]
    rows += ["fire/images/b.jpg\tval\t-", "video/road.m4v\ttest\t-"]
    table = "\n".join(f"{row}\t{rest}" for row, rest in zip(rows, ["licence\tnote", *["-\t-"] * 4], strict=True))
    (video.parent / "MANIFEST.tsv").write_text(table, encoding="utf-8-sig")

    assert [clip.path.name for clip in clips_of(video) if clip.learnt] == ["fire_shed.mp4"]


@pytest.mark.parametrize("text", [b"file\tsplit\nvideo/a.mp4\ttest\n", b"\xff\xfe\x00", b"file\tsplit\tscene\na\n"])
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "MANIFEST.tsv").write_bytes(text)

    with pytest.raises(DataRefused, match=r"MANIFEST\.tsv"):
        learnt_films(tmp_path / "MANIFEST.tsv")


def test_without_a_manifest_no_film_is_known_to_be_learnt(tmp_path: Path) -> None:
    assert learnt_films(tmp_path / "MANIFEST.tsv") == frozenset()
