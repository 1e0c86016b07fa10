"""What new weights take along from a card: the counter of crowds, the judge of the second look, the finder of a stall's
parts.

They are networks of their own and outlive a training of the detector. A card that named none would count crowds by
boxes alone and believe whatever the detector believes, and nobody would be told.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors import cues, density, judge
from detectors.beside import checked
from detectors.card_file import load_card
from detectors.refusals import WeightsRefused

NAMES = {"density": density.NAMES, "judge": judge.NAMES, "cues": cues.NAMES}
ALONG = ("counting", "augmented", *NAMES)
"""Entries of a card that go along; the first two name no file."""


@dataclass(frozen=True, slots=True)
class Carried:
    """``entries``: what the new card is to say of them; ``files`` are to lie beside it."""

    entries: dict[str, Any]
    files: tuple[Path, ...]

    def lay_beside(self, weights: Path) -> None:
        """Copy the files into the folder of ``weights``."""
        weights.parent.mkdir(parents=True, exist_ok=True)
        for file in self.files:
            to = weights.with_name(file.name)
            if not (to.exists() and to.samefile(file)):
                shutil.copyfile(file, to)


def carried(card_path: Path, weights: Path) -> Carried:
    """What ``weights`` (an ``.onnx`` that is to be made) take along from a card, each file checked; nothing is written.

    What a card that lies beside ``weights`` already names stays as it is. Raises ``WeightsRefused`` where a file is
    missing or exchanged, or would replace another one beside ``weights``.
    """
    load_card(card_path)
    of: dict[str, Any] = json.loads(card_path.read_text(encoding="utf-8"))
    own = weights.with_suffix(".json")
    stands: dict[str, Any] = json.loads(own.read_text(encoding="utf-8")) if own.exists() else {}
    entries = {name: of[name] for name in ALONG if of.get(name) and not stands.get(name)}
    files = []
    for name, called in NAMES.items():
        if name in entries:
            file = card_path.with_name(entries[name]["weights"])
            data = checked(file, entries[name]["sha256"].lower(), *called)
            to = weights.with_name(file.name)
            if to == weights or (to.exists() and to.read_bytes() != data):
                raise WeightsRefused(
                    "weights_in_the_way",
                    f"{to} 已是另一个文件，不能放入{called[0]}；请换一个目录",
                    f"{to} is another file, so that the {called[1]} cannot lie there; choose another folder",
                )
            files.append(file)
    return Carried(entries, tuple(files))
