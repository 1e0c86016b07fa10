"""The alert journal: raised means on disk with its snapshot; a crash at any instant loses no raised alert."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gateway.processes.messages import AlertRaised, EvidenceReady
from gateway.workers.camera.journal import AlertJournal


def alert(alert_id: str = "a1") -> AlertRaised:
    return AlertRaised(
        alert_id=alert_id,
        code="99000000001310000001",
        zone="门口",
        hazard="fire",
        hazard_from=10.0,
        raised_at=13.0,
        score=0.8,
        why={"boxes": [[0.1, 0.2, 0.3, 0.4]]},
        snapshot_path="",
        snapshot_sha256="",
    )


def clip(alert_id: str = "a1") -> EvidenceReady:
    return EvidenceReady("e1", alert_id, "clip", "clip.mp4", "00" * 32, 5, 5.0, 20.0, False)


def test_a_raised_alert_is_found_again_with_its_snapshot(tmp_path: Path) -> None:
    placed = AlertJournal(tmp_path).raise_alert(alert(), b"jpeg")
    (entry,) = AlertJournal(tmp_path).entries()
    assert entry.alert == placed
    assert entry.evidence is None
    assert Path(placed.snapshot_path).read_bytes() == b"jpeg"
    assert placed.snapshot_sha256 == hashlib.sha256(b"jpeg").hexdigest()


def test_a_closed_clip_is_found_again(tmp_path: Path) -> None:
    journal = AlertJournal(tmp_path)
    journal.begin("a1").write_bytes(b"mp4")
    journal.raise_alert(alert(), b"jpeg")
    journal.close_clip(clip())
    (entry,) = AlertJournal(tmp_path).entries()
    assert entry.evidence == clip()
    assert entry.clip_path.read_bytes() == b"mp4"


def test_what_was_never_raised_is_cleared_away(tmp_path: Path) -> None:
    journal = AlertJournal(tmp_path)
    journal.begin("half-way").write_bytes(b"mp4")
    assert list(AlertJournal(tmp_path).entries()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_crash_between_snapshot_and_alert_leaves_no_half_alert(tmp_path: Path) -> None:
    journal = AlertJournal(tmp_path)
    journal.begin("a1")
    (tmp_path / "a1" / "snapshot.jpg").write_bytes(b"jpeg")
    (tmp_path / "a1" / "alert.json.new").write_bytes(b'{"alert_id": "a')
    assert list(AlertJournal(tmp_path).entries()) == []


def test_an_unreadable_entry_is_set_aside_and_hides_no_other(tmp_path: Path) -> None:
    journal = AlertJournal(tmp_path)
    journal.raise_alert(alert("a1"), b"jpeg")
    journal.raise_alert(alert("a2"), b"jpeg")
    (tmp_path / "a1" / "alert.json").write_bytes(b"\0\0\0")
    assert [entry.alert.alert_id for entry in AlertJournal(tmp_path).entries()] == ["a2"]
    assert (tmp_path / "a1.unreadable").is_dir()
    assert [entry.alert.alert_id for entry in AlertJournal(tmp_path).entries()] == ["a2"]


def test_a_forgotten_alert_is_gone_and_forgetting_twice_does_no_harm(tmp_path: Path) -> None:
    journal = AlertJournal(tmp_path)
    journal.raise_alert(alert(), b"jpeg")
    journal.forget("a1")
    journal.forget("a1")
    assert list(AlertJournal(tmp_path).entries()) == []


def test_a_full_disk_raises_and_leaves_no_alert_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = AlertJournal(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        journal.raise_alert(alert(), b"jpeg")
    monkeypatch.undo()
    assert list(AlertJournal(tmp_path).entries()) == []


def full(*_args: object, **_kwargs: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_journal_for_which_the_disk_has_no_folder_is_made_with_the_first_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was new on a full disk never came up: its cameras were not watched."""
    with monkeypatch.context() as patched:
        patched.setattr(Path, "mkdir", full)
        journal = AlertJournal(tmp_path / "journal" / "camera-2")
        assert list(journal.entries()) == []
        with pytest.raises(OSError, match="No space"):
            journal.raise_alert(alert(), b"jpeg")
    journal.raise_alert(alert(), b"jpeg")
    later = AlertJournal(tmp_path / "journal" / "camera-2")
    assert [entry.alert.alert_id for entry in later.entries()] == ["a1"]


def test_an_unreadable_entry_that_cannot_be_set_aside_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = AlertJournal(tmp_path)
    for alert_id in ("a1", "a2"):
        journal.raise_alert(alert(alert_id), b"jpeg")
    (tmp_path / "a1" / "alert.json").write_text("{")
    monkeypatch.setattr(Path, "rename", full)
    assert [entry.alert.alert_id for entry in AlertJournal(tmp_path).entries()] == ["a2"]


def test_what_a_run_writes_is_never_taken_for_what_an_earlier_one_left(tmp_path: Path) -> None:
    """A disk that hung as the worker started gives what was left when clips and alerts of its own lie there."""
    AlertJournal(tmp_path).raise_alert(alert("left"), b"jpeg")
    journal = AlertJournal(tmp_path)
    clip_of_a_candidate = journal.begin("half-way")
    journal.raise_alert(alert("raised"), b"jpeg")
    assert [entry.alert.alert_id for entry in journal.entries()] == ["left"]
    assert clip_of_a_candidate.parent.is_dir()
