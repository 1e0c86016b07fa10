"""Pictures that one process lays into memory and another reads there: what crosses the channel is a number.

The memory is an anonymous file (memfd) of the process that asks; the other opens it by the process and descriptor that
the kernel and the message tell, for reading only. Its size is sealed: who reads can never be killed by its shrinking.
It goes with the last process that holds it, however that ends.

A slot belongs to one question. Given up before its answer came, it may be filled again while the picture is still
looked at; nobody waits for that answer any more.
"""

from __future__ import annotations

import fcntl
import heapq
import mmap
import os
import stat
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from gateway.refusals import Refusal

SLOTS = 32
SLOT_BYTES = 768 * 1024
"""A picture of 640×384 and a little more. What is larger, or finds no slot free, crosses the channel itself."""
MOST_BYTES = 256 * 1024 * 1024
"""Address space that is mapped for one peer at most."""
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL

Picture = NDArray[np.uint8]


class PictureMemory:
    """Of the process that asks. Slots that were never used take no memory, and those used are used again first."""

    def __init__(self, slots: int = SLOTS, slot_bytes: int = SLOT_BYTES) -> None:
        self.slots = slots
        self.slot_bytes = slot_bytes
        self.descriptor = os.memfd_create("pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, slots * slot_bytes)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)
        self._bytes = np.frombuffer(mmap.mmap(self.descriptor, slots * slot_bytes), np.uint8)
        self._free = list(range(slots))

    def lay(self, picture: Picture) -> int | None:
        """Copy a picture (BGR H×W×3) into the first free slot; None where it does not fit or none is free."""
        if not 0 < picture.size <= self.slot_bytes or not self._free:
            return None
        slot = heapq.heappop(self._free)
        begin = slot * self.slot_bytes
        self._bytes[begin : begin + picture.size].reshape(picture.shape)[:] = picture
        return slot

    def give_back(self, slot: int) -> None:
        heapq.heappush(self._free, slot)

    def close(self) -> None:
        """What the peer has mapped stays there until it lets go."""
        os.close(self.descriptor)


class SharedPictures:
    """A peer's pictures, to be read. Everything that the peer says of them is checked."""

    def __init__(self, memory: mmap.mmap, slot_bytes: int) -> None:
        self._bytes = np.frombuffer(memory, np.uint8)
        self._slot_bytes = slot_bytes

    @classmethod
    def of(cls, pid: int, descriptor: int, slot_bytes: int) -> SharedPictures:
        """Map what that process holds under that number. Raises ``Refusal`` where it is no sealed memory of a sensible
        size, or is not to be reached."""
        opened = None
        try:
            opened = os.open(f"/proc/{pid}/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            size = os.fstat(opened).st_size
            if not stat.S_ISREG(os.fstat(opened).st_mode) or fcntl.fcntl(opened, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
                raise _unusable("it is no sealed memory")
            if not 0 < slot_bytes <= size <= MOST_BYTES:
                raise _unusable(f"{size} bytes in slots of {slot_bytes}")
            return cls(mmap.mmap(opened, size, prot=mmap.PROT_READ), slot_bytes)
        except (OSError, ValueError, OverflowError) as error:
            raise _unusable(type(error).__name__) from error
        finally:
            if opened is not None:
                with suppress(OSError):
                    os.close(opened)

    def picture(self, slot: int, width: int, height: int) -> Picture:
        """The picture (BGR H×W×3) as it lies there, not copied. Raises ``Refusal`` where it cannot lie there."""
        begin, size = slot * self._slot_bytes, width * height * 3
        if slot < 0 or min(width, height) < 1 or size > self._slot_bytes or begin + size > self._bytes.size:
            raise Refusal("invalid", "picture_size", "画面大小不符", "the picture does not lie in a slot of the memory")
        return self._bytes[begin : begin + size].reshape(height, width, 3)


def _unusable(why: str) -> Refusal:
    return Refusal("invalid", "memory_unusable", "共享内存无法使用", f"the memory for pictures cannot be used: {why}")
