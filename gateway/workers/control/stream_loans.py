"""Loans of streams that outlive a worker: told anew to one that has come back, so that a wall goes on by itself."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy import select

from gateway.clock import Clock
from gateway.processes.messages import LendStream
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.tables.stream_loans import StreamLoanRow
from gateway.storage.vault import Vault
from gateway.workers.control.links import WorkerLinks

log = structlog.get_logger(__name__)


class StreamLoans:
    def __init__(self, links: WorkerLinks, db: Database, vault: Vault, clock: Clock) -> None:
        self._links = links
        self._db = db
        self._vault = vault
        self._clock = clock

    async def again(self, worker: str, codes: Sequence[str]) -> None:
        """Tell a worker that has just been told of these cameras what is lent of them. Raises ``Refusal`` where it does
        not keep up."""
        for told in await self._of(codes):
            self._links.order(worker, told)

    async def _of(self, codes: Sequence[str]) -> list[LendStream]:
        async with self._db.reading() as session:
            rows = await session.scalars(
                select(StreamLoanRow).where(StreamLoanRow.camera_code.in_(codes), StreamLoanRow.until > self._clock())
            )
            return [told for row in rows if (told := self._told(row)) is not None]

    def _told(self, row: StreamLoanRow) -> LendStream | None:
        try:
            password = self._vault.open(row.sealed_password, row.id)
        except Refusal as refusal:
            log.error("stream_loan_unreadable", camera=row.camera_code, reader=row.reader, reason=refusal.reason)
            return None
        return LendStream(row.camera_code, f"reader:{row.reader}", row.until.timestamp(), row.username, password)
