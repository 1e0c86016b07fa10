"""A note on the disk of a change of the weights that the audit chain is about to be told, until the change was made.

Chain and disk cannot change in one step: a process that is killed between the two leaves an act in the chain that was
not carried out. Its note lies there then, and whoever comes next can tell the chain so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from gateway.storage.durable import to_disk

log = structlog.get_logger(__name__)

_FILE = "change.json"
_WORDS = ("who", "what", "target", "platform", "why")


@dataclass(frozen=True, slots=True)
class ChangeNote:
    """``act``: an ``audit.Act`` in plain words, told ``at`` that time. ``then``: the name of the folder whose weights
    are in force once the change is made."""

    act: Mapping[str, Any]
    at: datetime
    then: str


def write(models: Path, note: ChangeNote) -> None:
    """On the disk, whole or not at all. Raises ``OSError``."""
    fresh = models / f"{_FILE}.new"
    try:
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(asdict(note) | {"at": note.at.isoformat()}, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(models / _FILE)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    to_disk(models)


def read(models: Path) -> ChangeNote | None:
    """None where there is none, or one that says nothing of any change, which is logged; the next takes its place."""
    file = models / _FILE
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        act = {word: str(facts["act"][word]) for word in _WORDS}
        return ChangeNote(act, datetime.fromisoformat(facts["at"]), str(facts["then"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("change_note_unreadable", file=str(file), detail=str(error))
        return None


def remove(models: Path) -> None:
    """One that stays nevertheless is of a change that was made, and says so to whoever reads it."""
    with suppress(OSError):
        (models / _FILE).unlink(missing_ok=True)
