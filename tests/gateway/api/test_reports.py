"""Reports say what the statistics say, are made once, kept, and seen by those in scope alone."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from openpyxl import load_workbook
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.api.services import Services
from gateway.duty import report_keeper as keeper_module
from gateway.duty import reports as report_module
from gateway.duty.report_keeper import ReportKeeper
from gateway.duty.report_periods import period_of
from gateway.events.local_time import LOCAL_TIME
from gateway.grid.platforms import add_sub_platform
from gateway.storage.tables.reports import ReportPlanRow

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]


@pytest.fixture
def keeper(services: Services) -> ReportKeeper:
    return ReportKeeper.over(services.db, services.books, services.live, services.clock, services.settings.data_folder)


def sheets(content: bytes) -> dict[str, list[tuple[Any, ...]]]:
    book = load_workbook(io.BytesIO(content), read_only=True)
    return {sheet.title: [tuple(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}


async def act(client: httpx.AsyncClient, no: str, action: str, **asked: Any) -> None:
    revision = (await client.get(f"/api/v1/events/{no}")).json()["revision"]
    body = {"revision": revision, "opinion": "理由", **asked}
    answer = await client.post(f"/api/v1/events/{no}/actions/{action}", json=body)
    assert answer.status_code == 200, answer.text


async def lived_day(client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock) -> httpx.AsyncClient:
    """Some alerts and events, one of them in a drill, one with words that a spreadsheet would run."""
    officer, leader = await client_as("duty_officer", "dispatcher"), await client_as("duty_leader")
    crowd = await raise_alert("crowd")
    await officer.post(f"/api/v1/alerts/{crowd}/assess", json={"verdict": "false_positive", "reason": "排队"})
    fire = await raise_alert("fire")
    no = (await officer.get(f"/api/v1/alerts/{fire}")).json()["event_no"]
    await act(officer, no, "accept")
    await act(officer, no, "dispatch", department="hub")
    for text, code in (("=cmd|' /C calc'!A0", "04-06"), ("-1+2", "90-01")):
        body = {"class_code": code, "description": text, "source": "phone"}
        assert (await officer.post("/api/v1/events", json=body)).status_code == 201
    until = (clock() + timedelta(hours=1)).isoformat()
    asked = await officer.post("/api/v1/mode/switches", json={"drill": True, "reason": "演练", "until": until})
    await leader.post(f"/api/v1/mode/switches/{asked.json()['id']}/approve", json={})
    await raise_alert("fire", zone="yard")
    clock.advance(seconds=1)
    return officer


async def test_the_figures_in_the_file_are_those_of_the_doors(
    client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock, keeper: ReportKeeper
) -> None:
    officer = await lived_day(client_as, raise_alert, clock)
    day = clock().astimezone(LOCAL_TIME).date()
    asked = await officer.post("/api/v1/reports", json={"kind": "daily", "day": day.isoformat()})
    assert (asked.status_code, asked.json()["state"]) == (202, "wanted")
    url = f"/api/v1/reports/{asked.json()['id']}.xlsx"
    assert (await officer.get(url)).status_code == 404
    assert await keeper.sweep(clock()) == 1
    assert await keeper.sweep(clock()) == 0
    book = sheets((await officer.get(url)).content)
    assert list(book) == ["概览", "按平台", "按责任单位", "按网格", "按类别", "演练", "事件清单"]

    period = period_of("daily", day)
    span = {"since": period.since.isoformat(), "until": period.until.isoformat()}
    made = (await officer.get("/api/v1/statistics/summary", params=span)).json()
    in_file = {row[0].split()[-1]: row[1:5] for row in book["概览"][4 : 4 + len(made["rates"])]}
    assert in_file == {
        rate["name"]: (rate["value"], rate["numerator"], rate["denominator"], rate["formula"]) for rate in made["rates"]
    }
    assert in_file["false_positive_rate"][:3] == (1, 1, 1)
    assert "不含演练 2 条" in book["概览"][2][0]
    for by, title in (("platform", "按平台"), ("department", "按责任单位"), ("grid", "按网格"), ("class", "按类别")):
        groups = (await officer.get("/api/v1/statistics/rates", params=span | {"by": by})).json()["items"]
        at = next(number for number, row in enumerate(book[title]) if "名称 Name" in row) + 1
        rows = book[title][at:]
        assert [row[0] or "" for row in rows] == [group["key"] for group in groups]
        for row, group in zip(rows, groups, strict=True):
            assert row[2:4] == (group["reported"], group["closed"])
            numbers = [part for one in group["rates"] for part in (one["value"], one["numerator"], one["denominator"])]
            assert list(row[4:]) == numbers
    drills = (await officer.get("/api/v1/statistics/summary", params=span | {"drills": "only"})).json()
    assert ("预警总数 Alerts", sum(drills["alerts_by_state"].values())) in [row[:2] for row in book["演练"]]


async def test_no_cell_of_a_report_runs_and_its_list_comes_in_batches(
    client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock, keeper: ReportKeeper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(report_module, "BATCH", 2)
    officer = await lived_day(client_as, raise_alert, clock)
    asked = {"kind": "monthly", "day": clock().date().isoformat()}
    report = (await officer.post("/api/v1/reports", json=asked)).json()
    await keeper.sweep(clock())
    listed = sheets((await officer.get(f"/api/v1/reports/{report['id']}.xlsx")).content)["事件清单"][1:]
    assert [row[0] for row in listed] == sorted({row[0] for row in listed}), "each event once, in order"
    assert len(listed) == 4
    told = [row[16] for row in listed]
    assert "'=cmd|' /C calc'!A0" in told
    assert "'-1+2" in told
    assert [row[14] for row in listed if row[14]] == ["演练 drill"]


async def test_a_plan_makes_each_period_once_after_its_end_and_never_the_past(
    client_as: ClientAs, clock: ManualClock, keeper: ReportKeeper
) -> None:
    leader = await client_as("duty_leader")
    plan = (await leader.put("/api/v1/report-plans", json={"kind": "daily", "minutes": 30})).json()
    assert await keeper.sweep(clock()) == 0
    clock.advance(days=1)
    assert await keeper.sweep(clock()) == 1
    assert await keeper.sweep(clock()) == 0
    clock.advance(days=1)
    assert await keeper.sweep(clock()) == 1
    leader = await client_as("duty_leader")  # the session of two days ago has ended
    made = (await leader.get("/api/v1/reports", params={"kind": "daily"})).json()
    assert {(one["state"], one["asked_by"]) for one in made} == {("made", "system")}
    assert made[0]["since"] == made[1]["until"]
    assert (await leader.delete(f"/api/v1/report-plans/{plan['id']}")).status_code == 204
    clock.advance(days=1)
    assert await keeper.sweep(clock()) == 0


async def test_a_report_holds_its_platforms_scope_and_is_seen_in_scope_alone(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, clock: ManualClock, keeper: ReportKeeper
) -> None:
    async with services.db.transaction() as session:
        await add_sub_platform(session, "town-a", "甲镇", "town", "hub")
        await add_sub_platform(session, "town-b", "乙镇", "town", "hub")
    await raise_alert("fire")  # of the hub
    town, other, hub = [await client_as("duty_officer", platform=platform) for platform in ("town-a", "town-b", "hub")]
    body = {"class_code": "90-01", "description": "烟", "source": "phone"}
    await town.post("/api/v1/events", json=body)
    asked = {"kind": "weekly", "day": clock().astimezone(LOCAL_TIME).date().isoformat()}
    report = (await town.post("/api/v1/reports", json=asked)).json()
    await keeper.sweep(clock())
    url = f"/api/v1/reports/{report['id']}.xlsx"
    assert len(sheets((await town.get(url)).content)["事件清单"]) == 2
    assert (await other.get(url)).status_code == 404
    assert (await hub.get(url)).status_code == 200
    assert (await other.post("/api/v1/reports", json=asked | {"platform": "town-a"})).json()["reason"] == (
        "platform_unknown"
    )
    later = asked | {"day": "2199-01-01"}
    assert (await town.post("/api/v1/reports", json=later)).json()["reason"] == "period_not_begun"


async def test_no_character_that_somebody_wrote_keeps_a_report_from_being_made(
    client_as: ClientAs, clock: ManualClock, keeper: ReportKeeper
) -> None:
    """XML has no U+FFFF. Where the file could not be written for it, the service ended, at each start anew."""
    officer = await client_as("duty_officer", "dispatcher", "duty_leader")
    body = {"class_code": "04-06", "description": "井盖\uffff丢失\ufffe", "source": "phone"}
    assert (await officer.post("/api/v1/events", json=body)).status_code == 201
    clock.advance(seconds=1)
    day = clock().astimezone(LOCAL_TIME).date()
    report = (await officer.post("/api/v1/reports", json={"kind": "daily", "day": day.isoformat()})).json()
    assert await keeper.sweep(clock()) == 1
    book = sheets((await officer.get(f"/api/v1/reports/{report['id']}.xlsx")).content)
    assert "井盖丢失" in book["事件清单"][1]


@pytest.mark.parametrize("fault", [ValueError("a cell that nobody foresaw"), OSError("the folder is a file")])
async def test_a_report_that_cannot_be_made_is_said_to_have_failed_and_the_next_one_is_made(
    client_as: ClientAs, clock: ManualClock, keeper: ReportKeeper, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    officer = await client_as("duty_leader")
    asked = {"kind": "daily", "day": clock().astimezone(LOCAL_TIME).date().isoformat()}
    report = (await officer.post("/api/v1/reports", json=asked)).json()
    with monkeypatch.context() as faulty:
        if isinstance(fault, OSError):
            keeper.folder.write_text("")
        else:

            def fails(*_arguments: object) -> None:
                raise fault

            faulty.setattr(report_module, "write_workbook", fails)
        for _ in range(3):
            assert await keeper.sweep(clock()) == 0
    if keeper.folder.is_file():
        keeper.folder.unlink()
    listed = (await officer.get("/api/v1/reports", params={"kind": "daily"})).json()
    assert [(one["id"], one["state"]) for one in listed] == [(report["id"], "failed")]
    again = (await officer.post("/api/v1/reports", json=asked)).json()
    assert await keeper.sweep(clock()) == 1
    assert (await officer.get(f"/api/v1/reports/{again['id']}.xlsx")).status_code == 200


async def test_a_plan_that_no_calendar_holds_keeps_no_other_report_from_being_made(
    client_as: ClientAs, services: Services, clock: ManualClock, keeper: ReportKeeper
) -> None:
    leader = await client_as("duty_leader")
    for kind in ("daily", "weekly"):
        await leader.put("/api/v1/report-plans", json={"kind": kind, "minutes": 30})
    asked = {"kind": "daily", "day": clock().astimezone(LOCAL_TIME).date().isoformat()}
    await leader.post("/api/v1/reports", json=asked)
    async with services.db.transaction() as session:
        await session.execute(update(ReportPlanRow).where(ReportPlanRow.kind == "daily").values(minutes=2**31 - 1))
    clock.advance(days=8)
    assert await keeper.sweep(clock()) == 2, "the one that was asked for, and last week's"
    assert len(keeper.work.rows) == 1


async def test_a_report_whose_failure_cannot_be_noted_keeps_no_other_from_being_made(
    client_as: ClientAs, clock: ManualClock, keeper: ReportKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = await client_as("duty_leader")
    day = clock().astimezone(LOCAL_TIME).date().isoformat()
    poison, sound = [
        (await leader.post("/api/v1/reports", json={"kind": kind, "day": day})).json()["id"]
        for kind in ("daily", "weekly")
    ]
    scope = keeper_module.visible_platforms
    looked: list[str] = []

    async def fails_first(session: AsyncSession, platform: str) -> frozenset[str] | None:
        looked.append(platform)
        if len(looked) == 1:
            raise RecursionError("platforms in a ring")
        return await scope(session, platform)

    monkeypatch.setattr(keeper_module, "visible_platforms", fails_first)
    assert await keeper.sweep(clock()) == 1
    listed = (await leader.get("/api/v1/reports")).json()
    assert {one["id"]: one["state"] for one in listed} == {poison: "wanted", sound: "made"}
