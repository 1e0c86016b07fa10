"""Why what is learnt from, or the folder of a training, cannot be used, said so that somebody can act on it."""

from __future__ import annotations

from pathlib import Path


class DataRefused(Exception):
    """A file or folder cannot be used. ``reason`` is stable; ``zh`` and ``en`` name the file, the line (from 1) where
    there is one, and say what to do."""

    def __init__(self, reason: str, file: Path, zh: str, en: str, line: int | None = None) -> None:
        self.reason = reason
        self.zh = f"{file}{'' if line is None else f' 第 {line} 行'}：{zh}"
        self.en = f"{file}{'' if line is None else f', line {line}'}: {en}"
        super().__init__(f"{reason}: {self.en}")
