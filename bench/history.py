"""A year of events, 1,000,000 rows on PostgreSQL: how long the list, the map and the month's statistics take over HTTP.

The rows are made inside the database. Each question is asked in many forms, as pages, filters and scopes make them;
the plans are read to see that none of them walks the whole table.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import structlog
from sqlalchemy import event, text

from bench.postgres import postgres_cluster
from bench.result import Result
from gateway.access import audit, users
from gateway.api.app import create_app
from gateway.api.services import Services
from gateway.grid.platforms import add_sub_platform, ensure_hub
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.migrations import migrate
from gateway.storage.vault import Vault

EVENTS = int(os.environ.get("EVENTS", "1000000"))
ASKED = 60
PASSWORD = "Correct-Horse-Staple-7"  # noqa: S105 - of a database that is thrown away
TOWNS = 12
TARGETS = {
    "list_p95_ms": ("<=", 300.0),
    "map_p95_ms": ("<=", 300.0),
    "statistics_p95_ms": ("<=", 300.0),
    "whole_table_walks": ("==", 0.0),
}

# Every thousandth of the year's events is still open, the rest have ended; a year of them, evenly, from a year ago on.
_EVENTS = """
INSERT INTO events (id, platform, revision, no, open_key, state, hazard, class_code, class_name, level, warning_colour,
  category, camera_code, camera_name, zone, grid, lng, lat, address, reported_at, source, reported_by, seen_at,
  limit_clock, limit_amount, same_slot, department, clock, due_from, due_at, stage, timer_at, handle_due_at, handled_at,
  handled_late, suspension_asked, extensions, reworks, urges, urgent, supervised, appeal, closed_at, description, drill)
SELECT gen_random_uuid()::text, 'town-' || (n % :towns), 5, 'E-' || n, NULL, state, hazard, class_code, hazard, 4,
  'blue', 'urban', lpad((n % 3000)::text, 20, '9'), 'camera ' || (n % 3000), 'zone',
  lpad((n % 500)::text, 15, '9'), 120 + (n % 1000) / 5000.0, 30 + (n % 777) / 5000.0, '', at, 'camera', 'system', at,
  'urgent_hour', 2, false, CASE WHEN n % 3 = 0 THEN 'city-urban' END, 'urgent_hour', at,
  CASE WHEN state = 'reported' THEN at + interval '15 minutes' END, CASE WHEN state = 'reported' THEN 'supervised' ELSE
  '' END, NULL, at + interval '2 hours', CASE WHEN state = 'closed' THEN at + (n % 150) * interval '1 minute' END,
  n % 150 > 120, false, (n % 17 = 0)::int, (n % 13 = 0)::int, 0, false, false, '',
  CASE WHEN state <> 'reported' THEN at + interval '3 hours' END, 'measured', false
FROM (SELECT n, CAST(:begin AS timestamptz) + n * (interval '365 days' / :events) AS at,
        CASE WHEN n % 1000 = 0 THEN 'reported' WHEN n % 11 = 0 THEN 'not_accepted' ELSE 'closed' END AS state,
        (ARRAY['fire', 'crowd', 'stall'])[1 + n % 3] AS hazard,
        (ARRAY['90-01', '90-02', '04-06'])[1 + n % 3] AS class_code
      FROM generate_series(1, :events) AS n) AS made
"""
_FLOW = """
INSERT INTO event_flow (id, platform, event_no, seq, at, from_state, to_state, action, operator, opinion)
SELECT gen_random_uuid()::text, platform, no, step, reported_at + step * interval '10 minutes', NULL, state,
  (ARRAY['report', 'accept', 'close'])[step], 'system', '' FROM events, generate_series(1, 3) AS step
"""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def history() -> Result:
    """See the head of this module."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with postgres_cluster() as cluster, tempfile.TemporaryDirectory(prefix="gateway-history-") as name:
        if cluster is None:
            say("PostgreSQL is not installed: the figures are null")
            return Result("history", dict.fromkeys(TARGETS, None), TARGETS)
        await migrate(cluster.url)
        db = Database(cluster.url)
        try:
            settings = Settings.model_validate({"data_folder": Path(name), "database": {"url": cluster.url}})
            services = Services(settings=settings, db=db, vault=Vault.at(Path(name)))
            await fill(services)
            figures = await measured(services)
        finally:
            await db.close()
    return Result("history", figures, TARGETS)


async def fill(services: Services) -> None:
    now = datetime.now(UTC)
    async with services.db.transaction() as session:
        await ensure_hub(session, "hub", "枢纽平台")
        for number in range(TOWNS):
            await add_sub_platform(session, f"town-{number}", f"测试镇{number}", "town", "hub")
        await add_sub_platform(session, "city-urban", "城管局", "city_department", "hub")
        for username, platform in (("hub-desk", "hub"), ("town-desk", "town-3"), ("urban-desk", "city-urban")):
            new = users.NewUser(username, PASSWORD, "测量", ("duty_officer", "department"), platform)
            await users.create(session, services.passwords, new, by=audit.SYSTEM, now=now)
    began = time.monotonic()
    async with services.db.engine.begin() as connection:
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        # Filled without its indexes' upkeep for foreign keys: the rows are right by making.
        values = {"towns": TOWNS, "events": EVENTS, "begin": now - timedelta(days=365)}
        await connection.execute(text(_EVENTS), values)
        say(f"{EVENTS} events after {time.monotonic() - began:.0f} s")
        await connection.execute(text(_FLOW))
    async with services.db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text("SET statement_timeout = 0"))
        await connection.execute(text("VACUUM ANALYZE events, event_flow"))
    say(f"filled and analysed after {time.monotonic() - began:.0f} s")


