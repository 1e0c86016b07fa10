"""Pictures that one process lays down and another reads, and memory that is none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gateway.processes import shared_pictures
from gateway.processes.shared_pictures import PictureMemory, SharedPictures
from gateway.refusals import Refusal

SLOT = 4096


@pytest.fixture
def memory() -> Iterator[PictureMemory]:
    made = PictureMemory(slots=3, slot_bytes=SLOT)
    yield made
    made.close()


@pytest.fixture
def shared(memory: PictureMemory) -> SharedPictures:
    return SharedPictures.of(os.getpid(), memory.descriptor, SLOT)


def picture(shade: int, height: int = 20, width: int = 30) -> NDArray[np.uint8]:
    drawn = np.full((height, width, 3), shade, np.uint8)
    drawn[0, 0] = (1, 2, 3)
    return drawn


def test_what_one_lays_down_the_other_reads_and_cannot_change(memory: PictureMemory, shared: SharedPictures) -> None:
    slots = [memory.lay(picture(shade)) for shade in (10, 20, 30)]
    assert slots == [0, 1, 2]
    for slot, shade in zip((0, 1, 2), (10, 20, 30), strict=True):
        read = shared.picture(slot, 30, 20)
        assert np.array_equal(read, picture(shade))
        assert not read.flags.writeable


def test_a_part_of_a_picture_lies_there_whole(memory: PictureMemory, shared: SharedPictures) -> None:
    part = picture(10, 40, 60)[::2, ::2]
    assert memory.lay(part) == 0
    assert np.array_equal(shared.picture(0, 30, 20), part)


def test_without_a_free_slot_or_of_too_large_a_size_none_is_laid_down(memory: PictureMemory) -> None:
    assert memory.lay(picture(1, 37, 37)) is None
    assert memory.lay(picture(1, 1, 1)[:0]) is None
    assert [memory.lay(picture(1)) for _ in range(4)] == [0, 1, 2, None]
    memory.give_back(2)
    memory.give_back(0)
    assert memory.lay(picture(2)) == 0  # used before: its pages are there already


@pytest.mark.parametrize(
    ("slot", "width", "height"),
    [(-1, 30, 20), (3, 30, 20), (10**12, 1, 1), (0, 0, 20), (0, -30, -20), (0, 37, 37), (2, 10**9, 10**9)],
)
def test_a_picture_that_cannot_lie_there_is_refused(shared: SharedPictures, slot: int, width: int, height: int) -> None:
    with pytest.raises(Refusal, match="picture_size"):
        shared.picture(slot, width, height)


def refused(descriptor: int, slot_bytes: int = SLOT) -> bool:
    with pytest.raises(Refusal, match="memory_unusable"):
        SharedPictures.of(os.getpid(), descriptor, slot_bytes)
    return True


def test_memory_that_could_shrink_under_its_reader_is_refused() -> None:
    loose = os.memfd_create("loose", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(loose, SLOT)
    assert refused(loose)
    os.close(loose)


def test_what_is_no_memory_is_refused(tmp_path: Path, memory: PictureMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x" * SLOT)
    plain = os.open(tmp_path / "file", os.O_RDONLY)
    reading, writing = os.pipe()
    assert all(refused(descriptor) for descriptor in (plain, reading, -1, 10**6, 10**30))
    assert refused(memory.descriptor, 0)
    assert refused(memory.descriptor, -1)
    assert refused(memory.descriptor, 3 * SLOT + 1)
    monkeypatch.setattr(shared_pictures, "MOST_BYTES", SLOT)
    assert refused(memory.descriptor)
    for descriptor in (plain, reading, writing):
        os.close(descriptor)


def test_the_memory_outlives_who_made_it_for_as_long_as_it_is_read(
    memory: PictureMemory, shared: SharedPictures
) -> None:
    memory.lay(picture(7))
    memory.close()
    assert np.array_equal(shared.picture(0, 30, 20), picture(7))
    memory.descriptor = os.open(os.devnull, os.O_RDONLY)  # for the fixture to close
