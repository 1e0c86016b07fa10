"""The alert journal: an alert is *raised* once it lies here, fsynced, with its snapshot; forgotten once control has it.

One folder for each alert, named by its id::

    <alert_id>/clip.mp4       growing since the rule was half way to firing
    <alert_id>/snapshot.jpg   written before …
    <alert_id>/alert.json     … this, whose presence means: raised
    <alert_id>/clip.json      the closed clip, with its true bounds

A folder without ``alert.json`` was never raised and is cleared at the next start. All calls block; use a thread. What
an earlier run left is listed before this one writes anything: neither is taken for the other, however late the disk
answers.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from gateway.processes.messages import AlertRaised, EvidenceReady
from gateway.storage.durable import to_disk

log = structlog.get_logger(__name__)

_RAISED = "alert.json"
_SNAPSHOT = "snapshot.jpg"
_CLIP = "clip.mp4"
_CLIP_CLOSED = "clip.json"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A raised alert that control has not yet stored whole. ``evidence`` is None while no closed clip is known."""

    alert: AlertRaised
    evidence: EvidenceReady | None
    clip_path: Path


class AlertJournal:
    """The journal of one worker, in a folder of its own. To make one asks the disk for nothing. A disk that does not
    take the folder is asked again with the first alert: cameras are watched meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left: tuple[str, ...] | None = None
        self._listing = threading.Lock()

    def try_out(self) -> None:
        """Whether the disk takes anything. Raises ``OSError``."""
        self._left_behind()
        self._make_folder()
        tried = self._folder / "tried"
        _write_synced(tried, b"tried")
        tried.unlink()

    def begin(self, alert_id: str) -> Path:
        """Make room for an alert that may come; answers where its clip goes."""
        folder = self._room_for(alert_id)
        to_disk(self._folder)
        return folder / _CLIP

    def raise_alert(self, alert: AlertRaised, snapshot: bytes | None) -> AlertRaised:
        """Write snapshot and alert so that they outlive a power cut; answers the alert with its snapshot's place. None:
        it has no snapshot."""
        folder = self._room_for(alert.alert_id)
        placed = alert
        if snapshot is not None:
            _write_synced(folder / _SNAPSHOT, snapshot)
            placed = msgspec.structs.replace(
                alert,
                snapshot_path=str((folder / _SNAPSHOT).absolute()),
                snapshot_sha256=hashlib.sha256(snapshot).hexdigest(),
            )
        _write_synced(folder / _RAISED, msgspec.json.encode(placed))
        to_disk(folder)
        to_disk(self._folder)
        return placed

    def close_clip(self, evidence: EvidenceReady) -> None:
        """Note a clip as closed, with its bounds and digest."""
        folder = self._folder / evidence.alert_id
        _write_synced(folder / _CLIP_CLOSED, msgspec.json.encode(evidence))
        to_disk(folder)

    def forget(self, alert_id: str) -> None:
        """Control has the alert and its evidence, or the alert was never raised."""
        shutil.rmtree(self._folder / alert_id, ignore_errors=True)

    def entries(self) -> Iterator[JournalEntry]:
        """What an earlier run raised and did not forget, oldest first. An unreadable entry is set aside and said, not
        lost. Raises ``OSError`` of a disk that cannot be read."""
        for name in self._left_behind():
            folder = self._folder / name
            if not folder.is_dir() or folder.suffix == ".unreadable":
                continue
            if not (folder / _RAISED).exists():
                shutil.rmtree(folder, ignore_errors=True)
                continue
            try:
                alert = msgspec.json.decode((folder / _RAISED).read_bytes(), type=AlertRaised)
                closed = folder / _CLIP_CLOSED
                evidence = msgspec.json.decode(closed.read_bytes(), type=EvidenceReady) if closed.exists() else None
            except (msgspec.MsgspecError, OSError) as error:
                log.error("journal_entry_unreadable", entry=folder.name, error=str(error))
                with suppress(OSError):  # of a disk that takes nothing; the others are read all the same
                    folder.rename(folder.with_suffix(".unreadable"))
                continue
            yield JournalEntry(alert, evidence, folder / _CLIP)

    def _room_for(self, alert_id: str) -> Path:
        """Its folder, which may be there: clip and alert begin it by themselves, whichever is quicker."""
        self._left_behind()
        self._make_folder()
        folder = self._folder / alert_id
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _left_behind(self) -> tuple[str, ...]:
        """The folders that were there before this run's own."""
        with self._listing:
            if self._left is None:
                self._left = self._listed()
            return self._left

    def _listed(self) -> tuple[str, ...]:
        try:
            return tuple(sorted(folder.name for folder in self._folder.iterdir()))
        except FileNotFoundError:
            pass
        try:
            self._make_folder()
        except OSError as error:
            log.error("journal_not_made", folder=str(self._folder), error=str(error))
        return ()

    def _make_folder(self) -> None:
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            to_disk(self._folder.parent)


def _write_synced(path: Path, data: bytes) -> None:
    """Write whole or not at all: a new file, fsynced, renamed over the old one."""
    fresh = path.with_suffix(path.suffix + ".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
