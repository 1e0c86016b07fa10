"""A red or orange event is a warning from its opening to its end, in messages that hold to CAP 1.2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree
from sqlalchemy import select

from gateway.access.caller import Caller
from gateway.events.event_desk import StepAsked
from gateway.events.outward import cap
from gateway.events.outward.cap import Earlier, WarningFacts
from gateway.events.outward.receivers import NewReceiver, Receivers
from gateway.settings import ReceiverSettings
from gateway.storage.tables.events import OutboxRow
from gateway.storage.tables.outward import DeliveryRow, WarningRow
from gateway.storage.vault import Vault

if TYPE_CHECKING:
    from tests.gateway.events.conftest import EventsRoom

Person = Callable[..., Caller]
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).with_name("cap_1_2.xsd")))
NAMES = {"c": cap.NAMESPACE}
NOW = datetime(2030, 1, 7, 9, 0, 0, 123456, tzinfo=UTC)
FACTS = WarningFacts(
    event_id="01a20000-0000-7000-8000-000000000001", no="HUB 2030,1", platform="hub", platform_name="市级枢纽平台",
    class_code="90-01", class_name="火情", hazard="fire", category="safety", colour="orange", level=3,
    state="reported", confirmed=False, drill=False, description="摄像机发现疑似火情。\x0b<请核实>", seen_at=NOW,
    place="测试路1号", grid="990000000001001", lng=120.5, lat=30.25,
)  # fmt: skip


def texts(document: bytes, path: str) -> list[str]:
    root = etree.fromstring(document)
    return [node.text or "" for node in root.iterfind(path, NAMES)]


def valid(document: bytes) -> bytes:
    SCHEMA.assertValid(etree.fromstring(document))
    return document


@pytest.mark.parametrize("msg_type", ["Alert", "Update", "Cancel"])
@pytest.mark.parametrize("drill", [False, True])
@pytest.mark.parametrize("point", [True, False])
def test_every_message_holds_to_the_schema(msg_type: cap.MsgType, drill: bool, point: bool) -> None:
    square = {"type": "Polygon", "coordinates": [[[120, 30], [121, 30], [121, 31], [120, 31], [120, 30]]]}
    facts = replace(FACTS, drill=drill, colour="red", hazard="crowd", category="urban")
    if not point:
        facts = replace(facts, lng=None, lat=None, polygon=cap.ring(square))
    earlier = [Earlier("a.1", NOW), Earlier("a.2", NOW)] if msg_type != "Alert" else []
    made = valid(cap.document(facts, msg_type, "a.3", NOW, earlier))
    assert texts(made, "c:status") == ["Exercise" if drill else "Actual"]
    assert texts(made, "c:info/c:language") == ["zh-CN", "en"]
    assert len(texts(made, "c:info/c:area/c:circle")) == (2 if point else 0)
    assert len(texts(made, "c:info/c:area/c:polygon")) == (0 if point else 2)
    assert texts(made, "c:info/c:severity") == ["Extreme", "Extreme"]


def test_the_schema_of_these_tests_refuses_what_the_standard_does() -> None:
    good = cap.document(FACTS, "Alert", "a.1", NOW, [])
    for right, wrong in (
        (b"<status>Actual", b"<status>Real"), (b"+08:00</sent>", b"Z</sent>"), (b"<scope>Restricted</scope>", b""),
        (b"<identifier>a.1", b"<identifier>a 1"), (b"<circle>30.250000,", b"<circle>"),
    ):  # fmt: skip
        assert right in good
        assert not SCHEMA.validate(etree.fromstring(good.replace(right, wrong)))


def test_what_it_says() -> None:
    made = cap.document(FACTS, "Alert", "a.1", NOW, [])
    assert texts(made, "c:sent") == ["2030-01-07T17:00:00+08:00"]
    assert texts(made, "c:info/c:headline") == [
        "橙色预警：火情，测试路1号", "Orange warning: fire or smoke, 测试路1号",
    ]  # fmt: skip
    assert texts(made, "c:info/c:area/c:circle")[0] == "30.250000,120.500000 0.2"
    assert texts(made, "c:info/c:description")[0] == "摄像机发现疑似火情。<请核实>"
    assert texts(made, "c:incidents") == ["HUB_2030_1"]


def test_a_grid_with_a_very_long_outline_is_thinned_and_closed() -> None:
    points = [[120 + n / 10_000, 30 + (n % 7) / 1000] for n in range(5000)]
    thinned = cap.ring({"type": "MultiPolygon", "coordinates": [[[*points, points[0]]]]})
    assert len(thinned) <= cap.MOST_VERTICES + 1
    assert thinned[0] == thinned[-1]


async def test_a_fire_is_warned_of_updated_and_cancelled_and_told_to_who_wants_it(
    room: EventsRoom, person: Person, tmp_path: Path
) -> None:
    administration = Receivers(Vault.at(tmp_path), ReceiverSettings())
    async with room.db.transaction() as session:
        wants_warnings = NewReceiver("webhook", "https://warn.example/", types=("gateway.warning",))
        wanting, _ = await administration.add(session, person("system_admin"), wants_warnings, room.clock())
        await administration.add(
            session, person("system_admin"), NewReceiver("webhook", "https://events.example/"), room.clock()
        )
    no = (await room.shown(await room.raise_alert("fire"))).event_no
    assert no is not None
    officer = person("duty_officer")
    await room.events.act(officer, no, "urge")  # nothing that a warning says
    await room.events.act(officer, no, "accept")
    await room.events.act(person("duty_leader"), no, "force_close", StepAsked(opinion="误触发"))
    async with room.db.reading() as session:
        rows = list(await session.scalars(select(WarningRow).order_by(WarningRow.number)))
        query = select(DeliveryRow.receiver_id, OutboxRow).join(OutboxRow, OutboxRow.id == DeliveryRow.outbox_id)
        told = [(to, row) for to, row in await session.execute(query) if row.type == "gateway.warning"]
    assert [(row.number, row.msg_type) for row in rows] == [(1, "Alert"), (2, "Update"), (3, "Cancel")]
    for row in rows:
        valid(row.document.encode())
    sender = "gateway-hub"
    references = texts(rows[2].document.encode(), "c:references")[0].split(" ")
    assert [one.split(",")[:2] for one in references] == [[sender, rows[0].identifier], [sender, rows[1].identifier]]
    assert [texts(row.document.encode(), "c:info/c:certainty")[0] for row in rows] == ["Likely", "Observed", "Observed"]
    assert {to for to, _ in told} == {wanting.id}
    assert [row.data["cap"] for _, row in told] == [row.document for row in rows]


async def test_a_blue_event_is_no_warning_and_without_receivers_nothing_is_in_the_outbox(room: EventsRoom) -> None:
    await room.raise_alert("stall")
    await room.raise_alert("fire")
    room.clock.advance(minutes=20)
    await room.promotion.sweep(room.clock())
    assert await room.how_many(WarningRow) == 1
    async with room.db.reading() as session:
        assert "gateway.warning" not in set(await session.scalars(select(OutboxRow.type)))
