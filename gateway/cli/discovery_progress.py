"""A search as the command line shows it: found, asked of how many, and the time that is left; Ctrl-C ends it early."""

from __future__ import annotations

import asyncio
import signal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from camera_registry.discovery import Discovery, Progress, Wanted
from camera_registry.found_devices import DiscoveredDevice


async def searched(discovery: Discovery, wanted: Wanted, screen: Console) -> tuple[DiscoveredDevice, ...]:
    """The devices found, all or those until Ctrl-C. Raises ``CameraRefused``."""
    bar = ProgressBar(
        SpinnerColumn(),
        TextColumn("找到 found {task.fields[found]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("已询问 asked"),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
    )
    shown = bar.add_task("search", total=None, found=0)

    def changed() -> None:
        bar.update(shown, completed=progress.asked, total=progress.total or None, found=len(progress.found))

    progress = Progress(discovery.policy, changed)
    loop = asyncio.get_running_loop()
    with bar:
        searching = asyncio.create_task(discovery.run(wanted, progress))
        loop.add_signal_handler(signal.SIGINT, searching.cancel)
        try:
            await searching
        except asyncio.CancelledError:
            screen.print("已取消 cancelled")
        finally:
            loop.remove_signal_handler(signal.SIGINT)
    return progress.found.devices
