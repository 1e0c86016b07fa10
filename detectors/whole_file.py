"""Files read whole, and only where they are files of a size that can be."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


class FileTooLarge(ValueError):
    """Of more than so many bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


def whole_file(path: Path, most: int) -> bytes:
    """Raises ``OSError`` where it is no file (a pipe or a device may never end), ``FileTooLarge``."""
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise OSError(errno.EINVAL, "no regular file")
    if about.st_size > most:
        raise FileTooLarge(about.st_size)
    return path.read_bytes()
