"""Marks of whose pictures a worker has in hand: they outlive the worker, and nothing else does."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from gateway.processes.active import SLOT, SLOTS, ActiveMarks, MarkedThreads, active_in, marks_file

A, B = "99000000001310000001", "99000000001310000002"


def test_who_was_active_when_a_process_was_killed_by_its_decoder_is_known_afterwards(tmp_path: Path) -> None:
    path = marks_file(tmp_path, "camera-1")
    dies = f"""
        import ctypes
        from concurrent.futures import ThreadPoolExecutor
        from pathlib import Path
        from gateway.processes.active import ActiveMarks, MarkedThreads
        marks = ActiveMarks(Path({str(path)!r}))
        MarkedThreads(ThreadPoolExecutor(1), marks, {B!r}).submit(lambda: None).result()
        work = MarkedThreads(ThreadPoolExecutor(1), marks, {A!r})
        work.submit(lambda: ctypes.string_at(0)).result()
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(dies)], timeout=30, check=False)
    assert ended.returncode == -signal.SIGSEGV
    assert active_in(path) == {A}


def test_a_worker_for_whose_marks_the_disk_has_no_room_works_all_the_same(tmp_path: Path) -> None:
    """Its first mark killed it with SIGBUS: with the disk full no worker that was restarted came back."""
    path = marks_file(tmp_path, "camera-1")
    path.write_bytes(A.encode().ljust(SLOT, b"\0"))
    assert active_in(path) == {A}, "as a predecessor left it"
    works = f"""
        import resource
        from pathlib import Path
        from gateway.processes.active import ActiveMarks
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # a disk that has no room for a byte
        with ActiveMarks(Path({str(path)!r})).on({B!r}):
            print("works")
    """
    command = [sys.executable, "-c", textwrap.dedent(works)]
    said = subprocess.run(command, timeout=30, check=True, capture_output=True, text=True).stdout
    assert said.endswith("works\n")
    assert "active_marks_not_kept" in said
    assert active_in(path) == frozenset(), "neither its own nor its predecessor's"


def test_work_that_is_done_leaves_no_mark_though_it_failed(tmp_path: Path) -> None:
    marks = ActiveMarks(tmp_path / "marks")
    work = MarkedThreads(ThreadPoolExecutor(1), marks, A)
    assert work.submit(lambda: active_in(tmp_path / "marks")).result() == {A}
    assert isinstance(work.submit(lambda: 1 // 0).exception(), ZeroDivisionError)
    assert active_in(tmp_path / "marks") == frozenset()


def test_two_threads_mark_two_cameras_and_work_within_work_gives_its_mark_back(tmp_path: Path) -> None:
    marks, threads, meet = ActiveMarks(tmp_path / "marks"), ThreadPoolExecutor(2), Barrier(2)

    def seen() -> frozenset[str]:
        meet.wait(5)
        active = active_in(tmp_path / "marks")
        meet.wait(5)
        return active

    both = [MarkedThreads(threads, marks, code).submit(seen) for code in (A, B)]
    assert [one.result() for one in both] == [{A, B}, {A, B}]
    with marks.on(A):
        with marks.on(B):
            assert active_in(tmp_path / "marks") == {B}
        assert active_in(tmp_path / "marks") == {A}


def test_more_threads_than_there_is_room_for_work_on_without_a_mark(tmp_path: Path) -> None:
    marks, threads, meet = ActiveMarks(tmp_path / "marks"), ThreadPoolExecutor(SLOTS), Barrier(SLOTS + 1)
    held = [MarkedThreads(threads, marks, A).submit(meet.wait, 5) for _ in range(SLOTS)]
    while meet.n_waiting < SLOTS:
        time.sleep(0.001)
    with marks.on(B):
        assert active_in(tmp_path / "marks") == {A}
    meet.wait(5)
    assert len([one.result() for one in held]) == SLOTS


def test_threads_that_come_and_go_do_not_use_up_the_room(tmp_path: Path) -> None:
    marks = ActiveMarks(tmp_path / "marks")
    for _ in range(2 * SLOTS):
        with ThreadPoolExecutor(1) as thread:
            assert MarkedThreads(thread, marks, A).submit(active_in, tmp_path / "marks").result() == {A}


async def test_work_in_a_thread_of_the_loop_is_marked_while_it_lasts(tmp_path: Path) -> None:
    in_thread = ActiveMarks(tmp_path / "marks").in_thread(A)
    assert await in_thread(active_in, tmp_path / "marks") == {A}
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)
    assert active_in(tmp_path / "marks") == frozenset()


def test_a_new_start_forgets_and_a_file_that_is_not_there_marks_nobody(tmp_path: Path) -> None:
    with ActiveMarks(tmp_path / "marks").on(A):
        ActiveMarks(tmp_path / "marks")
        assert active_in(tmp_path / "marks") == frozenset()
    assert active_in(tmp_path / "none") == frozenset()
