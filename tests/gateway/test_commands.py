"""What the commands say of themselves is said in Chinese first, and in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from gateway.cli.main import app

CHINESE, ENGLISH = re.compile("[\u4e00-\u9fff]"), re.compile("[A-Za-z]{2}")


def said(command: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every command and parameter by its path, with its help."""
    yield path, (command.help or "").split("\n\n")[0]
    for one in command.params:
        if one.name not in ("help", "install_completion", "show_completion"):
            yield f"{path} {one.name}", getattr(one, "help", None) or ""
    for name, below in getattr(command, "commands", {}).items():
        yield from said(below, f"{path} {name}")


def test_every_command_and_option_is_told_in_chinese_first_and_in_english() -> None:
    told = dict(said(typer.main.get_command(app), "gateway"))
    assert len(told) > 60
    wanting = []
    for path, text in told.items():
        chinese, english = CHINESE.search(text), ENGLISH.search(text)
        if chinese is None or english is None or chinese.start() > 12:
            wanting.append(f"{path}: {text}")
    assert wanting == []
