"""A stranger platform's user learns nothing: at every door that reads, the answer is the same, byte for byte, whether
the records of another platform are there or not. Neither a row, nor a count, nor a file.

The doors are those of the OpenAPI document, and the records a row in every table that has an owner: a door or a table
to come is looked at without being named here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from openpyxl import load_workbook

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.permissions import PERMISSIONS
from gateway.access.roles import BUSINESS
from gateway.api.camera_network import CameraNetwork
from gateway.api.services import Services
from gateway.api.stream import NEEDED, shows
from gateway.duty.report_keeper import reports_folder
from gateway.events.intake import evidence_folder
from gateway.grid.platforms import add_sub_platform
from gateway.live import Notice
from gateway.rooms.desk import RoomDesk
from gateway.settings import CameraSettings
from gateway.storage.evidence_files import EvidenceFiles
from tests.gateway.api import strangers_rows as rows
from tests.gateway.api.test_rooms import Engine

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
Door = tuple[str, str, tuple[tuple[str, str], ...]]
"""Method, path and the query that is given."""


class Answer(NamedTuple):
    status: int
    body: bytes


UNOWNED = {
    "/healthz", "/readyz", "/metrics", "/openapi.json",  # of the installation
    "/api/v1/session",  # the caller's own
    "/api/v1/access/grants",  # the caller's own
    "/api/v1/orders",  # the caller's own
    "/api/v1/open311/v2/services.{form}", "/api/v1/open311/v2/services/{service_code}.{form}",  # of the classes
    "/api/v1/code-tables",  # the city's, the same for all
    "/api/v1/cameras/discoveries", "/api/v1/cameras/discoveries/{job_id}",  # jobs in memory: test_camera_discovery
    "/api/v1/cameras/connections", "/api/v1/cameras/connections/{job_id}",  # jobs in memory
    "/api/v1/trials", "/api/v1/trials/{trial_id}",  # jobs in memory: test_trials
    "/api/v1/models",  # the installation's weights
    "/api/v1/models/differences", "/api/v1/models/differences/{difference_id}/picture.jpg",  # kept in files
    "/api/v1/stream",  # below
}  # fmt: skip
"""Doors at which not even the hub's answer changes with the records of a platform."""
GROWS = ("/api/v1/access/audit", "/api/v1/access/audit/verify")
"""Tell of this test's own requests too, of which some are audited; a count of them is tested in test_access."""
ROLES: tuple[tuple[str, ...], ...] = (
    tuple(sorted(BUSINESS)), ("system_admin",), ("security_admin",), ("audit_admin",),
)  # fmt: skip
QUERIES: dict[str, str] = {
    "bbox": "120,30,121,31", "class_code": "90-01", "by": "platform", "revision": "1", "until": "2030-01-07T10:00:00Z",
    "format": "csv",
}  # fmt: skip


MORE: Mapping[str, dict[str, str]] = {"/api/v1/dispatch-rules/dry-run": {"platform": rows.OWNER}}


@pytest.fixture
def services(services: Services, tmp_path: Path) -> Services:
    files = EvidenceFiles(tmp_path / "evidence", ())
    desk = RoomDesk.over(services.db, Engine(), services.live, services.clock, files, services.vault, tmp_path)
    return replace(services, rooms=desk, camera_network=CameraNetwork(CameraSettings(), services.clock))


@pytest.fixture
async def city(services: Services) -> None:
    async with services.db.transaction() as session:
        await add_sub_platform(session, rows.OWNER, "甲镇", "town", "hub")
        await add_sub_platform(session, "town-b", "乙镇", "town", "hub")


def doors_of(app: FastAPI, method: str) -> list[Door]:
    found: list[Door] = []
    for path, operations in sorted(app.openapi()["paths"].items()):
        operation = operations.get(method.lower())
        if operation is not None and path != "/api/v1/stream":
            named = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
            given = QUERIES | MORE.get(path, {})
            found.append((method, path, tuple((name, given[name]) for name in named if name in given)))
    return found


def address(path: str) -> str:
    """The door of the seeded record: each name in the path is that of the record it stands for."""
    ids = {
        "alert_id": "alerts", "evidence_id": "evidence", "staff_id": "grid_staff", "rule_id": "dispatch_rules",
        "set_id": "credential_sets", "receiver_id": "receivers", "room_id": "rooms", "plan_id": "room_plans",
        "picture_id": "room_pictures", "link_id": "room_links", "member_id": "room_members", "order_id": "room_orders",
        "suppression_id": "suppressions", "terminal_id": "terminals", "change_id": "camera_health",
        "switch_id": "mode_switches", "handover_id": "handovers", "report_id": "reports",
        "delivery_id": "receiver_deliveries",
    }  # fmt: skip

    def named(match: re.Match[str]) -> str:
        name = match[1]
        if name == "recording_id":
            return rows.id_in("room_recordings")
        if name == "code":
            return {"cameras": rows.CAMERA, "grids": rows.GRID}.get(path.split("/")[3], rows.PLATFORM)
        if name in ("no", "service_request_id"):
            return rows.EVENT
        fixed = {"form": "json", "container": "mp4", "service_code": "90-01", "identifier": "zqx-warnings-identifier"}
        if name in fixed:
            return fixed[name]
        if name == "username":
            return "zqx-users-username"
        return rows.id_in(ids[name]) if name in ids else "0198f000-0000-7000-8000-000000000000"

    return re.sub(r"\{([^}]+)\}", named, path)


