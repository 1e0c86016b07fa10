"""Where the logs of what was seen at cameras lie: two files a camera, the newer one with the newest looks."""

from __future__ import annotations

from pathlib import Path


def look_logs(data_folder: Path) -> Path:
    """Where the logs of all cameras lie."""
    return data_folder / "looks"


def newer(folder: Path, code: str) -> Path:
    return folder / f"{code}.jsonl"


def older(newer_file: Path) -> Path:
    """The file whose place the newer one takes when it is full."""
    return newer_file.with_name(f"{newer_file.stem}.before.jsonl")


def is_look_log(path: Path) -> bool:
    return path.suffix == ".jsonl"
