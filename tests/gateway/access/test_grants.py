"""A view needs a grant that covers it, and leaves its row; without either there is no picture."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.access import audit, grants, users
from gateway.access.caller import Caller
from gateway.access.grants import Viewed
from gateway.access.passwords import Passwords
from gateway.access.scopes import subtree, visible_platforms
from gateway.grid.platforms import add_sub_platform
from gateway.refusals import Refusal
from gateway.storage.database import Database

NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
CAMERA = "99000000081321000001"
LIVE = Viewed("live", f"camera:{CAMERA}", CAMERA, "town-1")


@pytest.fixture
async def officer(database: Database, passwords: Passwords) -> Caller:
    """A duty officer at the hub, above two towns and a community of the first."""
    async with database.transaction() as session:
        for code, kind, parent in (
            ("town-1", "town", "hub"),
            ("town-2", "town", "hub"),
            ("community-1", "key_community", "town-1"),
        ):
            await add_sub_platform(session, code, "分平台", kind, parent)  # type: ignore[arg-type]  # literals above
        new = users.NewUser("zhiban1", "Long-Enough-1", "值班员甲", ("duty_officer",), "hub")
        user = await users.create(session, passwords, new, by=audit.SYSTEM, now=NOW)
    return Caller(
        user.id, "zhiban1", "值班员甲", frozenset(user.roles), "hub", None, "s", "bearer", NOW + timedelta(hours=8)
    )


async def _asked(database: Database, caller: Caller, scope: str, hours: float = 8) -> str:
    async with database.transaction() as session:
        until = NOW + timedelta(hours=hours)
        return (await grants.ask(session, caller, purpose="值班巡查", scope=scope, until=until, now=NOW)).id


async def _view(database: Database, caller: Caller, grant: str | None, viewed: Viewed, at: datetime = NOW) -> None:
    async with database.transaction() as session:
        await grants.view(session, caller, grant, viewed, at)


async def _views(database: Database) -> int:
    async with database.reading() as session:
        return (await audit.page(session, what="view.")).total


@pytest.mark.parametrize(
    ("scope", "viewed"),
    [
        ("platform:hub", LIVE),
        ("platform:town-1", LIVE),
        ("platform:town-1", replace(LIVE, platform="community-1")),
        (f"camera:{CAMERA}", LIVE),
        ("event:E-1", replace(LIVE, kind="evidence", event_no="E-1")),
    ],
)
async def test_a_grant_opens_what_its_scope_holds(
    database: Database, officer: Caller, scope: str, viewed: Viewed
) -> None:
    grant = await _asked(database, officer, scope)
    await _view(database, officer, grant, viewed)
    async with database.reading() as session:
        row = (await audit.page(session, what="view.")).items[0]
    assert (row.who, row.what, row.why, row.grant_id) == ("zhiban1", f"view.{viewed.kind}", "值班巡查", grant)


@pytest.mark.parametrize(
    ("scope", "viewed"),
    [
        ("platform:town-2", LIVE),
        ("platform:community-1", LIVE),
        ("camera:99000000081321000002", LIVE),
        ("event:E-1", LIVE),
        ("event:E-1", replace(LIVE, kind="evidence", event_no="E-2")),
    ],
)
async def test_a_grant_opens_nothing_else_and_leaves_no_row(
    database: Database, officer: Caller, scope: str, viewed: Viewed
) -> None:
    grant = await _asked(database, officer, scope)
    with pytest.raises(Refusal, match="grant_elsewhere"):
        await _view(database, officer, grant, viewed)
    assert await _views(database) == 0


async def test_each_view_leaves_its_own_row(database: Database, officer: Caller) -> None:
    grant = await _asked(database, officer, "platform:hub")
    for _ in range(3):
        await _view(database, officer, grant, LIVE)
    assert await _views(database) == 3


async def test_a_grant_ends_with_its_time(database: Database, officer: Caller) -> None:
    grant = await _asked(database, officer, "platform:hub", hours=1)
    await _view(database, officer, grant, LIVE, NOW + timedelta(minutes=59, seconds=59))
    with pytest.raises(Refusal, match="grant_ended"):
        await _view(database, officer, grant, LIVE, NOW + timedelta(hours=1))


@pytest.mark.parametrize(("cited", "reason"), [(None, "grant_missing"), ("", "grant_missing"), ("x", "grant_unknown")])
async def test_no_grant_no_picture(database: Database, officer: Caller, cited: str | None, reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        await _view(database, officer, cited, LIVE)


async def test_nobody_views_on_the_grant_of_another(database: Database, officer: Caller) -> None:
    grant = await _asked(database, officer, "platform:hub")
    with pytest.raises(Refusal, match="grant_unknown"):
        await _view(database, replace(officer, user_id="another", username="zhiban2"), grant, LIVE)


async def test_what_is_outside_the_callers_scope_does_not_exist(database: Database, officer: Caller) -> None:
    town = replace(officer, platform="town-2", platforms=frozenset({"town-2"}))
    grant = await _asked(database, town, f"camera:{CAMERA}")
    with pytest.raises(Refusal, match="not_found"):
        await _view(database, town, grant, LIVE)
    with pytest.raises(Refusal, match="scope_beyond_yours"):
        await _asked(database, town, "platform:town-1")


async def test_the_hub_sees_all_and_a_town_itself_and_below(database: Database, officer: Caller) -> None:
    async with database.reading() as session:
        assert await visible_platforms(session, "hub") is None
        assert await visible_platforms(session, "town-1") == {"town-1", "community-1"}
        assert await visible_platforms(session, "gone") == {"gone"}


def test_a_loop_in_the_tree_ends() -> None:
    assert subtree({"a": "b", "b": "a", "c": "b"}, "a") == {"a", "b", "c"}
