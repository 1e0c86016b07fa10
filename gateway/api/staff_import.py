"""A sheet of the grid staff into the records: all good rows in the caller's transaction, faulty ones named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.grid.staff_records import phone_of, seal_phone
from gateway.grid.staff_sheet import StaffFault, StaffLine
from gateway.storage.ids import new_id
from gateway.storage.tables.access import User
from gateway.storage.tables.dispatch import GridStaffRow
from gateway.storage.tables.grid import Grid, Platform
from gateway.storage.vault import Vault


@dataclass(frozen=True, slots=True)
class StaffResult:
    row: int
    code: str
    outcome: Literal["added", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class StaffImport:
    results: tuple[StaffResult, ...]
    faults: tuple[StaffFault, ...]


async def import_staff(
    session: AsyncSession, lines: Sequence[StaffLine | StaffFault], caller: Caller, vault: Vault, now: datetime
) -> StaffImport:
    """Nothing is stored where the caller's transaction is rolled back."""
    known = await _Known.read(session)
    faults = [line for line in lines if isinstance(line, StaffFault)]
    results: list[StaffResult] = []
    for line in lines:
        if isinstance(line, StaffFault):
            continue
        owner = line.platform or caller.platform
        found = known.of(line, owner)
        fault = known.fault(line, owner, found, caller)
        if fault is not None:
            faults.append(fault)
            continue
        if found:
            row, outcome = found[0], "changed" if _said(line, found[0], vault) else "unchanged"
        else:
            row = GridStaffRow(
                id=new_id(), platform=owner, name=line.name, post="fulltime_grid_member", grids=[], days=[], hours=[]
            )
            session.add(row)
            known.take(row)
            outcome = "added"
        if outcome != "unchanged":
            for name, value in _said(line, row, vault).items():
                if name == "phone":
                    seal_phone(row, value, vault)
                else:
                    setattr(row, name, value)
            row.changed_at = now
        results.append(StaffResult(line.row, line.name, outcome))  # type: ignore[arg-type]  # one of the three above
    await session.flush()
    return StaffImport(tuple(results), tuple(sorted(faults, key=lambda one: one.row)))


class _Known:
    """What is on record as the import begins; the staff are held until the transaction ends."""

    def __init__(self, rows: Sequence[GridStaffRow], grids: dict[str, str], users: dict[str, str], codes: set[str]):
        self.by_name: defaultdict[tuple[str, str], list[GridStaffRow]] = defaultdict(list)
        self.by_account: dict[str, GridStaffRow] = {}
        self.grids, self.users, self.platforms = grids, users, codes
        for row in rows:
            self.take(row)

    @classmethod
    async def read(cls, session: AsyncSession) -> _Known:
        rows = list(await session.scalars(select(GridStaffRow).with_for_update()))
        grids = {row.code: row.platform for row in await session.execute(select(Grid.code, Grid.platform))}
        users = {row.username: row.platform for row in await session.execute(select(User.username, User.platform))}
        return cls(rows, grids, users, set(await session.scalars(select(Platform.code))))

    def take(self, row: GridStaffRow) -> None:
        self.by_name[(row.platform, row.name)].append(row)
        if row.username:
            self.by_account[row.username] = row

    def of(self, line: StaffLine, owner: str) -> list[GridStaffRow]:
        if line.username is not None and line.username in self.by_account:
            return [self.by_account[line.username]]
        return self.by_name.get((owner, line.name), [])

    def fault(self, line: StaffLine, owner: str, found: list[GridStaffRow], caller: Caller) -> StaffFault | None:
        if owner not in self.platforms:
            return _fault(line, "platform", "platform_unknown", f"没有平台“{owner}”。", f"No platform {owner!r}.")
        if not caller.sees(owner) or any(not caller.sees(row.platform) for row in found):
            return _fault(
                line, "platform", "platform_beyond_yours", "该人员属于其他平台。", "They belong to another platform."
            )
        if len(found) > 1:
            return _fault(
                line,
                "name",
                "name_ambiguous",
                "该平台有同名人员，请以账号区分。",
                "Several of that name; give accounts",
            )
        for code in line.grids or ():
            if code not in self.grids or not caller.sees(self.grids[code]):
                return _fault(line, "grids", "grid_unknown", f"没有网格“{code}”。", f"There is no grid {code!r}.")
        account = line.username
        if account is not None and (account not in self.users or not caller.sees(self.users[account])):
            return _fault(line, "username", "user_unknown", "没有该账号。", "There is no such account.")
        return None


def _said(line: StaffLine, row: GridStaffRow, vault: Vault) -> dict[str, Any]:
    """What the line says otherwise than the row."""
    said: dict[str, Any] = {
        "name": line.name,
        "post": line.post,
        "platform": line.platform,
        "username": line.username,
        "grids": None if line.grids is None else list(line.grids),
        "days": None if line.days is None else list(line.days),
        "hours": None if line.hours is None else [list(span) for span in line.hours],
        "note": line.note,
    }
    different = {name: value for name, value in said.items() if value is not None and value != getattr(row, name)}
    if line.phone is not None and line.phone != phone_of(row, vault):
        different["phone"] = line.phone
    return different


def _fault(line: StaffLine, field: str, reason: str, zh: str, en: str) -> StaffFault:
    return StaffFault(line.row, line.name, field, reason, zh, en)
