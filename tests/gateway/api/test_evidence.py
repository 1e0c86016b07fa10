"""Evidence is shown to whoever has said why, with a row in the audit chain for each view, and in ranges."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from gateway.access import audit
from gateway.api.services import Services
from gateway.events.recent_views import RecentViews, SeenPart
from gateway.grid.platforms import add_sub_platform
from gateway.storage.ids import new_id

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
PICTURE = b"\xff\xd8 picture \xff\xd9"


async def _grant(client: httpx.AsyncClient, clock: ManualClock, scope: str = "platform:hub") -> str:
    body = {"purpose": "核实预警", "scope": scope, "until": (clock() + timedelta(hours=1)).isoformat()}
    answer = await client.post("/api/v1/access/grants", json=body)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


async def _views(services: Services) -> int:
    async with services.db.reading() as session:
        return (await audit.page(session, what="view.evidence")).total


async def test_a_snapshot_is_shown_under_a_grant_and_the_view_is_audited(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, clock: ManualClock
) -> None:
    client = await client_as("duty_officer")
    evidence_id = await raise_alert("crowd")
    grant = await _grant(client, clock)
    answer = await client.get(f"/api/v1/evidence/{evidence_id}", headers={"X-Viewing-Grant": grant})
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, PICTURE, "image/jpeg")
    assert "no-store" in answer.headers["cache-control"]
    async with services.db.reading() as session:
        [row] = (await audit.page(session, what="view.evidence")).items
    assert (row.target, row.why, row.grant_id) == (f"evidence:{evidence_id}", "核实预警", grant)


async def test_without_a_fitting_grant_nothing_is_shown(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, clock: ManualClock
) -> None:
    client, other = await client_as("duty_officer"), await client_as("duty_officer")
    evidence_id = await raise_alert("crowd")
    path = f"/api/v1/evidence/{evidence_id}"
    wrong = {
        "grant_missing": None,
        "grant_unknown": await _grant(other, clock),
        "grant_elsewhere": await _grant(client, clock, "camera:99000000001320009999"),
    }
    for reason, grant in wrong.items():
        answer = await client.get(path, params={"grant": grant} if grant else {})
        assert (answer.status_code, answer.json()["reason"]) == (403, reason)
    grant = await _grant(client, clock)
    assert (await client.get(path, params={"grant": grant})).status_code == 200
    clock.advance(hours=2)
    assert (await client.get(path, params={"grant": grant})).json()["reason"] == "grant_ended"
    assert await _views(services) == 1


async def test_a_grant_for_an_event_shows_its_evidence(
    client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock
) -> None:
    client = await client_as("duty_officer")
    evidence_id = await raise_alert("fire")
    [event] = (await client.get("/api/v1/events")).json()["items"]
    grant = await _grant(client, clock, f"event:{event['no']}")
    assert (await client.get(f"/api/v1/evidence/{evidence_id}", params={"grant": grant})).status_code == 200


@pytest.mark.parametrize(
    ("asked", "status", "content", "told"),
    [
        ("bytes=0-3", 206, PICTURE[:4], f"bytes 0-3/{len(PICTURE)}"),
        ("bytes=4-", 206, PICTURE[4:], f"bytes 4-{len(PICTURE) - 1}/{len(PICTURE)}"),
        ("bytes=-3", 206, PICTURE[-3:], f"bytes {len(PICTURE) - 3}-{len(PICTURE) - 1}/{len(PICTURE)}"),
        ("bytes=0-999999", 206, PICTURE, f"bytes 0-{len(PICTURE) - 1}/{len(PICTURE)}"),
        ("bytes=999-", 416, None, f"bytes */{len(PICTURE)}"),
        ("bytes=-0", 416, None, f"bytes */{len(PICTURE)}"),
        ("bytes=3-1", 200, PICTURE, None),
        ("bytes=-", 200, PICTURE, None),
        ("bytes=0-1,3-4", 200, PICTURE, None),
        ("pages=1-2", 200, PICTURE, None),
    ],
)
async def test_ranges(
    client_as: ClientAs, raise_alert: RaiseAlert, clock: ManualClock,
    asked: str, status: int, content: bytes | None, told: str | None,
) -> None:  # fmt: skip
    client = await client_as("duty_officer")
    params = {"grant": await _grant(client, clock)}
    path = f"/api/v1/evidence/{await raise_alert('crowd')}"
    answer = await client.get(path, params=params, headers={"Range": asked})
    assert answer.status_code == status
    assert answer.headers.get("content-range") == told
    if content is None:
        assert answer.json()["reason"] == "range_not_satisfiable"
    else:
        assert answer.content == content


async def test_the_parts_of_one_playing_are_one_view_and_a_minute_later_it_is_another(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, clock: ManualClock
) -> None:
    client = await client_as("duty_officer")
    params = {"grant": await _grant(client, clock)}
    first, second = await raise_alert("crowd"), await raise_alert("stall")
    for begin in (0, 4, 8):
        await client.get(f"/api/v1/evidence/{first}", params=params, headers={"Range": f"bytes={begin}-"})
    assert await _views(services) == 1
    await client.get(f"/api/v1/evidence/{second}", params=params)
    assert await _views(services) == 2
    clock.advance(seconds=60)
    await client.get(f"/api/v1/evidence/{first}", params=params, headers={"Range": "bytes=4-"})
    assert await _views(services) == 3


async def test_what_is_not_there_or_out_of_scope_is_not_found(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, clock: ManualClock
) -> None:
    async with services.db.transaction() as session:
        await add_sub_platform(session, "town", "测试镇", "town", "hub")
    stranger, client = await client_as("duty_officer", platform="town"), await client_as("duty_officer")
    evidence_id = await raise_alert("crowd")
    grant = await _grant(stranger, clock, "platform:town")
    assert (await stranger.get(f"/api/v1/evidence/{evidence_id}", params={"grant": grant})).status_code == 404
    grant = await _grant(client, clock)
    for unknown in (new_id(), "..%2f..%2fkeys", "x"):
        assert (await client.get(f"/api/v1/evidence/{unknown}", params={"grant": grant})).status_code == 404
    for file in (services.settings.data_folder / "evidence").rglob("*.jpg"):
        file.unlink()
    answer = await client.get(f"/api/v1/evidence/{evidence_id}", params={"grant": grant})
    assert (answer.status_code, answer.json()["reason"]) == (404, "evidence_missing")
    assert await _views(services) == 0


def test_recent_views_are_bounded_and_end_with_the_grant(clock: ManualClock) -> None:
    views = RecentViews(most=2)
    parts = [SeenPart("session", "grant", str(number)) for number in range(3)]
    for part in parts:
        views.note(part, clock(), clock() + timedelta(seconds=10))
    assert [views.covers(part, clock()) for part in parts] == [False, True, True]
    clock.advance(seconds=10)
    assert not views.covers(parts[2], clock())
