"""A clip that fails of what nobody foresaw ends all the same: its alert must not wait for it for ever."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gateway.streams.bus import FrameBus
from gateway.streams.clip import ClipWriter, ClosedClip
from gateway.workers.camera.journal import AlertJournal
from gateway.workers.camera.recording import ClipRecording


def recording(folder: Path) -> ClipRecording:
    coming = FrameBus().subscribe("clip", 10)
    return ClipRecording(lambda: folder / "clip.mp4", [], coming, time.time)


async def test_a_picture_that_the_writer_chokes_on_ends_the_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chokes(_writer: ClipWriter, _frames: object) -> None:
        raise IndexError("no such stream")

    monkeypatch.setattr(ClipWriter, "write", chokes)
    async with asyncio.timeout(30):
        assert await recording(tmp_path).closed() is None


async def test_a_clip_that_cannot_be_closed_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chokes(_writer: ClipWriter, complete: bool = True) -> ClosedClip | None:
        raise ValueError(f"complete: {complete}")

    monkeypatch.setattr(ClipWriter, "close", chokes)
    async with asyncio.timeout(30):
        assert await recording(tmp_path).cut() is None


def test_a_clip_may_begin_when_its_alert_is_there_already(tmp_path: Path) -> None:
    (tmp_path / "a1").mkdir()
    assert AlertJournal(tmp_path).begin("a1") == tmp_path / "a1" / "clip.mp4"
