"""The camera records as the control process uses them, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from camera_registry.codes import CodeRange
from camera_registry.login import Login
from camera_registry.ports import Site
from camera_registry.registration import CameraFound
from detectors.rules.parsing import parse_rules
from gateway.events.cameras import CameraFact, CameraFacts
from gateway.refusals import Refusal
from gateway.settings import RuleSettings
from gateway.storage import camera_health
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.vault import Vault
from gateway.workers.control.assignments import HealthHeard, PulledCameras
from gateway.workers.control.camera_records import CameraRecords

NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
SECRET = "made-for-this-test"
RULES = RuleSettings(fire_dwell=2, crowd_people=8, crowd_dwell=10, stall_dwell=20)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.at(tmp_path)


@pytest.fixture
def records(database: Database, vault: Vault) -> CameraRecords:
    return CameraRecords(database, vault, RULES)


async def register(database: Database, vault: Vault, number: int = 1, login: Login | None = None) -> str:
    found = CameraFound(stream_url=f"rtsp://127.0.0.1:8555/main{number}", encoding="H264")
    site = Site(f"测试路口 {number}", "hub", "990000000001001", 120.5, 30.25, "测试路 1 号")
    async with database.transaction() as session:
        store = DatabaseCameraStore(session, vault)
        code = await store.next_code(CodeRange("99000000"))
        await store.add(code, found, site, login, "", NOW)
    return str(code)


async def test_an_old_history_is_forgotten_but_for_what_each_camera_was_last(
    database: Database, vault: Vault, records: CameraRecords
) -> None:
    code = await register(database, vault)
    for days, state in ((1, "live"), (2, "dark"), (300, "live")):
        await records.note_health(code, HealthHeard(state, state, NOW + timedelta(days=days)))
    await records.begin_again(NOW + timedelta(days=301))
    async with database.reading() as session:
        rows, _ = await camera_health.history(session, code, before=None, limit=10)
    assert [row.state for row in rows] == ["connecting", "live", "dark"]


async def test_a_worker_is_told_the_stream_the_login_and_the_first_rules(
    database: Database, vault: Vault, records: CameraRecords
) -> None:
    pulled: PulledCameras = records
    code = await register(database, vault, login=Login("viewer", SECRET))
    assert await pulled.codes() == [code]
    camera = await pulled.one(code)
    assert camera is not None
    assert (camera.code, camera.stream_url) == (code, "rtsp://127.0.0.1:8555/main1")
    assert (camera.username, camera.password) == ("viewer", SECRET)
    assert SECRET not in repr(camera)
    fire, crowd, stall = parse_rules(camera.rules)
    assert (fire.kind, crowd.kind, stall.kind) == ("fire", "crowd", "stall")
    assert [rule.get("people") for rule in camera.rules] == [None, 8, None]
    assert [rule.get("dwell_seconds") for rule in camera.rules] == [None, 10, 20]


async def test_a_cameras_own_rules_win_and_none_at_all_are_rules_too(
    database: Database, vault: Vault, records: CameraRecords
) -> None:
    code = await register(database, vault)
    for own in ([{"kind": "fire"}], []):
        async with database.transaction() as session:
            row = await DatabaseCameraStore(session, vault).row(code, held=True)
            assert row is not None
            row.rules = own
        camera = await records.one(code)
        assert camera is not None
        assert list(camera.rules) == own
        assert (camera.username, camera.password) == (None, None)


async def test_stopped_and_removed_cameras_are_not_pulled(
    database: Database, vault: Vault, records: CameraRecords
) -> None:
    first, second, third = [await register(database, vault, number) for number in (1, 2, 3)]
    async with database.transaction() as session:
        store = DatabaseCameraStore(session, vault)
        row = await store.row(first, held=True)
        assert row is not None
        await store.set_status(row, "stopped", NOW)
        await store.remove(second, NOW)
    assert await records.codes() == [third]
    assert await records.one(first) is None
    assert await records.one(second) is None
    assert await records.note_health(first, HealthHeard("live", "video", NOW)) is None


async def test_a_camera_whose_rules_cannot_be_read_keeps_no_other_from_being_pulled(
    database: Database, vault: Vault, records: CameraRecords
) -> None:
    """Control did not start again while there was one."""
    broken, sound = [await register(database, vault, number) for number in (1, 2)]
    async with database.transaction() as session:
        await session.execute(update(CameraRow).where(CameraRow.code == broken).values(rules=["fire"]))
    assert await records.codes() == [broken, sound]
    assert await records.one(sound) is not None
    with pytest.raises(ValueError, match="dictionary"):
        await records.one(broken)


async def test_health_is_kept_and_answered_as_the_doors_show_it(
    database: Database, vault: Vault, records: CameraRecords
) -> None:
    code = await register(database, vault, login=Login("viewer", SECRET))
    at = NOW + timedelta(seconds=4)
    kept = await records.note_health(code, HealthHeard("auth_failed", "auth_failed", at))
    assert kept is not None
    platform, shown = kept
    assert platform == "hub"
    assert (shown["code"], shown["revision"]) == (code, 1)
    assert (shown["health"]["state"], shown["health"]["since"]) == ("auth_failed", "2030-01-07T09:00:04Z")
    assert "RTSP" in shown["health"]["detail_en"]
    assert SECRET not in str(shown)
    with pytest.raises(Refusal, match="state_unknown"):
        await records.note_health(code, HealthHeard("splendid", "video", at))


async def test_what_the_last_run_saw_is_no_state_of_now(
    database: Database, vault: Vault, records: CameraRecords
) -> None:
    code = await register(database, vault)
    await records.note_health(code, HealthHeard("live", "video", NOW))
    await records.begin_again(NOW + timedelta(hours=1))
    kept = await records.note_health(code, HealthHeard("connecting", "opening", NOW + timedelta(hours=2)))
    assert kept is not None
    assert kept[1]["health"]["since"] == "2030-01-07T10:00:00Z"


async def test_an_alert_takes_over_where_its_camera_stands(
    database: Database, vault: Vault, records: CameraRecords
) -> None:
    facts: CameraFacts = records
    code = await register(database, vault)
    async with database.transaction() as session:
        assert await facts.fact(session, code) == CameraFact(
            code, "测试路口 1", "hub", "990000000001001", 120.5, 30.25, "测试路 1 号"
        )
        await DatabaseCameraStore(session, vault).remove(code, NOW)
        assert await facts.fact(session, code) is None


def test_settings_under_which_a_rule_never_fires_are_refused(vault: Vault, tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'gateway.db'}")
    with pytest.raises(Refusal, match="rule_settings_unusable") as refused:
        CameraRecords(database, vault, RuleSettings(fire_dwell=600))
    assert refused.value.field == "rules"
