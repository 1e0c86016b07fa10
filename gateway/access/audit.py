"""The audit chain: who did what, to what, why; each row carries the hash of the one before it.

A row is appended in the transaction of the change it reports, so there is no change without a row and no row without
its change. Appends stand in line on the head row until their transaction ends: append last, and keep it short.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.storage.ids import new_id
from gateway.storage.tables.access import AuditHead, AuditRow

log = structlog.get_logger(__name__)

SYSTEM = "system"
GENESIS = "0" * 64
_HEAD = 1


@dataclass(frozen=True, slots=True)
class Act:
    """What is to be remembered: ``what`` is ``resource.verb``, ``target`` ``kind:code``. Never a secret in a field."""

    who: str
    what: str
    target: str
    platform: str
    why: str = ""
    grant: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the chain holds: the number of rows, and the first row at which it is broken."""

    rows: int
    broken_at: int | None = None
    reason: str | None = None

    @property
    def holds(self) -> bool:
        return self.broken_at is None


def link(seq: int, row_id: str, at: datetime, act: Act, previous_hash: str) -> str:
    """The hash of a row: SHA-256 over its canonical JSON, which includes the hash before it."""
    document = [
        seq, row_id, at.astimezone(UTC).isoformat(timespec="microseconds"), act.platform, act.who, act.what, act.target,
        act.why, act.grant, previous_hash,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


async def append(session: AsyncSession, act: Act, at: datetime) -> int:
    """Add a link inside the caller's transaction; returns its number."""
    return await append_all(session, [act], at)


async def append_all(session: AsyncSession, acts: Sequence[Act], at: datetime) -> int:
    """Add links in order; returns the number of the last."""
    head = await _locked_head(session)
    seq, digest = head.seq, head.hash
    rows = []
    for act in acts:
        seq, row_id, previous = seq + 1, new_id(), digest
        digest = link(seq, row_id, at, act, previous)
        rows.append(
            {
                "seq": seq, "id": row_id, "platform": act.platform, "at": at, "who": act.who, "what": act.what,
                "target": act.target, "why": act.why, "grant_id": act.grant, "previous_hash": previous, "hash": digest,
            }
        )  # fmt: skip
        # The log leaves this machine by other ways than the database: it is the chain's witness outside of it.
        log.info("audit", seq=seq, who=act.who, what=act.what, target=act.target, hash=digest)
    if rows:
        await session.execute(insert(AuditRow), rows)
        await session.execute(update(AuditHead).where(AuditHead.id == _HEAD).values(seq=seq, hash=digest))
    return seq


@dataclass(frozen=True, slots=True)
class _Head:
    seq: int
    hash: str


async def _locked_head(session: AsyncSession) -> _Head:
    query = select(AuditHead.seq, AuditHead.hash).where(AuditHead.id == _HEAD).with_for_update()
    row = (await session.execute(query)).one_or_none()
    if row is None:
        first = {"id": _HEAD, "seq": 0, "hash": GENESIS}
        if session.get_bind().dialect.name == "postgresql":
            await session.execute(postgresql.insert(AuditHead).values(first).on_conflict_do_nothing())
        else:
            await session.execute(sqlite.insert(AuditHead).values(first).on_conflict_do_nothing())
        row = (await session.execute(query)).one()
    return _Head(row.seq, row.hash)


async def verify(session: AsyncSession) -> Verdict:
    """Walk the whole chain. Finds a changed, inserted or removed row, and a tail cut off behind the head's back."""
    rows, previous = 0, GENESIS
    stream = await session.stream_scalars(
        select(AuditRow).order_by(AuditRow.seq).execution_options(yield_per=1000, populate_existing=True)
    )
    async for row in stream:
        act = Act(row.who, row.what, row.target, row.platform, row.why, row.grant_id)
        if row.seq != rows + 1:
            return Verdict(rows, rows + 1, "row_missing")
        if row.previous_hash != previous:
            return Verdict(rows, row.seq, "link_broken")
        if row.hash != link(row.seq, row.id, row.at, act, previous):
            return Verdict(rows, row.seq, "row_changed")
        rows, previous = row.seq, row.hash
    head = (await session.execute(select(AuditHead.seq, AuditHead.hash).where(AuditHead.id == _HEAD))).one_or_none()
    if (head.seq if head else 0) != rows or (head.hash if head else GENESIS) != previous:
        return Verdict(rows, rows + 1, "tail_cut")
    return Verdict(rows)


@dataclass(frozen=True, slots=True)
class Page:
    items: tuple[AuditRow, ...]
    total: int


async def page(
    session: AsyncSession, *, who: str | None = None, what: str | None = None, target: str | None = None,
    limit: int = 100, offset: int = 0, platforms: frozenset[str] | None = None,
) -> Page:  # fmt: skip
    """The newest rows first; ``what`` may be a prefix such as ``view``, ``platforms`` whose rows alone are shown."""
    conditions: list[ColumnElement[bool]] = []
    if platforms is not None:
        conditions.append(AuditRow.platform.in_(sorted(platforms)))
    if who is not None:
        conditions.append(AuditRow.who == who)
    if what is not None:
        conditions.append(AuditRow.what.startswith(what, autoescape=True))
    if target is not None:
        conditions.append(AuditRow.target == target)
    total = (await session.execute(select(func.count()).select_from(AuditRow).where(*conditions))).scalar_one()
    found = await session.scalars(
        select(AuditRow).where(*conditions).order_by(AuditRow.seq.desc()).limit(limit).offset(offset)
    )
    return Page(tuple(found), total)
