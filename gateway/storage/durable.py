"""What has been written, or named, is on disk and outlives a loss of power."""

from __future__ import annotations

import os
from pathlib import Path


def to_disk(path: Path) -> None:
    """Force a file to disk, or the names in a folder: a new one is there only once its folder is. Blocks. Raises
    ``OSError``."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
