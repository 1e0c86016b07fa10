"""The recordings of a room while they are written: one file for the composed picture, or one for each source."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av.error

from gateway.rooms.composer_messages import Recorded, RecordingFailed, Said
from gateway.rooms.recording_file import CONTAINERS, Container, RecordedFile, RecordingFile
from gateway.streams.frame import PictureCodec


class Recorder:
    """The room's files; every call runs in one thread, in order."""

    def __init__(self, say: Callable[[Said], None]) -> None:
        self._say = say
        self._files: dict[str | None, RecordingFile] = {}
        self._number = 0
        self._folder: Path | None = None
        self._failed = False

    def arrange(self, folder: Path | None) -> None:
        """Begin to record into ``folder``, or (None) finish what is open."""
        if folder == self._folder:
            return
        for member in list(self._files):
            self.finish(member)
        self._folder = folder
        self._failed = False
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def picture(
        self, member: str | None, codec: PictureCodec, data: bytes, pts: int, keyframe: bool, epoch: int, at: float
    ) -> None:
        """H.265, which no browser would play from the minutes, is left out."""
        container = CONTAINERS.get(codec)
        if container is None:
            return
        with self._failures():
            file = self._file(member, container)
            if file is not None and (file.container != container or not file.picture(data, pts, keyframe, at, epoch)):
                self.finish(member)
                file = self._file(member, container)
                if file is not None:
                    file.picture(data, pts, keyframe, at, epoch)
            if file is not None and file.full:
                self.finish(member)

    def sound(self, member: str | None, data: bytes, at: float) -> None:
        with self._failures():
            file = self._files.get(member)
            if file is not None:
                file.sound(data, at)

    def finish(self, member: str | None) -> None:
        file = self._files.pop(member, None)
        closed: RecordedFile | None = None
        with self._failures():
            closed = file.close() if file is not None else None
        if closed is not None:
            self._say(
                Recorded(
                    member, str(closed.path), closed.sha256, closed.size, closed.starts_at, closed.ends_at,
                    closed.partial,
                )
            )  # fmt: skip

    def _file(self, member: str | None, container: Container) -> RecordingFile | None:
        if self._folder is None or self._failed:
            return None
        file = self._files.get(member)
        if file is None:
            self._number += 1
            name = f"{member or 'composed'}-{time.time_ns()}-{self._number}.{container}"
            file = self._files[member] = RecordingFile(self._folder / name, container)
        return file

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, av.error.FFmpegError) as error:
            if not self._failed:
                self._failed = True
                self._say(RecordingFailed(type(error).__name__))
