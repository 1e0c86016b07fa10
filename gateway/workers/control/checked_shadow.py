"""Whether the files of a card are those that it names: told by reading all of them, tens of megabytes, and asked for
again every few seconds by each page that shows it. So they are read once for as long as they lie there unchanged."""

from __future__ import annotations

from pathlib import Path

from detectors.card import Card
from detectors.networks import checked_files, files_of
from detectors.refusals import WeightsRefused

_Stamp = tuple[int, ...] | None


class CheckedShadow:
    """Remembers what it found of the card that it was asked about last. May be asked from several threads."""

    def __init__(self) -> None:
        self._last: tuple[tuple[str, tuple[_Stamp, ...]], WeightsRefused | None] | None = None

    def amiss(self, card: Card, card_path: Path) -> WeightsRefused | None:
        """Why the files cannot be used; None: they can."""
        now = (card.card_sha256, tuple(_stamp(file) for file in files_of(card, card_path)))
        last = self._last
        if last is None or last[0] != now:
            last = self._last = (now, _amiss(card_path))
        return last[1]


def _amiss(card_path: Path) -> WeightsRefused | None:
    try:
        checked_files(card_path)
    except WeightsRefused as refused:
        return refused
    return None


def _stamp(file: Path) -> _Stamp:
    """What is another once a file was written to or replaced."""
    try:
        about = file.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns
