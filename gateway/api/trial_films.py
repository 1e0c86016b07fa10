"""Films that were brought for trials: the last few, in a folder of their own.

Written off the event loop, a megabyte at a time, under a name of its own until it is whole: a film of which half came
before the process was killed is none, and goes with the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from gateway.storage.ids import new_id

MOST = 4
"""Films that are kept; the oldest goes."""
AT_ONCE = 1_000_000
"""Bytes that are written at a time."""
_COMING = ".coming"


class BroughtFilms:
    """``bring`` one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def bring(self, parts: AsyncIterator[bytes]) -> tuple[str, int]:
        """Keep a film; answers its id and its size in bytes. Raises ``OSError``, or what ``parts`` raises; nothing is
        left of it then."""
        footage_id, size, held = new_id(), 0, bytearray()
        coming = self._folder / f"{footage_id}{_COMING}"
        await asyncio.to_thread(self._tidy)
        try:
            async for part in parts:
                held += part
                if len(held) >= AT_ONCE:
                    await asyncio.to_thread(_add, coming, bytes(held))
                    size += len(held)
                    held.clear()
            await asyncio.to_thread(_add, coming, bytes(held))
            await asyncio.to_thread(self._keep, coming, footage_id)
        except BaseException:
            with suppress(OSError):
                coming.unlink(missing_ok=True)
            raise
        return footage_id, size + len(held)

    def _tidy(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._folder.glob(f"*{_COMING}"):
            left.unlink(missing_ok=True)

    def _keep(self, coming: Path, footage_id: str) -> None:
        coming.rename(self._folder / footage_id)
        for old in sorted(self._folder.iterdir())[:-MOST]:
            old.unlink(missing_ok=True)


def _add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)
