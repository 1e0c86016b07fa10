"""Workers are told what to record now, again and again; the disk is kept within its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from gateway.processes.messages import Message, RecordCamera
from gateway.settings import RecordingSettings
from gateway.storage.database import Database
from gateway.storage.ids import new_id
from gateway.storage.tables.recordings import RecordingHoldRow, RecordingPlanRow
from gateway.streams.recordings import RecordingFile, listed, recording_name
from gateway.workers.control import recording_keeper
from gateway.workers.control.links import WorkerLinks
from gateway.workers.control.placement import Placement
from gateway.workers.control.recording_keeper import RecordingKeeper

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

CODE = "99000000001320000001"


class Told:
    """Where control's words to its workers end up."""

    def __init__(self) -> None:
        self.words: list[tuple[str, Message]] = []

    def tell(self, worker: str, message: Message) -> bool:
        self.words.append((worker, message))
        return True

    def last(self) -> Message | None:
        return self.words[-1][1] if self.words else None


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def keeper(sqlite_database: Database, told: Told, tmp_path: Path, clock: ManualClock) -> RecordingKeeper:
    placement = Placement(50)
    placement.place(CODE)
    settings = RecordingSettings(disk_gb=3e-7, least_free_gb=0, retention_days=1)  # 300 bytes
    return RecordingKeeper(
        sqlite_database, cast(WorkerLinks, told), placement, tmp_path / "recordings", settings, clock
    )  # fmt: skip


async def plan(database: Database, now: datetime, *, until: datetime | None = None, hours: list[list[str]]) -> None:
    async with database.transaction() as session:
        session.add(
            RecordingPlanRow(camera_code=CODE, platform="hub", hours=hours, on_demand_until=until, changed_at=now)
        )


async def test_a_recording_on_demand_ends_at_its_time(
    keeper: RecordingKeeper, sqlite_database: Database, told: Told, clock: ManualClock
) -> None:
    await plan(sqlite_database, clock(), until=clock() + timedelta(minutes=10), hours=[])
    await keeper.once()
    await keeper.once()
    assert told.words == [("camera-1", RecordCamera(CODE, True))] * 2, "a worker may have come anew meanwhile"
    clock.advance(minutes=11)
    await keeper.once()
    assert told.last() == RecordCamera(CODE, False)
    said = len(told.words)
    await keeper.once()
    assert len(told.words) == said


async def test_a_plan_is_followed_in_the_citys_time(
    keeper: RecordingKeeper, sqlite_database: Database, told: Told, clock: ManualClock
) -> None:
    await plan(sqlite_database, clock(), hours=[["22:00", "06:00"]])
    midnight = datetime(2030, 1, 7, 16, 0, tzinfo=UTC)
    clock.advance(seconds=(midnight - clock()).total_seconds() % 86_400)
    await keeper.once()
    assert told.last() == RecordCamera(CODE, True)
    clock.advance(hours=7)
    await keeper.once()
    assert told.last() == RecordCamera(CODE, False)


async def test_the_oldest_unheld_go_first_and_with_only_held_ones_left_nothing_more_is_recorded(
    keeper: RecordingKeeper, sqlite_database: Database, told: Told, tmp_path: Path, clock: ManualClock
) -> None:
    folder = tmp_path / "recordings" / CODE
    folder.mkdir(parents=True)
    now = clock().timestamp()
    ids = [new_id() for _ in range(4)]
    for number, recording_id in enumerate(ids):
        name = recording_name(now - 4000 + number * 600, now - 3400 + number * 600, recording_id, partial=False)
        (folder / name).write_bytes(bytes(200))
    async with sqlite_database.transaction() as session:
        for recording_id in ids[:2]:
            session.add(
                RecordingHoldRow(
                    recording_id=recording_id, camera_code=CODE, platform="hub", reason="案件", held_by="x",
                    held_at=clock(),
                )
            )  # fmt: skip
    await plan(sqlite_database, clock(), until=clock() + timedelta(hours=5), hours=[])
    await keeper.once()
    assert [file.id for file in listed(folder)] == ids[:2]
    assert keeper.no_room
    assert told.words == []
    clock.advance(days=40)
    await keeper.once()
    assert [file.id for file in listed(folder)] == ids[:2], "held, whatever its age"


async def test_the_disk_is_kept_within_its_bounds_after_the_clock_was_set_back(
    keeper: RecordingKeeper, tmp_path: Path, clock: ManualClock
) -> None:
    """The next sweep came once the clock had made up for it: a day later, with the disk full."""
    folder = tmp_path / "recordings" / CODE
    folder.mkdir(parents=True)
    await keeper.once()
    clock.advance(days=-1)
    now = clock().timestamp()
    for number in range(3):
        name = recording_name(now - 4000 + number * 600, now - 3400 + number * 600, new_id(), partial=False)
        (folder / name).write_bytes(bytes(200))
    await keeper.once()
    assert sum(file.size for file in listed(folder)) == 200


async def test_a_plan_whose_hours_cannot_be_read_keeps_no_other_camera_from_being_recorded(
    keeper: RecordingKeeper, sqlite_database: Database, told: Told, clock: ManualClock
) -> None:
    async with sqlite_database.transaction() as session:
        session.add(
            RecordingPlanRow(
                camera_code="99000000001320000000", platform="hub", hours=[["always", ""]], on_demand_until=None,
                changed_at=clock(),
            )
        )  # fmt: skip
    await plan(sqlite_database, clock(), until=clock() + timedelta(minutes=10), hours=[])
    await keeper.once()
    assert told.words == [("camera-1", RecordCamera(CODE, True))]
    assert len(keeper.work.rows) == 1


async def test_a_folder_that_cannot_be_listed_keeps_the_disk_no_fuller(
    keeper: RecordingKeeper, tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, folder = tmp_path / "recordings" / "99000000001320000000", tmp_path / "recordings" / CODE
    begin = clock().timestamp() - 40 * 86_400
    for one in (broken, folder):
        one.mkdir(parents=True)
        (one / recording_name(begin, begin + 600, new_id(), partial=False)).write_bytes(bytes(200))

    def fails_for_one(of: Path) -> Iterator[RecordingFile]:
        if of == broken:
            raise OSError(5, "Input/output error")
        return listed(of)

    monkeypatch.setattr(recording_keeper, "listed", fails_for_one)
    await keeper.once()
    assert list(listed(folder)) == []
    assert len(list(listed(broken))) == 1
