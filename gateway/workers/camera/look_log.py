"""The log of what the network saw at one camera: the newest looks, so that somebody can ask later why a rule said what
it said, or what another rule would have said (``gateway try``).

Boxes and scores alone, no picture. Lines are those of ``detectors.rules.replay``, with the ``view`` that the camera had
(rules are of one view), where its picture stood ``frozen``, that it did, and what was ``asked`` for the rules of the
time: that people were ``counted``, and the box in which parts of ``stalls`` were looked for. Two files of half the size
each: when the newer is full it takes the older one's place.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from detectors.asked import NOTHING_MORE, Asked
from detectors.observation import Box, Look
from detectors.rules.replay import from_facts, to_line
from gateway.processes.active import InThread
from gateway.storage.look_files import newer, older

log = structlog.get_logger(__name__)

WRITE_EVERY = 10.0
"""Seconds of looks that are written at once."""
BLOCK = 64 * 1024
"""Bytes that are read at a time from the end of a file; a line of twenty people has a thousand."""
MOST_WAITING = 500
"""Looks that wait for the disk at most: of more, the newest are left out."""


@dataclass(frozen=True, slots=True)
class LoggedLook:
    """``view``: as ``AssignCamera.preset``. ``frozen``: the camera counted as frozen, and only fire was watched for.
    ``asked``: nothing beyond the picture of a line that does not say, as older versions wrote them."""

    look: Look
    view: str | None = ""
    frozen: bool = False
    asked: Asked = NOTHING_MORE


def logged_looks(path: Path, unsaid: str | None = "") -> Iterator[LoggedLook]:
    """What a log holds, the oldest first, where ``path`` is the newer of its files with what is in the older one, too.
    ``unsaid``: the view of lines that say none, as older versions wrote them. Lines that are no looks, as a process
    that was killed leaves one, are passed over. Raises ``OSError``."""
    with ExitStack() as stack:
        for file in reversed(_opened(path, stack)):
            yield from _looks_in(file, unsaid)


def _looks_in(lines: Iterable[bytes], unsaid: str | None) -> Iterator[LoggedLook]:
    for line in lines:
        with suppress(ValueError, RecursionError):
            yield _logged(json.loads(line.decode("utf-8", "replace")), unsaid)


def _opened(path: Path, stack: ExitStack) -> list[BinaryIO]:
    """Its files, the newer first: opened before a line is read, none of them slips away when the newer takes the
    older's place. Where it does so in between both are one file, which is read once."""
    files: list[BinaryIO] = []
    for one in (path, older(path)):
        with suppress(FileNotFoundError):
            file = stack.enter_context(one.open("rb"))
            if not any(os.path.sameopenfile(file.fileno(), known.fileno()) for known in files):
                files.append(file)
    if not files:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return files


def last_view(path: Path) -> str | None:
    """The view of the newest look in a log that ``logged_looks`` reads; where it holds none, or cannot be read, that of
    a camera that was never steered."""
    with suppress(OSError):
        if (held := reach(path)) is not None:
            return held[1].view
    return ""


def reach(path: Path) -> tuple[LoggedLook, LoggedLook] | None:
    """The oldest and the newest look of a log that ``logged_looks`` reads; None where it holds none. No more of it is
    read than that takes: both ends, as a rule. Raises ``OSError``."""
    with ExitStack() as stack:
        files = _opened(path, stack)
        oldest = next((one for file in reversed(files) for one in _looks_in(file, "")), None)
        newest = next((one for file in files for one in _looks_in(_backwards(file), "")), None)
    return None if oldest is None or newest is None else (oldest, newest)


def _backwards(file: BinaryIO) -> Iterator[bytes]:
    """Its lines, the last one first."""
    begin, end_of_line = file.seek(0, os.SEEK_END), list[bytes]()
    while begin > 0:
        begin, end = max(0, begin - BLOCK), begin
        file.seek(begin)
        first, *others = file.read(end - begin).split(b"\n")
        if others:
            others[-1] += b"".join(reversed(end_of_line))
            yield from reversed(others)
            end_of_line.clear()
        end_of_line.append(first)
    yield b"".join(reversed(end_of_line))


def _logged(facts: Any, unsaid: str | None) -> LoggedLook:
    look = from_facts(facts)
    view = facts.get("view", unsaid)
    asked = Asked(facts.get("counted") is True, _box(facts.get("stalls")))
    return LoggedLook(look, None if view is None else str(view), facts.get("frozen") is True, asked)


def _box(sides: Any) -> Box | None:
    try:
        return Box(*map(float, sides))
    except (TypeError, ValueError):  # none, or not ours
        return None


def _line(one: LoggedLook) -> str:
    """What is not so, a line leaves out."""
    said: dict[str, object] = {"frozen": True} if one.frozen else {}
    if one.asked.counted:
        said["counted"] = True
    if (box := one.asked.stalls) is not None:
        said["stalls"] = [round(side, 3) for side in (box.x1, box.y1, box.x2, box.y2)]
    return to_line(one.look, view=one.view, **said) + "\n"


class LookLog:
    """``most_bytes``: of both files together; 0: nothing is written. ``in_thread`` runs what blocks."""

    def __init__(self, folder: Path, code: str, most_bytes: int, in_thread: InThread = asyncio.to_thread) -> None:
        self.left_out = 0
        self._folder = folder
        self._code = code
        self._half = most_bytes // 2
        self._in_thread = in_thread
        self._waiting: list[LoggedLook] = []
        self._writing: asyncio.Task[None] | None = None
        self._failing = False

    def note(self, look: Look, *, view: str | None = "", frozen: bool = False, asked: Asked = NOTHING_MORE) -> None:
        """Never blocks and never raises: no camera is blind because its log cannot be written."""
        if self._half == 0:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.left_out += 1
            return
        self._waiting.append(LoggedLook(look, view, frozen, asked))
        since = look.at - self._waiting[0].look.at
        if not 0 <= since < WRITE_EVERY and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write(), name=f"looks-{self._code}")

    async def close(self) -> None:
        """Write what still waits. Raises nothing either."""
        if self._writing is not None:
            await self._writing
        if self._waiting:
            await self._write()

    async def _write(self) -> None:
        looks, self._waiting = self._waiting, []
        try:
            await self._in_thread(lambda: self._append(looks))
        except (OSError, RuntimeError) as error:  # the disk takes nothing, or no thread can be started for now
            self.left_out += len(looks)
            if not self._failing:
                log.warning("look_log_unwritable", camera=self._code, error=str(error))
            self._failing = True
        else:
            self._failing = False

    def _append(self, looks: list[LoggedLook]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = newer(self._folder, self._code)
        written = "".join(map(_line, looks)).encode()
        # Another worker may have owned the camera in between, and have written here too.
        held = path.stat().st_size if path.exists() else 0
        if held and held + len(written) > self._half:
            path.replace(older(path))
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "ab") as file:
            file.write(written)