async def measured(services: Services) -> dict[str, float | None]:
    plans = Plans()
    transport = httpx.ASGITransport(create_app(services), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://127.0.0.1", timeout=60) as client:
        tokens = [await sign_in(client, username) for username in ("hub-desk", "town-desk", "urban-desk")]
        figures: dict[str, float | None] = {"events": float(EVENTS)}
        chance = random.Random(5)
        now = datetime.now(UTC)
        for name, question in (("list", list_question), ("map", map_question), ("statistics", statistics_question)):
            waits = []
            for number in range(ASKED):
                path, params = question(chance, now)
                headers = {"Authorization": f"Bearer {tokens[number % len(tokens)]}"}
                with plans.noting(services.db):
                    began = time.monotonic()
                    answer = await client.get(path, params=params, headers=headers)
                    waits.append(time.monotonic() - began)
                if answer.status_code != 200:
                    raise RuntimeError(f"{path} {params}: {answer.text}")
            waits.sort()
            figures[f"{name}_p95_ms"] = round(1000 * waits[int(ASKED * 0.95)], 1)
            say(f"{name}: median {1000 * waits[ASKED // 2]:.0f} ms, p95 {figures[f'{name}_p95_ms']} ms")
        figures["whole_table_walks"] = float(await plans.walks(services.db))
    return figures


async def sign_in(client: httpx.AsyncClient, username: str) -> str:
    answer = await client.post("/api/v1/session", json={"username": username, "password": PASSWORD})
    return str(answer.json()["token"])


Question = tuple[str, dict[str, Any]]


def list_question(chance: random.Random, now: datetime) -> Question:
    """Any page of any list that the console asks for."""
    asked: dict[str, Any] = {"limit": 50}
    kind = chance.randrange(5)
    if kind == 1:
        asked["open"] = "true"
    elif kind == 2:
        asked |= {"class_code": chance.choice(("90-01", "90-02", "04-06")), "offset": 50 * chance.randrange(20)}
    elif kind == 3:
        since = now - timedelta(days=chance.randrange(1, 360))
        asked |= {"since": since.isoformat(), "until": (since + timedelta(days=7)).isoformat()}
    elif kind == 4:
        asked["grid"] = f"{chance.randrange(500):9>15}"
    return "/api/v1/events", asked


def map_question(chance: random.Random, now: datetime) -> Question:
    """The whole city or a part of it, for a week or a month."""
    west, south = 120 + chance.random() / 10, 30 + chance.random() / 10
    reach = chance.choice((0.02, 0.3))
    since = now - timedelta(days=chance.randrange(30, 360))
    until = since + timedelta(days=chance.choice((7, 30)))
    box = f"{west:.4f},{south:.4f},{west + reach:.4f},{south + reach:.4f}"
    return "/api/v1/events/map", {"bbox": box, "since": since.isoformat(), "until": until.isoformat()}


def statistics_question(chance: random.Random, now: datetime) -> Question:
    """A month of the year, by one of the groupings."""
    since = now - timedelta(days=chance.randrange(31, 360))
    asked = {"since": since.isoformat(), "until": (since + timedelta(days=30)).isoformat()}
    by = chance.choice(("", "platform", "grid", "class"))
    return ("/api/v1/statistics/rates", asked | {"by": by}) if by else ("/api/v1/statistics/summary", asked)


class Plans:
    """Every distinct statement that was asked, to look at how PostgreSQL goes about it."""

    def __init__(self) -> None:
        self._asked: dict[str, Any] = {}

    @contextmanager
    def noting(self, db: Database) -> Iterator[None]:
        def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
            if statement.startswith("SELECT") and " FROM event" in statement.replace("\n", " "):
                self._asked.setdefault(statement, parameters)

        engine = db.engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", note)

    async def walks(self, db: Database) -> int:
        """How many of the statements walk a whole table of the year; each is said."""
        found = 0
        async with db.engine.connect() as connection:
            for statement, parameters in self._asked.items():
                answer = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
                plan = answer.scalar_one()
                for table in sorted(walked(plan[0]["Plan"] if isinstance(plan, list) else json.loads(plan)[0]["Plan"])):
                    found += 1
                    say(f"walks the whole of {table}: {' '.join(statement.split())[:300]}")
        say(f"{len(self._asked)} statements looked at")
        return found


def walked(plan: dict[str, Any], *, bounded: bool = False) -> set[str]:
    """Tables of the year that a plan reads from end to end. A walk that ends at a limit (``bounded``) is none, unless
    something in between needs all of it first."""
    node = plan["Node Type"]
    here = {plan["Relation Name"]} if node == "Seq Scan" and not bounded else set()
    below_limit = node == "Limit" or (bounded and node not in ("Sort", "Aggregate", "Hash", "Gather Merge"))
    for below in plan.get("Plans", ()):
        here |= walked(below, bounded=below_limit)
    return here & {"events", "event_flow"}
