"""Wrong logins remembered over a restart: those of registration and control by device, those of the pull by camera.

Without it a service that is restarted again and again would begin to count anew each time, and lock every account whose
password was changed. What is kept is when, never what; it is forgotten after half an hour, or once a login was taken.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog
from sqlalchemy import delete, select

from camera_registry.login import FORGOTTEN_AFTER, LoginBackoff
from camera_registry.login_patience import KEPT, WrongLogins
from gateway.clock import Clock
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.tables.wrong_logins import WrongLoginsRow

log = structlog.get_logger(__name__)

DEVICE, STREAM = "device:", "stream:"
AGAIN_SECONDS = 1.0
LONGEST_SUBJECT = 200


class LoginMemory:
    """``await load()`` before anything is asked; then what is noted is written at once, in the background."""

    def __init__(self, db: Database, backoff: LoginBackoff, clock: Clock) -> None:
        self._db = db
        self._backoff = backoff
        self._clock = clock
        self._streams: dict[str, WrongLogins] = {}
        self._unwritten: dict[str, list[float]] = {}
        self._writing: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """What the last run left; what is old is forgotten."""
        since = self._clock().timestamp() - FORGOTTEN_AFTER.total_seconds()
        async with self._db.transaction() as session:
            for row in list(await session.scalars(select(WrongLoginsRow))):
                times = [float(at) for at in row.times]
                if not times or times[-1] < since:
                    await session.delete(row)
                elif row.subject.startswith(DEVICE):
                    device, last = row.subject.removeprefix(DEVICE), datetime.fromtimestamp(times[-1], UTC)
                    self._backoff.failed(device, last, len(times))
                else:
                    self._streams[row.subject.removeprefix(STREAM)] = WrongLogins(times)
        self._backoff.changed = self._device_changed

    async def close(self) -> None:
        """Nothing is lost: what was noted is written first, unless the database is away."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=5.0)
            self._writing.cancel()

    def of(self, code: str) -> list[float]:
        """Times of the wrong logins sent to a camera's stream since the last right one."""
        held = self._streams.get(code)
        return [] if held is None else list(held.times)

    def refused(self, code: str, at: float) -> None:
        """A camera refused the login of its pull."""
        held = self._streams.setdefault(code, WrongLogins())
        held.note(at)
        self._write(STREAM + code, held.times)

    def cleared(self, code: str) -> None:
        """It took one, or is sent another from now on."""
        if self._streams.pop(code, None) is not None:
            self._write(STREAM + code, [])

    def _device_changed(self, device: str, count: int, last: datetime | None) -> None:
        self._write(DEVICE + device, [last.timestamp()] * min(count, KEPT) if last is not None else [])

    def _write(self, subject: str, times: list[float]) -> None:
        self._unwritten[subject[:LONGEST_SUBJECT]] = list(times)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name="wrong-logins")

    async def _write_all(self) -> None:
        while self._unwritten:
            wanted, self._unwritten = self._unwritten, {}
            try:
                await self._write_some(wanted)
            except Refusal as refusal:
                log.warning("wrong_logins_not_written", reason=refusal.reason)
                self._unwritten = wanted | self._unwritten
                await asyncio.sleep(AGAIN_SECONDS)

    async def _write_some(self, wanted: dict[str, list[float]]) -> None:
        """Together, or each by itself where that fails: what cannot be written is left out, and costs only itself.
        Raises ``Refusal`` where the database is away."""
        try:
            async with self._db.transaction() as session:
                await session.execute(delete(WrongLoginsRow).where(WrongLoginsRow.subject.in_(list(wanted))))
                session.add_all(WrongLoginsRow(subject=name, times=times) for name, times in wanted.items() if times)
        except Exception as error:
            if isinstance(error, Refusal) and error.kind == "unavailable":
                raise
            log.exception("wrong_logins_not_written", subjects=len(wanted))
            for name in wanted if len(wanted) > 1 else ():
                await self._write_some({name: wanted[name]})
