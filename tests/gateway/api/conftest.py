"""The HTTP doors without a network: the real app on an SQLite, and clients that have really signed in.

``client_as("duty_officer")`` makes a user with these roles and gives a client with a bearer token; ``anonymous`` has
none; ``console_as`` has the console's cookie and, as ``client.csrf``, its CSRF token.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit, users
from gateway.access.passwords import Passwords
from gateway.api.app import create_app
from gateway.api.services import Services
from gateway.clock import Clock
from gateway.events.cameras import CameraFact, CameraFacts
from gateway.events.intake import AlertIntake, evidence_folder
from gateway.processes.messages import AlertRaised
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id
from gateway.storage.vault import Vault

PASSWORD = "Correct-Horse-7"
BASE = "https://127.0.0.1"

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
PICTURE = b"\xff\xd8 picture \xff\xd9"


@pytest.fixture
def services(sqlite_database: Database, tmp_path: Path, passwords: Passwords, clock: Clock) -> Services:
    return Services(
        settings=Settings(data_folder=tmp_path, platform_code="hub"),
        db=sqlite_database,
        vault=Vault.at(tmp_path),
        clock=clock,
        passwords=passwords,
    )


@pytest.fixture
def app(services: Services) -> FastAPI:
    return create_app(services)


@pytest.fixture
async def clients(app: FastAPI) -> AsyncIterator[Callable[..., Awaitable[httpx.AsyncClient]]]:
    async with AsyncExitStack() as stack:

        async def make(**options: Any) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url=BASE, timeout=20, **options)
            return await stack.enter_async_context(client)

        yield make


@pytest.fixture
async def anonymous(clients: ClientAs) -> httpx.AsyncClient:
    return await clients()


@pytest.fixture
def user_with(services: Services, clock: Clock) -> Callable[..., Awaitable[str]]:
    """Makes a user with these roles and answers the username; the password is ``PASSWORD``."""
    numbers = count(1)

    async def make(*roles: str, platform: str = "hub") -> str:
        username = f"user{next(numbers)}"
        new = users.NewUser(username, PASSWORD, "测试用户", roles, platform)
        async with services.db.transaction() as session:
            await users.create(session, services.passwords, new, by=audit.SYSTEM, now=clock())
        return username

    return make


@pytest.fixture
def client_as(clients: ClientAs, user_with: Callable[..., Awaitable[str]]) -> ClientAs:
    async def make(*roles: str, platform: str = "hub") -> httpx.AsyncClient:
        client = await clients()
        username = await user_with(*roles, platform=platform)
        answer = await client.post("/api/v1/session", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return client

    return make


@pytest.fixture
def console_as(clients: ClientAs, user_with: Callable[..., Awaitable[str]]) -> ClientAs:
    """A client with the cookie only; set ``client.headers["X-CSRF-Token"]`` from ``client.csrf`` to write."""

    async def make(*roles: str, platform: str = "hub") -> httpx.AsyncClient:
        client = await clients()
        username = await user_with(*roles, platform=platform)
        body = {"username": username, "password": PASSWORD, "kind": "cookie"}
        answer = await client.post("/api/v1/session", json=body)
        assert answer.status_code == 200, answer.text
        client.csrf = answer.json()["csrf_token"]  # type: ignore[attr-defined]  # a test's convenience
        return client

    return make


class OneStreet(CameraFacts):
    """Every camera stands at one crossing, in the hub."""

    async def fact(self, session: AsyncSession, code: str) -> CameraFact | None:
        return CameraFact(code, "测试路口东", "hub", grid="990000000001001", lng=120.5, lat=30.25)


@pytest.fixture
def raise_alert(services: Services) -> RaiseAlert:
    """Hands in an alert as a camera worker does, with its snapshot; answers its id."""
    journal = services.settings.data_folder / "journal"
    journal.mkdir()
    files = EvidenceFiles(evidence_folder(services.settings), (journal,))
    intake = AlertIntake(files, OneStreet(), services.settings, services.announcer, services.opening)

    async def make(hazard: str = "crowd", zone: str = "square") -> str:
        alert_id = new_id()
        path = journal / f"{alert_id}.jpg"
        path.write_bytes(PICTURE)
        now = services.clock().timestamp()
        await intake.handle(
            AlertRaised(
                alert_id, "99000000001320000001", zone, hazard, now - 3, now, 0.9, {"boxes": []}, str(path),
                hashlib.sha256(PICTURE).hexdigest(),
            )
        )  # fmt: skip
        return alert_id

    return make
