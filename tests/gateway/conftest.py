"""Databases for the tests of the gateway: an SQLite file and a real PostgreSQL, each test with one of its own.

``database`` runs a test on both; ``sqlite_database`` where the database is not what the test is about. Both are
migrated and hold the hub platform ``hub``. ``camera_row`` makes what stands for a camera in them.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from argon2 import PasswordHasher

from detectors.card_file import load_card
from detectors.networks import Networks
from detectors.observation import Box, Detection
from gateway.access.passwords import Passwords
from gateway.grid.platforms import ensure_hub
from gateway.storage.database import Database
from gateway.storage.migrations import migrate
from gateway.storage.tables.cameras import CameraRow
from gateway.workers.inference.shadow import Shadow


@dataclass
class ManualClock:
    """A clock that stands still until a test moves it."""

    now: datetime = field(default_factory=lambda: datetime(2030, 1, 7, 9, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    """Real argon2, as cheap as it goes."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def camera_row() -> Callable[..., CameraRow]:
    """Makes the row of a camera that is live since it was registered at some time; what else it has is said by name."""

    def make(code: str, at: datetime, **more: Any) -> CameraRow:
        usual = {
            "platform": "hub",
            "name": "测试路口东",
            "stream_url": f"rtsp://127.0.0.1/{code}",
            "encoding": "H264",
            "notices": [],
            "health_state": "live",
            "health_reason": "",
        }
        return CameraRow(code=code, health_since=at, registered_at=at, changed_at=at, **(usual | more))

    return make


class _SeesFire:
    """Weights that see a fire wherever they look."""

    at_once = 1
    precision = "fp32"

    def __init__(self, card: Path) -> None:
        self.card = replace(load_card(card), augmented=None)  # what it sees does not turn with the picture

    def detect(
        self, _picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], **_how: object
    ) -> tuple[Detection, ...]:
        return (Detection("fire", 0.8, Box(0.25, 0.5, 0.5, 0.75)),)


@pytest.fixture
def shadow_seeing_fire(shadow_card: Path) -> Callable[[Path], Shadow]:
    """Makes a shadow of those weights that keeps its differences in a folder."""
    return lambda folder: Shadow(Networks(_SeesFire(shadow_card)), folder)


def _bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _as_postgres(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root; Debian's package brings the user for it."""
    return (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        if os.geteuid() == 0
        else command
    )


@dataclass
class PostgresServer:
    """A throw-away cluster that listens on a local socket only."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://gateway@/{name}?host={self.folder}"

    def run(self, statement: str) -> None:
        with psycopg.connect(f"host={self.folder} user=gateway dbname=postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def empty(self) -> str:
        name = f"empty_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def copy_of_template(self) -> tuple[str, str]:
        name = f"test_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE migrated")
        return name, self.url(name)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    binaries = _bin()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="gw-pg-"))
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
    initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "gateway", "-A", "trust", "-E", "UTF8"]
    initdb += ["--locale=C.UTF-8", "--no-sync"]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"
    control = [str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-w", "-t", "60"]
    try:
        subprocess.run(_as_postgres(initdb), check=True, capture_output=True, timeout=90, cwd="/")
        start = [*control, "-l", str(folder / "log"), "-o", options, "start"]
        # The server inherits our pipes, so its output must go nowhere, or the call would wait for its end.
        subprocess.run(
            _as_postgres(start), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=90, cwd="/"
        )
        server = PostgresServer(folder)
        server.run("CREATE DATABASE migrated")
        asyncio.run(_prepare(server.url("migrated")))
        yield server
    finally:
        stop = _as_postgres([*control, "-m", "immediate", "stop"])
        subprocess.run(stop, check=False, capture_output=True, timeout=60, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "gateway.db"
    asyncio.run(_prepare(f"sqlite+aiosqlite:///{path}"))
    return path


async def _prepare(url: str) -> None:
    await migrate(url)
    database = Database(url)
    async with database.transaction() as session:
        await ensure_hub(session, "hub", "枢纽平台")
    await database.close()


@pytest.fixture
async def sqlite_database(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copy(sqlite_template, tmp_path / "gateway.db")
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'gateway.db'}")
    yield database
    await database.close()


@pytest.fixture
async def postgres_database(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    name, url = postgres_server.copy_of_template()
    database = Database(url)
    yield database
    await database.close()
    postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.integration)])
def database(request: pytest.FixtureRequest) -> Database:
    """The same test on both databases."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found
