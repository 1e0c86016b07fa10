from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from gateway.workers.control.look_log_keeping import KEPT, LookLogKeeping

NOW = datetime(2026, 11, 27, tzinfo=UTC)


async def test_what_was_seen_at_a_camera_that_is_gone_is_forgotten_after_a_week(tmp_path: Path) -> None:
    for name, age in (("gone.jsonl", KEPT + 1), ("gone.before.jsonl", KEPT + 1), ("here.jsonl", KEPT - 60)):
        (tmp_path / name).write_text("{}\n")
        os.utime(tmp_path / name, (NOW.timestamp() - age,) * 2)
    await LookLogKeeping(tmp_path, lambda: NOW).once()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["here.jsonl"]  # noqa: ASYNC240 - a test's own folder


async def test_where_nothing_was_ever_kept_nothing_is_amiss(tmp_path: Path) -> None:
    await LookLogKeeping(tmp_path / "looks", lambda: NOW).once()