async def asked(client: httpx.AsyncClient, doors: list[Door]) -> dict[Door, Answer]:
    found = {}
    for method, path, query in doors:
        answer = await client.request(method, address(path), params=query)
        found[(method, path, query)] = Answer(answer.status_code, _read(answer.content))
    return found


def _read(body: bytes) -> bytes:
    """A workbook by its cells: its file tells the time at which it was written."""
    if not body.startswith(b"PK"):
        return body
    book = load_workbook(io.BytesIO(body), read_only=True)
    return repr([list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]).encode()


def _reports(services: Services) -> Path:
    return reports_folder(services.settings.data_folder)


async def seed(services: Services) -> None:
    for folder, name in ((evidence_folder(services.settings), "zqx.jpg"), (_reports(services), "zqx.xlsx")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\xff\xd8 zqx \xff\xd9")
    async with services.db.transaction() as session:
        await rows.put_in(session, services.clock())
        act = audit.Act("zqx-someone", "camera.change", f"camera:{rows.CAMERA}", rows.OWNER)
        await audit.append(session, act, services.clock())


@pytest.mark.timeout(300)  # every door, for every role, four times over
async def test_a_stranger_gets_the_same_answers_whether_anothers_records_are_there_or_not(
    app: FastAPI, services: Services, client_as: ClientAs, city: None
) -> None:
    hub = [await client_as(*roles) for roles in ROLES]
    strangers = [await client_as(*roles, platform="town-b") for roles in ROLES]
    at_hub = [await asked(client, doors_of(app, "GET")) for client in hub]
    opened = [[door for door, answer in found.items() if answer.status != 403] for found in at_hub]
    before = [await asked(client, doors) for client, doors in zip(strangers, opened, strict=True)]
    await seed(services)
    after = [await asked(client, doors) for client, doors in zip(strangers, opened, strict=True)]
    reached: set[str] = set()
    for client, earlier, doors in zip(hub, at_hub, opened, strict=True):
        reached |= {door[1] for door, answer in (await asked(client, doors)).items() if answer != earlier[door]}
    told = []
    for roles, first, second in zip(ROLES, before, after, strict=True):
        for door, answer in second.items():
            shown = b"zqx" in answer.body and answer.status < 400
            differs = answer != first[door] and door[1] not in GROWS
            if answer.status == 500 or (door[1] not in UNOWNED and (shown or differs)):
                told.append((roles, door, answer, first[door]))
    assert told == []
    blind = {path for _, path, _ in doors_of(app, "GET")} - reached
    assert blind - UNOWNED == set(), "doors that the records do not reach at all: this test would prove nothing of them"


async def test_a_stranger_takes_nothing_away(app: FastAPI, services: Services, client_as: ClientAs, city: None) -> None:
    strangers = [await client_as(*roles, platform="town-b") for roles in ROLES]
    await seed(services)
    doors = [door for door in doors_of(app, "DELETE") if not re.search("session|/wh[ei]p/", door[1])]
    for client, roles in zip(strangers, ROLES, strict=True):
        for door, answer in (await asked(client, doors)).items():
            assert answer.status in (403, 404), f"{door} answered {roles} of a stranger: {answer}"
    async with services.db.reading() as session:
        for table in rows.owned_tables():
            assert (await session.execute(table.select())).all(), f"{table.name} lost its row"


def caller_of(platform: str, platforms: frozenset[str] | None, roles: frozenset[str]) -> Caller:
    end = datetime(2031, 1, 1, tzinfo=UTC)
    return Caller("u", "u", "u", roles, platform, platforms, "s", "bearer", end)


@pytest.mark.parametrize("topic", sorted(NEEDED))
def test_the_live_stream_tells_a_stranger_nothing(topic: Any) -> None:
    every = frozenset(role for roles in PERMISSIONS.values() for role in roles)
    notice = Notice(topic, rows.OWNER, {"name": "zqx"})
    assert not shows(caller_of("town-b", frozenset({"town-b"}), every), notice)
    assert shows(caller_of("hub", None, every), notice)
    assert shows(caller_of(rows.OWNER, frozenset({rows.OWNER}), every), notice)
