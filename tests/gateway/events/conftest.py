"""The whole of the events room on a database: intake, sweep and desk, with a journal to take evidence from.

``room`` runs a test on SQLite and on PostgreSQL; ``room.raise_alert()`` journals a picture and hands the alert in.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.events.announcing import Announcer
from gateway.events.books import CityBooks
from gateway.events.cameras import CameraFact, CameraFacts
from gateway.events.desk import DutyDesk
from gateway.events.event_desk import EventDesk, Photo
from gateway.events.intake import AlertIntake, evidence_folder
from gateway.events.opening import Opening
from gateway.events.promotion import Promotion
from gateway.events.shown import AlertShown, EventShown, shown_alert, shown_event
from gateway.events.timekeeping import Timekeeping
from gateway.live import Listener, LiveHub, Notice
from gateway.processes.messages import AlertRaised, EvidenceReady
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id
from gateway.storage.tables.base import Base
from gateway.storage.tables.events import AlertRow, EventRow

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

CAMERA = "99000000001320000001"


class OneStreet(CameraFacts):
    """Cameras as the registry would tell of them: one is known."""

    async def fact(self, session: AsyncSession, code: str) -> CameraFact | None:
        if code != CAMERA:
            return None
        return CameraFact(code, "测试路口东", "hub", grid="990000000001001", lng=120.5, lat=30.25, address="测试路1号")


@dataclass
class EventsRoom:
    """Everything of the events room, and what a test asks of it most."""

    db: Database
    clock: ManualClock
    settings: Settings
    journal: Path
    live: LiveHub
    listener: Listener
    wakes: list[None] = field(default_factory=list)
    numbers: count[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        files = EvidenceFiles(evidence_folder(self.settings), (self.journal,))
        self.announcer = Announcer(self.db, self.live, self.clock, lambda: self.wakes.append(None))
        self.opening = Opening.of(self.settings, CityBooks())
        self.intake = AlertIntake(files, OneStreet(), self.settings, self.announcer, self.opening)
        self.promotion = self.another_promotion()
        self.desk = DutyDesk(self.announcer, self.opening, self.settings.windows)
        self.events = EventDesk(self.announcer, self.opening)
        self.timekeeping = Timekeeping(self.db, self.announcer, self.opening, self.clock)

    def another_promotion(self) -> Promotion:
        return Promotion(self.db, self.announcer, self.opening, self.settings.windows, self.clock)

    def picture(self, name: str, content: bytes) -> tuple[str, str]:
        """A file in the journal: its path and SHA-256."""
        path = self.journal / name
        path.write_bytes(content)
        return str(path), hashlib.sha256(content).hexdigest()

    def alert(
        self, hazard: str = "crowd", *, zone: str = "square", code: str = CAMERA, alert_id: str | None = None
    ) -> AlertRaised:
        """An alert raised now, with its snapshot in the journal."""
        now = self.clock().timestamp()
        path, sha256 = self.picture(f"{next(self.numbers)}.jpg", b"\xff\xd8 picture \xff\xd9")
        return AlertRaised(
            alert_id or new_id(), code, zone, hazard, now - 5, now, 0.8, {"boxes": [[0.1, 0.2, 0.3, 0.4]]}, path, sha256
        )

    def forget(self, message: AlertRaised) -> None:
        """As a worker's journal does once control has the alert."""
        Path(message.snapshot_path).unlink()

    async def raise_alert(self, hazard: str = "crowd", *, zone: str = "square") -> str:
        message = self.alert(hazard, zone=zone)
        await self.intake.handle(message)
        return message.alert_id

    def clip(self, alert_id: str, *, partial: bool = False) -> EvidenceReady:
        now = self.clock().timestamp()
        content = b"\x00\x00\x00\x18ftypisom clip of " + alert_id.encode()
        path, sha256 = self.picture(f"{next(self.numbers)}.mp4", content)
        return EvidenceReady(new_id(), alert_id, "clip", path, sha256, len(content), now - 20, now, partial)

    async def add_photo(self, caller: Caller, no: str, kind: str = "after_photo") -> EventShown:
        """A photograph of the event, kept as a file and added."""
        photo_id = new_id()
        content = photo_id.encode()
        files = EvidenceFiles(evidence_folder(self.settings), ())
        file = await files.write(content, photo_id, ".jpg")
        sha256 = hashlib.sha256(content).hexdigest()
        return await self.events.add_photo(caller, no, Photo(photo_id, kind, "image/jpeg", sha256, file))

    async def shown(self, alert_id: str) -> AlertShown:
        async with self.db.reading() as session:
            row = (await session.scalars(select(AlertRow).where(AlertRow.id == alert_id))).one()
            return await shown_alert(session, row)

    async def event(self, no: str | None) -> EventShown:
        async with self.db.reading() as session:
            row = (await session.scalars(select(EventRow).where(EventRow.no == no))).one()
            return await shown_event(session, row)

    async def how_many(self, table: type[Base]) -> int:
        async with self.db.reading() as session:
            return (await session.execute(select(func.count()).select_from(table))).scalar_one()

    def heard(self) -> list[Notice]:
        """What the live hub has told since the last call."""
        notices = []
        while not self.listener.queue.empty():
            notices.append(self.listener.queue.get_nowait())
        return notices

    def topics(self) -> list[str]:
        return [notice.topic for notice in self.heard()]


MakeRoom = Callable[..., Awaitable[EventsRoom]]


@pytest.fixture
async def make_room(clock: ManualClock, tmp_path: Path) -> AsyncIterator[MakeRoom]:
    async with AsyncExitStack() as stack:

        async def make(database: Database, **settings: object) -> EventsRoom:
            journal = tmp_path / "journal"
            journal.mkdir(exist_ok=True)
            live = LiveHub()
            listener = await stack.enter_async_context(live.listen())
            chosen = Settings.model_validate({"data_folder": tmp_path, "platform_code": "hub", **settings})
            return EventsRoom(database, clock, chosen, journal, live, listener)

        yield make


@pytest.fixture
async def room(database: Database, make_room: MakeRoom) -> EventsRoom:
    return await make_room(database)


@pytest.fixture
def person(clock: ManualClock) -> Callable[..., Caller]:
    """A caller with these roles, of the hub unless said otherwise."""

    def make(*roles: str, platforms: frozenset[str] | None = None) -> Caller:
        return Caller(
            user_id=new_id(),
            username="+".join(roles),
            display_name="测试用户",
            roles=frozenset(roles),
            platform="hub",
            platforms=platforms,
            session_id=new_id(),
            kind="bearer",
            expires_at=clock() + timedelta(hours=8),
        )

    return make
