"""Camera records: one code and one pull for each camera, logins that never show, health beside the revision."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from camera_registry import reasons
from camera_registry.codes import CodeRange
from camera_registry.errors import CameraRefused
from camera_registry.login import Login
from camera_registry.ports import CameraRecord, CameraStore, HealthNote, Site
from camera_registry.registration import CameraFound
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.ids import new_id
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.events import CounterRow
from gateway.storage.vault import Vault

NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
RANGE = CodeRange("99000000")
PASSWORD = "made-for-this-test"
LOGIN = Login("viewer", PASSWORD)
FOUND = CameraFound(
    stream_url="rtsp://127.0.0.1:8555/main",
    encoding="H264",
    onvif_address="http://127.0.0.1:8080/onvif/device_service",
    vendor="Virtual",
    model="VC-2000",
    width=1920,
    height=1080,
    fps=25.0,
    gop=50,
    clock_offset=timedelta(seconds=-7.5),
    notes=(reasons.CLOCK_WRONG,),
)
SITE = Site("测试路口东", "hub", "990000000001001", 120.5, 30.25, "测试路 1 号")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.at(tmp_path)


async def register(database: Database, vault: Vault, number: int = 1, **site: Any) -> CameraRecord:
    found = replace(FOUND, stream_url=f"rtsp://127.0.0.1:8555/main{number}")
    async with database.transaction() as session:
        store = DatabaseCameraStore(session, vault)
        code = await store.next_code(RANGE)
        return await store.add(code, found, replace(SITE, **site), LOGIN, "", NOW)


async def test_a_camera_keeps_what_was_found_and_where_it_stands(database: Database, vault: Vault) -> None:
    made = await register(database, vault)
    async with database.reading() as session:
        store: CameraStore = DatabaseCameraStore(session, vault)
        kept = await store.get(made.code)
    assert kept == made
    assert made.code == "99000000081322000001"
    assert (made.site.name, made.site.grid, made.clock_offset, made.status) == (
        "测试路口东", "990000000001001", -7.5, "in_use",
    )  # fmt: skip
    assert made.health == HealthNote("connecting", "registered", NOW)
    assert made.revision == 1


async def test_codes_count_up_without_gaps_even_when_a_registration_fails(database: Database, vault: Vault) -> None:
    first = await register(database, vault, 1)
    with pytest.raises(CameraRefused, match="camera_already_registered") as refused:
        await register(database, vault, 1)
    assert first.code in refused.value.zh
    assert first.code in refused.value.en
    assert (await register(database, vault, 2)).code == "99000000081322000002"


async def test_two_who_register_one_stream_at_once_get_one_camera(database: Database, vault: Vault) -> None:
    outcomes = await asyncio.gather(*(register(database, vault, 1) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(outcome, CameraRecord) for outcome in outcomes) == 1
    refused = [outcome for outcome in outcomes if isinstance(outcome, CameraRefused)]
    assert [one.reason for one in refused] == ["camera_already_registered"] * 3


async def test_a_used_up_range_is_refused(database: Database, vault: Vault) -> None:
    async with database.transaction() as session:
        session.add(CounterRow(name=f"camera:{RANGE}", value=999_999))
    with pytest.raises(CameraRefused, match="camera_codes_exhausted"):
        await register(database, vault)


async def test_a_login_is_sealed_and_shown_in_no_form(database: Database, vault: Vault) -> None:
    made = await register(database, vault)
    async with database.transaction() as session:
        stored = str((await session.execute(text("SELECT * FROM cameras"))).one())
        store = DatabaseCameraStore(session, vault)
        (order,) = await store.orders()
        row = await store.row(made.code)
        assert order.login == LOGIN
        assert row is not None
        for shown in (stored, repr(made), repr(order), repr(store), repr(row), repr(row.__dict__)):
            assert PASSWORD not in shown
            assert "viewer" not in shown


async def test_a_login_copied_to_another_camera_does_not_open_there(database: Database, vault: Vault) -> None:
    first, second = await register(database, vault, 1), await register(database, vault, 2)
    async with database.transaction() as session:
        rows = {row.code: row for row in await session.scalars(select(CameraRow))}
        rows[second.code].sealed_login = rows[first.code].sealed_login
    async with database.reading() as session:
        orders = {order.code: order for order in await DatabaseCameraStore(session, vault).orders()}
    assert orders[first.code].login == LOGIN
    assert orders[second.code].login is None


async def test_health_is_kept_and_is_no_revision(database: Database, vault: Vault) -> None:
    made = await register(database, vault)
    later, latest = NOW + timedelta(seconds=5), NOW + timedelta(seconds=9)

    async def note(state: Any, reason: str, at: datetime) -> CameraRecord | None:
        async with database.transaction() as session:
            return await DatabaseCameraStore(session, vault).note_health(made.code, HealthNote(state, reason, at))

    live = await note("live", "video", later)
    assert live is not None
    assert (live.health, live.revision) == (HealthNote("live", "video", later), 1)
    again = await note("live", "video_again", latest)
    assert again is not None
    assert again.health == HealthNote("live", "video_again", later)
    async with database.transaction() as session:
        assert await DatabaseCameraStore(session, vault).note_health(new_id()[:20], HealthNote("live", "", NOW)) is None


async def test_a_stopped_camera_is_not_pulled_and_offline_whatever_a_worker_still_says(
    database: Database, vault: Vault
) -> None:
    made = await register(database, vault)
    async with database.transaction() as session:
        store = DatabaseCameraStore(session, vault)
        row = await store.row(made.code, held=True)
        assert row is not None
        await store.set_status(row, "stopped", NOW)
    async with database.transaction() as session:
        store = DatabaseCameraStore(session, vault)
        assert await store.orders() == []
        assert await store.note_health(made.code, HealthNote("live", "video", NOW)) is None
        kept = await store.get(made.code)
        assert kept is not None
        assert (kept.status, kept.health.state, kept.health.reason, kept.revision) == (
            "stopped", "offline", "stopped", 2,
        )  # fmt: skip


async def test_a_removed_camera_leaves_its_code_used_and_its_login_wiped(database: Database, vault: Vault) -> None:
    made = await register(database, vault)
    async with database.transaction() as session:
        store = DatabaseCameraStore(session, vault)
        assert await store.remove(made.code, NOW)
        assert not await store.remove(made.code, NOW)
        assert await store.get(made.code) is None
        assert await store.orders([made.code]) == []
        row = (await session.scalars(select(CameraRow).where(CameraRow.code == made.code))).one()
        assert (row.status, row.sealed_login, row.removed_at) == ("removed", None, NOW)
    assert (await register(database, vault)).code != made.code


async def test_a_camera_that_moved_keeps_its_code_but_takes_no_other_ones_stream(
    database: Database, vault: Vault
) -> None:
    first, second = await register(database, vault, 1), await register(database, vault, 2)
    moved = replace(FOUND, stream_url="rtsp://127.0.0.2:8555/main1", encoding="H265")
    async with database.transaction() as session:
        store = DatabaseCameraStore(session, vault)
        row = await store.row(first.code, held=True)
        assert row is not None
        await store.reached_anew(row, moved, Login("other", "another-secret"), NOW)
    async with database.transaction() as session:
        store = DatabaseCameraStore(session, vault)
        (order, _) = await store.orders()
        assert (order.code, order.stream_url) == (first.code, moved.stream_url)
        assert order.login == Login("other", "another-secret")
    with pytest.raises(CameraRefused, match=second.code):
        async with database.transaction() as session:
            store = DatabaseCameraStore(session, vault)
            row = await store.row(first.code, held=True)
            assert row is not None
            await store.reached_anew(row, replace(FOUND, stream_url="rtsp://127.0.0.1:8555/main2"), None, NOW)


async def test_what_a_camera_says_of_itself_is_cut_to_what_can_be_stored(database: Database, vault: Vault) -> None:
    async with database.transaction() as session:
        store = DatabaseCameraStore(session, vault)
        found = replace(FOUND, vendor="\x00" + "长" * 500, serial="a\x00b")
        made = await store.add(await store.next_code(RANGE), found, SITE, None, "", NOW)
    assert made.vendor == "长" * 200
    assert made.serial == "ab"
