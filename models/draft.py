"""A card while it is made, with the files that it names: in a folder of its own, and put in its place at the end.

A network looks with the card beside it, so that a card is written again and again while thresholds are chosen and
figures measured, for minutes. Ended meanwhile, a card in its place would have thresholds of one time and figures of
another, or name a network that it was not measured with.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from detectors.card_file import load_card


@contextmanager
def drafted(card_path: Path) -> Iterator[Path]:
    """Answers the path of a copy of the card, its page and its files beside it; of a card that is yet to be made,
    where nothing lies so far.

    What was made or changed there takes its place once the block has ended well, and what was removed there goes: the
    networks first, the card last, each whole or not at all. Otherwise nothing has changed. Cut off between two of them,
    which takes moments, the card is the one before, and of a network that it does not mean it says so by its sha256.
    Raises ``WeightsRefused`` where the card cannot be read, ``OSError`` where it cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / card_path.name
        before = _files(card_path)
        for file in before:
            shutil.copyfile(file, draft.with_name(file.name))
        yield draft
        made = sorted(draft.parent.iterdir(), key=lambda file: (file == draft, file.suffix == ".md"))
        write_whole({card_path.with_name(file.name): file.read_bytes() for file in made})
        for file in before:
            if not draft.with_name(file.name).exists():
                with suppress(OSError):  # no card names it any more
                    file.unlink()


def write_whole(files: dict[Path, bytes]) -> None:
    """Each whole or not at all, in order, and none before all of them lie ready on the disk; what is so already is left
    alone. Raises ``OSError``."""
    changed = {to: data for to, data in files.items() if not (to.is_file() and to.read_bytes() == data)}
    fresh = {to: to.with_name(f".{to.name}.new") for to in changed}
    try:
        for to, data in changed.items():
            to.parent.mkdir(parents=True, exist_ok=True)
            with fresh[to].open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for to in changed:
            fresh[to].replace(to)
    finally:
        for left in fresh.values():
            left.unlink(missing_ok=True)


def _files(card_path: Path) -> list[Path]:
    """Those that are there of a card, its page, and what it names."""
    if not card_path.exists():
        return []
    card = load_card(card_path)
    beside = [one.weights for one in (card.quantised, card.density, card.judge, card.cues) if one is not None]
    names = (card_path.name, f"{card_path.stem}.md", card.weights or f"{card_path.stem}.onnx", *beside)
    return [file for name in dict.fromkeys(names) if (file := card_path.with_name(name)).is_file()]
