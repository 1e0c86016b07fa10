"""Control goes on whatever one turn of one of its periodic works comes to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from camera_registry.address_policy import AddressPolicy
from gateway.duty.report_keeper import ReportKeeper
from gateway.events.announcing import Announcer
from gateway.events.books import CityBooks
from gateway.events.holiday_watch import HolidayWatch
from gateway.events.mode_switches import ModeKeeping
from gateway.events.opening import Opening
from gateway.events.outward.sender import OutboxSender
from gateway.events.promotion import Promotion
from gateway.events.timekeeping import Timekeeping
from gateway.live import LiveHub
from gateway.processes import periodic
from gateway.processes.periodic import PeriodicWork
from gateway.rooms.desk import RoomDesk
from gateway.rooms.escalation import Escalations
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.vault import Vault
from gateway.workers.control.clock_watch import ClockWatch
from gateway.workers.control.placement import Placement
from gateway.workers.control.recording_keeper import RecordingKeeper

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock


class DiskGone:
    """A database whose disk answers with an error that no driver knows."""

    def reading(self) -> None:
        raise OSError(5, "Input/output error")

    transaction = reading


def works(db: Database, clock: ManualClock, folder: Path) -> list[PeriodicWork]:
    """Those that control starts, over ``db``."""
    live, books, settings = LiveHub(), CityBooks(), Settings(data_folder=folder, platform_code="hub")
    announcer, vault, opening = Announcer(db, live, clock), Vault.at(folder), Opening()
    rooms = RoomDesk.over(db, cast(Any, None), live, clock, EvidenceFiles(folder / "evidence", ()), vault, folder)
    sender = OutboxSender(db, vault, clock)
    return [
        Promotion(db, announcer, opening, settings.windows, clock).work,
        Timekeeping(db, announcer, opening, clock).work,
        ModeKeeping(db, announcer, clock).work,
        Escalations(rooms.register, rooms.standing_orders, announcer).work,
        rooms.steering.work,
        ClockWatch(db, AddressPolicy(()), clock, lambda *_: None, lambda *_: None).work,
        HolidayWatch(db, books, clock).work,
        RecordingKeeper(db, cast(Any, None), Placement(50), folder, settings.recordings, clock).work,
        ReportKeeper.over(db, books, live, clock, folder).work,
        sender.work,
        sender.forgetting,
    ]


@pytest.mark.parametrize("number", range(11))
async def test_a_work_goes_on_though_the_databases_disk_is_gone_for_a_while(
    number: int, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periodic, "LONGEST_WAIT", 0.0)
    work = works(cast(Database, DiskGone()), clock, tmp_path)[number]
    running = asyncio.create_task(work.run())
    async with asyncio.timeout(5):
        while work.faults < 3 and not running.done():
            await asyncio.sleep(0)
    assert not running.done(), work.name
    assert work.failing == "OSError"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()


def test_no_two_works_have_one_name(clock: ManualClock, tmp_path: Path, sqlite_database: Database) -> None:
    """By its name an operator finds the work that fails."""
    names = [work.name for work in works(sqlite_database, clock, tmp_path)]
    assert len(set(names)) == len(names)
