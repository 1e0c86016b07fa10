"""Evidence files: taken over from a worker's folder, checked against their hash, kept for as long as the event.

A file is adopted whole or not at all: it is hashed, forced to disk and only then given its name. On the journal's own
disk it is a second name for the same file, which whoever journalled it has forced to disk already and only ever
removes: one write to disk in place of three. Elsewhere it is copied. Paths in the database are relative, so that the
data folder can move.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path

from gateway.refusals import Refusal
from gateway.storage.durable import to_disk

_CHUNK = 1 << 20
AT_ONCE = 16
"""Files adopted at a time: they wait for the disk, which takes many at once as fast as one."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Where an evidence file lies, relative to the evidence folder, and its size in bytes."""

    path: str
    size: int


class EvidenceFiles:
    """The evidence folder. ``sources`` are the folders (journals) out of which files may be taken."""

    def __init__(self, folder: Path, sources: tuple[Path, ...]) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder.resolve()
        self._sources = tuple(source.resolve() for source in sources)
        self._disk: ThreadPoolExecutor | None = None

    async def adopt(self, source: str | Path, evidence_id: str, sha256: str, size: int | None = None) -> StoredFile:
        """Take over ``source`` under ``evidence_id``; again is the same as once.

        Refuses a file outside the journals (``evidence_elsewhere``), one that is gone (``evidence_missing``) or is
        not what was announced (``evidence_damaged``), and a full disk (``disk_full``). The source is left for its
        owner to forget.
        """
        if self._disk is None:
            self._disk = ThreadPoolExecutor(AT_ONCE, "evidence")
        adopting = partial(self._adopt, Path(source), evidence_id, sha256, size)
        return await asyncio.get_running_loop().run_in_executor(self._disk, adopting)

    async def write(self, content: bytes, evidence_id: str, suffix: str) -> StoredFile:
        """Keep ``content``, such as a snapshot that came in a message, as an evidence file."""
        return await asyncio.to_thread(self._write, content, evidence_id, suffix)

    def open(self, stored_path: str) -> Path:
        """The file to serve; refuses what is not (or no longer) there."""
        path = self._folder / stored_path
        if not path.resolve().is_relative_to(self._folder) or path.is_symlink() or not path.is_file():
            raise _missing()
        return path

    async def forget(self, stored_paths: list[str]) -> None:
        """Remove files whose records are gone; one that is not there does no harm."""
        for stored_path in stored_paths:
            with suppress(Refusal, OSError):
                await asyncio.to_thread(self.open(stored_path).unlink)

    def _place(self, evidence_id: str, suffix: str) -> Path:
        if _ID.fullmatch(evidence_id) is None or _SUFFIX.fullmatch(suffix) is None:
            raise Refusal("invalid", "evidence_name_invalid", "证据编号无效。", "The evidence id is not valid.")
        # UUIDv7 begins with the time: its first 5 hex digits change every 12 days, which keeps folders of fair size.
        return self._folder / evidence_id[:5] / f"{evidence_id}{suffix}"

    def _adopt(self, source: Path, evidence_id: str, sha256: str, size: int | None) -> StoredFile:
        place = self._place(evidence_id, source.suffix.lower())
        if place.is_file() and _sha256_of(place) == sha256:
            return self._stored(place)
        try:
            # Neither follow a link nor wait for somebody to write into a pipe.
            handle = os.open(self._inside(source), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _missing() from error
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            os.close(handle)
            raise _missing()
        with os.fdopen(handle, "rb") as reader:
            if size is not None and found.st_size != size:
                raise _damaged()
            if not self._linked(place, source, reader, sha256):
                reader.seek(0)
                self._fill(place, iter(lambda: reader.read(_CHUNK), b""), sha256)
        return self._stored(place)

    def _linked(self, place: Path, source: Path, reader: BufferedReader, sha256: str) -> bool:
        """Give the file its second name; False where that cannot be done and it must be copied."""
        if hashlib.file_digest(reader, "sha256").hexdigest() != sha256:
            raise _damaged()
        draft = _draft_of(place)
        try:
            self._make_folder(place.parent)
            os.link(source, draft, follow_symlinks=False)
            if not os.path.samestat(draft.lstat(), os.fstat(reader.fileno())):
                return False  # another file has come into its place meanwhile
            os.fchmod(reader.fileno(), 0o600)
            os.fsync(reader.fileno())
            draft.replace(place)
            to_disk(place.parent)
        except OSError:
            return False
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        return True

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            to_disk(self._folder)

    def _write(self, content: bytes, evidence_id: str, suffix: str) -> StoredFile:
        place = self._place(evidence_id, suffix)
        self._fill(place, iter((content,)), hashlib.sha256(content).hexdigest())
        return self._stored(place)

    def _inside(self, source: Path) -> Path:
        """The source with every link in its folders resolved; it must lie in a journal even then."""
        path = source.parent.resolve() / source.name
        if not any(path.is_relative_to(root) for root in self._sources):
            raise Refusal(
                "invalid",
                "evidence_elsewhere",
                "证据文件不在日志目录内，已拒绝。",
                "The evidence file lies outside the journals.",
            )
        return path

    def _fill(self, place: Path, chunks: Iterator[bytes], sha256: str) -> None:
        draft = _draft_of(place)
        digest = hashlib.sha256()
        try:
            self._make_folder(place.parent)
            with open(draft, "xb", opener=_private) as writer:
                for chunk in chunks:
                    digest.update(chunk)
                    writer.write(chunk)
                writer.flush()
                os.fsync(writer.fileno())
            if digest.hexdigest() != sha256:
                raise _damaged()
            draft.replace(place)
            to_disk(place.parent)
        except OSError as error:
            raise Refusal(
                "unavailable",
                "disk_full" if error.errno in _FULL else "evidence_not_written",
                f"证据文件无法写入：{error.strerror}",
                f"The evidence file cannot be written: {error.strerror}",
            ) from error
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _stored(self, place: Path) -> StoredFile:
        return StoredFile(str(place.relative_to(self._folder)), place.stat().st_size)


def _draft_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _missing() -> Refusal:
    return Refusal("not_found", "evidence_missing", "证据文件不存在。", "The evidence file is not there.")


def _damaged() -> Refusal:
    return Refusal(
        "conflict",
        "evidence_damaged",
        "证据文件与其校验值不符。",
        "The evidence file does not match its announced size or hash.",
    )
