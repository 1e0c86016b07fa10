"""The grid staff over HTTP: kept with their owner and revision, imported from sheets, phones sealed and masked."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from openpyxl import Workbook
from sqlalchemy import text
from structlog.testing import capture_logs

from gateway.api.services import Services
from gateway.grid.platforms import add_sub_platform
from gateway.storage.tables.grid import Grid

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
STAFF = "/api/v1/grid-staff"
PHONE = "99000001234"
G1, G2 = "990000000001001", "990000000001002"
SHEET = f"""姓名,岗位,所属平台,网格,账号,电话,值班日,值班时段,血型
测试甲,专职网格员,town,{G1}、{G2},,{PHONE},周一至周五,08:00-12:00、14:00-18:00,O
测试乙,网格管理员,town,,,,,22:00-06:00,
测试丙,站长,town,,,,,,
测试丁,,town,990000000009999,,,,,
测试戊,,nowhere,,,,,,
测试己,,town,,,12-,,,
测试甲,,town,,,,,,
,,town,,,,,,
测试庚,,town,,gone,,,,
测试辛,,town,,,,8,,
"""


@pytest.fixture
async def town(services: Services) -> None:
    async with services.db.transaction() as session:
        await add_sub_platform(session, "town", "测试镇", "town", "hub")
        await add_sub_platform(session, "town-2", "测试二镇", "town", "hub")
        ring = [[120.4, 30.2], [120.6, 30.2], [120.6, 30.3], [120.4, 30.2]]
        for code in (G1, G2):
            session.add(
                Grid(
                    platform="town", code=code, name=code, kind="urban", division=code[:12],
                    outline={"type": "Polygon", "coordinates": [ring]}, changed_at=services.clock(),
                )
            )  # fmt: skip


async def made(client: httpx.AsyncClient, name: str, **said: Any) -> dict[str, Any]:
    answer = await client.post(STAFF, json={"name": name, "platform": "town", **said})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def everything(services: Services) -> str:
    """All that the database holds, as text."""
    found = []
    async with services.db.reading() as session:
        tables = await session.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))
        for table in [row[0] for row in tables]:
            found += [repr(row) for row in await session.execute(text(f"SELECT * FROM {table}"))]  # noqa: S608 - its own names
    return "\n".join(found)


async def test_a_phone_is_sealed_masked_and_shown_whole_only_to_who_calls_people_out(
    client_as: ClientAs, services: Services, town: None
) -> None:
    admin, desk = await client_as("system_admin"), await client_as("duty_officer")
    checker, auditor = await client_as("checker"), await client_as("audit_admin")
    with capture_logs() as logs:
        person = await made(admin, "测试甲", phone=PHONE, grids=[G1])
        assert person["phone"] == "990****1234"
        wrong = await admin.post(STAFF, json={"name": "乙", "phone": f"{PHONE} ext"})
        assert (wrong.status_code, wrong.json()["reason"]) == (422, "phone_invalid")
        longer = await admin.post(STAFF, json={"name": "乙", "phone": PHONE * 4})
        door = f"{STAFF}/{person['id']}/phone"
        assert (await desk.get(door)).json() == {"phone": PHONE}
        assert (await checker.get(door)).status_code == (await admin.get(door)).status_code == 403
    for said in (wrong.text, longer.text, str(logs), (await checker.get(STAFF)).text, await everything(services)):
        assert PHONE not in said
    rows = (await auditor.get("/api/v1/access/audit", params={"what": "staff.phone"})).json()["items"]
    assert [row["target"] for row in rows] == [f"grid_staff:{person['id']}"]


async def test_who_is_on_leave_has_somebody_stand_in(client_as: ClientAs, services: Services, town: None) -> None:
    admin = await client_as("system_admin")
    one, other = await made(admin, "测试甲", grids=[G1]), await made(admin, "测试乙")
    now = services.clock().isoformat()
    change = {"revision": 1, "leave_from": now, "replacement": other["id"]}
    away = (await admin.patch(f"{STAFF}/{one['id']}", json=change)).json()
    assert (away["on_leave"], away["on_duty"], away["replacement_name"]) == (True, False, "测试乙")
    assert away["grids"] == [G1]
    assert [p["name"] for p in (await admin.get(STAFF, params={"on_leave": True})).json()["items"]] == ["测试甲"]
    assert [p["name"] for p in (await admin.get(STAFF, params={"on_leave": False})).json()["items"]] == ["测试乙"]
    assert (await admin.delete(f"{STAFF}/{other['id']}", params={"revision": 1})).json()["reason"] == "staff_in_use"
    for wrong, reason in (
        ({"replacement": one["id"]}, "replacement_unfit"),
        ({"leave_until": now}, "leave_unfit"),
        ({"grids": ["gone"]}, "grid_unknown"),
        ({"username": "gone"}, "user_unknown"),
        ({"hours": [["9", "10"]]}, "hours_invalid"),
        ({"platform": "gone"}, "platform_unknown"),
    ):
        answer = await admin.patch(f"{STAFF}/{one['id']}", json={"revision": 2, **wrong})
        assert (answer.status_code, answer.json()["reason"]) == (422, reason)
    back = {"revision": 2, "leave_from": None, "replacement": None}
    assert (await admin.patch(f"{STAFF}/{one['id']}", json=back)).json()["on_duty"] is True
    assert (await admin.delete(f"{STAFF}/{other['id']}", params={"revision": 1})).status_code == 204


async def test_another_platforms_staff_are_neither_seen_nor_changed(client_as: ClientAs, town: None) -> None:
    admin, stranger = await client_as("system_admin"), await client_as("duty_leader", platform="town-2")
    person = await made(admin, "测试甲", phone=PHONE)
    door = f"{STAFF}/{person['id']}"
    assert (await stranger.get(STAFF)).json() == {"items": [], "total": 0}
    for answer in (
        await stranger.get(door),
        await stranger.get(f"{door}/phone"),
        await stranger.patch(door, json={"revision": 1, "note": "x"}),
        await stranger.delete(door, params={"revision": 1}),
    ):
        assert answer.status_code == 404
    beyond = await stranger.post(STAFF, json={"name": "测试乙", "platform": "town"})
    assert (beyond.status_code, beyond.json()["field"]) == (422, "platform")


def _xlsx(sheet: str) -> bytes:
    book, out = Workbook(), io.BytesIO()
    for line in sheet.splitlines():
        book.active.append(line.split(","))
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    "content", [SHEET.encode(), SHEET.encode("gb18030"), _xlsx(SHEET)], ids=["utf8", "gbk", "xlsx"]
)
async def test_a_sheet_is_told_of_row_by_row_and_again_changes_nothing(
    client_as: ClientAs, services: Services, town: None, content: bytes
) -> None:
    admin = await client_as("system_admin")
    tried = (await admin.post(f"{STAFF}/import", params={"dry_run": True}, content=content)).json()
    assert (await admin.get(STAFF)).json()["total"] == 0
    done = (await admin.post(f"{STAFF}/import", content=content)).json()
    assert {**tried, "dry_run": False} == done
    assert (done["rows"], done["added"], done["faulty"], done["ignored_columns"]) == (10, 2, 8, ["血型"])
    assert [(fault["row"], fault["reason"]) for fault in done["faults"]] == [
        (4, "post_unknown"), (5, "grid_unknown"), (6, "platform_unknown"), (7, "phone_invalid"), (8, "twice_in_file"),
        (9, "name_missing"), (10, "user_unknown"), (11, "days_invalid"),
    ]  # fmt: skip
    assert "12-" not in str([fault for fault in done["faults"] if fault["row"] == 7])
    again = (await admin.post(f"{STAFF}/import", content=content)).json()
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 2)
    first = next(p for p in (await admin.get(STAFF, params={"grid": G2})).json()["items"])
    assert (first["name"], first["grids"], first["days"]) == ("测试甲", [G1, G2], [1, 2, 3, 4, 5])
    assert first["hours"] == [["08:00", "12:00"], ["14:00", "18:00"]]
    assert PHONE not in await everything(services)
