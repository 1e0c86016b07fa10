"""How a command runs: where it tells of its progress, and what it says when weights or files cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from typer.core import TyperGroup

console = Console(stderr=True)


class Commands(TyperGroup):
    """What cannot be used, be it weights, a card, a picture or a file, ends a command with the reason, not with the
    place in the code."""

    def invoke(self, ctx: Any) -> Any:
        from detectors.refusals import WeightsRefused
        from models.refusals import DataRefused

        try:
            return super().invoke(ctx)
        except (WeightsRefused, DataRefused) as refused:
            said = f"{refused.reason}: {refused.zh} {refused.en}"
        except OSError as error:
            said = f"file_unusable: 文件无法读写 The file cannot be read or written: {error}"
        console.print(said, style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2)


def told_by(bars: Progress) -> Callable[[str, int, int], None]:
    """One bar for each kind of work."""
    tasks: dict[str, TaskID] = {}

    def told(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done + 1)

    return told
