"""Evidence is taken over whole, checked, and only out of the journals."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from gateway.refusals import Refusal
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id

CONTENT = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 5000
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    folder = tmp_path / "journal" / "camera-1"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def files(tmp_path: Path) -> EvidenceFiles:
    return EvidenceFiles(tmp_path / "evidence", (tmp_path / "journal",))


@pytest.fixture
def clip(journal: Path) -> Path:
    path = journal / "clip.mp4"
    path.write_bytes(CONTENT)
    return path


def _is_there(path: Path) -> bool:
    return path.exists()


def _remove(path: Path) -> None:
    path.unlink()


async def test_a_file_is_taken_over_under_its_id_and_the_source_left(files: EvidenceFiles, clip: Path) -> None:
    evidence_id = new_id()
    stored = await files.adopt(clip, evidence_id, SHA, len(CONTENT))
    assert not Path(stored.path).is_absolute()
    assert stored.size == len(CONTENT)
    kept = files.open(stored.path)
    assert kept.read_bytes() == CONTENT
    assert kept.name == f"{evidence_id}.mp4"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert _is_there(clip)


async def test_taking_over_again_is_the_same_even_when_the_source_is_gone(files: EvidenceFiles, clip: Path) -> None:
    evidence_id = new_id()
    first = await files.adopt(clip, evidence_id, SHA)
    _remove(clip)
    assert await files.adopt(clip, evidence_id, SHA) == first


@pytest.mark.parametrize(("sha256", "size"), [("0" * 64, None), (SHA, 3)])
async def test_a_file_that_is_not_what_was_announced_is_refused_whole(
    files: EvidenceFiles, clip: Path, tmp_path: Path, sha256: str, size: int | None
) -> None:
    with pytest.raises(Refusal, match="evidence_damaged"):
        await files.adopt(clip, new_id(), sha256, size)
    assert [path for path in (tmp_path / "evidence").rglob("*") if path.is_file()] == []


async def test_a_missing_file_is_told(files: EvidenceFiles, journal: Path) -> None:
    with pytest.raises(Refusal, match="evidence_missing"):
        await files.adopt(journal / "gone.mp4", new_id(), SHA)


async def test_nothing_outside_the_journals_is_taken(files: EvidenceFiles, journal: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(CONTENT)
    (journal / "folder").symlink_to(tmp_path)
    for path in (outside, journal / ".." / ".." / "outside.mp4", journal / "folder" / "outside.mp4"):
        with pytest.raises(Refusal, match="evidence_elsewhere"):
            await files.adopt(path, new_id(), SHA)


async def test_a_link_or_a_folder_is_no_evidence(files: EvidenceFiles, journal: Path, clip: Path) -> None:
    (journal / "link.mp4").symlink_to(clip)
    (journal / "folder.mp4").mkdir()
    os.mkfifo(journal / "pipe.mp4")
    for name in ("link.mp4", "folder.mp4", "pipe.mp4"):
        with pytest.raises(Refusal, match="evidence_missing"):
            await files.adopt(journal / name, new_id(), SHA)


async def test_a_full_disk_is_told_and_leaves_nothing_half_done(
    files: EvidenceFiles, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gateway.storage.evidence_files.os.fsync", full)
    with pytest.raises(Refusal, match="disk_full"):
        await files.adopt(clip, new_id(), SHA)
    assert [path for path in (tmp_path / "evidence").rglob("*") if path.is_file()] == []


async def test_only_what_lies_in_the_evidence_folder_is_served(files: EvidenceFiles, clip: Path) -> None:
    for path in ("../journal/camera-1/clip.mp4", str(clip), "nothing.mp4", "", "."):
        with pytest.raises(Refusal, match="evidence_missing"):
            files.open(path)


@pytest.mark.parametrize("evidence_id", ["../../x", "", "x" * 36, "019F0000-0000-7000-8000-00000000000/"])
async def test_an_id_that_is_none_names_no_file(files: EvidenceFiles, evidence_id: str) -> None:
    with pytest.raises(Refusal, match="evidence_name_invalid"):
        await files.write(b"x", evidence_id, ".jpg")
    with pytest.raises(Refusal, match="evidence_name_invalid"):
        await files.write(b"x", new_id(), "/../x")


async def test_a_disk_without_room_for_a_folder_is_refused_as_full(
    files: EvidenceFiles, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, **_how: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(Refusal, match="disk_full"):
        await files.adopt(clip, new_id(), SHA, len(CONTENT))
