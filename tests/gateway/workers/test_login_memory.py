"""Wrong logins are remembered over a restart, so that no restart loop locks a camera's account."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bench.lone_worker import lone_worker
from camera_registry.login import FORGOTTEN_AFTER, LoginBackoff
from gateway.processes.messages import AssignCamera, RetryLogin
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.tables.wrong_logins import WrongLoginsRow
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualFleet
from gateway.workers.control import login_memory
from gateway.workers.control.login_memory import LoginMemory

NOON = datetime(2030, 1, 7, 12, tzinfo=UTC)
CODE = "99000000081322000001"
_BUSY = Refusal("unavailable", "database_busy", "数据库繁忙。", "The database is busy.")
SMALL = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))


async def begun(database: Database, now: datetime) -> tuple[LoginMemory, LoginBackoff]:
    backoff = LoginBackoff()
    memory = LoginMemory(database, backoff, lambda: now)
    await memory.load()
    return memory, backoff


async def test_the_next_run_goes_on_counting(database: Database) -> None:
    memory, backoff = await begun(database, NOON)
    backoff.failed("192.0.2.7", NOON, times=2)
    backoff.failed("192.0.2.8", NOON)
    backoff.succeeded("192.0.2.8")
    memory.refused(CODE, NOON.timestamp())
    memory.refused(CODE, NOON.timestamp() + 12)
    await memory.close()

    later = NOON + timedelta(minutes=5)
    memory, backoff = await begun(database, later)
    assert backoff.left("192.0.2.7", later) == 0
    assert backoff.left("192.0.2.8", later) == 2
    assert memory.of(CODE) == [NOON.timestamp(), NOON.timestamp() + 12]
    memory.cleared(CODE)
    await memory.close()

    memory, backoff = await begun(database, NOON + FORGOTTEN_AFTER)
    assert (memory.of(CODE), backoff.left("192.0.2.7", NOON + FORGOTTEN_AFTER)) == ([], 2)
    async with database.reading() as session:
        kept = list(await session.scalars(select(WrongLoginsRow)))
    assert [row.subject for row in kept] == ["device:192.0.2.7"], "at exactly half an hour it is the last time"


async def test_wrong_logins_that_cannot_be_written_cost_only_themselves_and_a_database_that_is_away_none(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had been noted with them was forgotten, and the next run locked the accounts."""
    monkeypatch.setattr(login_memory, "AGAIN_SECONDS", 0.01)
    memory, backoff = await begun(database, NOON)
    transaction, faults = Database.transaction, [_BUSY, _BUSY]

    def away_at_first(self: Database) -> AbstractAsyncContextManager[AsyncSession]:
        if faults:
            raise faults.pop()
        return transaction(self)

    monkeypatch.setattr(Database, "transaction", away_at_first)
    backoff.failed("192.0.2.7\ud800", NOON)  # half a character, which no driver takes
    backoff.failed("192.0.2.7", NOON)
    memory.refused(CODE, NOON.timestamp())
    await memory.close()
    async with database.reading() as session:
        kept = set(await session.scalars(select(WrongLoginsRow.subject)))
    assert kept == {"device:192.0.2.7", f"stream:{CODE}"}


@pytest.mark.integration
async def test_a_worker_that_is_restarted_sends_no_login_before_its_time(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    camera = VirtualCamera("东门", SMALL, "viewer", "right")
    folder = tmp_path_factory.mktemp("fleet")
    async with VirtualFleet([camera], folder, multicast=False) as fleet, lone_worker(folder / "w") as worker:
        url = fleet.devices[0].rtsp_url
        wrong = [datetime.now(UTC).timestamp() - 60] * 3
        order = AssignCamera(CODE, CODE, "hub", 1, url, "viewer", "right", [], wrong_logins=wrong)
        worker.channel.send(order)
        async with asyncio.timeout(45):
            while worker.states.get(CODE) != "auth_failed":
                worker.heard.clear()
                await worker.heard.wait()
        worker.channel.send(RetryLogin(CODE))  # three in five minutes are enough, whatever it looks like
        await asyncio.sleep(2.0)
        assert worker.states[CODE] == "auth_failed"
        worker.channel.send(RetryLogin(CODE, proved=True))
        async with asyncio.timeout(45):
            while worker.states.get(CODE) != "live":
                worker.heard.clear()
                await worker.heard.wait()
