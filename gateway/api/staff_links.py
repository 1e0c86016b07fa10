"""What records of staff and dispatch rules name, such as grids, accounts and platforms, must be there and in sight."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.refusals import Refusal
from gateway.storage.tables.access import User
from gateway.storage.tables.dispatch import GridStaffRow
from gateway.storage.tables.grid import Grid, Platform


async def check_links(session: AsyncSession, caller: Caller, row: GridStaffRow) -> None:
    """Refuses grids, accounts and replacements that are not there or not in the caller's sight."""
    await check_grids(session, caller, row.grids)
    if row.username is not None:
        user = await session.scalar(select(User.platform).where(User.username == row.username))
        if user is None or not caller.sees(user):
            raise Refusal("invalid", "user_unknown", "没有该账号。", "There is no such account.", field="username")
        query = select(GridStaffRow.id).where(GridStaffRow.username == row.username, GridStaffRow.id != row.id)
        if await session.scalar(query) is not None:
            raise Refusal(
                "conflict",
                "username_taken",
                "该账号已属于另一名网格员。",
                "Another of the staff has this account.",
                field="username",
            )
    if row.replacement is not None:
        other = await session.get(GridStaffRow, row.replacement)
        if other is None or other.id == row.id or not caller.sees(other.platform):
            raise Refusal(
                "invalid",
                "replacement_unfit",
                "顶岗人员不存在，或就是本人。",
                "Whoever stands in is not there, or is the same person.",
                field="replacement",
            )


async def check_grids(session: AsyncSession, caller: Caller, codes: Sequence[str]) -> None:
    known = set(await session.scalars(select(Grid.code).where(Grid.code.in_(codes), caller.visible(Grid.platform))))
    for code in codes:
        if code not in known:
            raise Refusal(
                "invalid", "grid_unknown", f"没有网格“{code}”。", f"There is no grid {code!r}.", field="grids"
            )


async def check_owner(session: AsyncSession, caller: Caller, platform: str) -> None:
    """Refuses an owning platform that is not there or not in the caller's sight."""
    known = await session.scalar(select(Platform.code).where(Platform.code == platform))
    if known is None or not caller.sees(platform):
        raise Refusal(
            "invalid",
            "platform_unknown",
            f"没有平台“{platform}”，或不在您的管辖范围内。",
            f"There is no platform {platform!r} in your scope.",
            field="platform",
        )


async def names_of(session: AsyncSession, ids: Collection[str]) -> dict[str, str]:
    rows = await session.execute(select(GridStaffRow.id, GridStaffRow.name).where(GridStaffRow.id.in_(sorted(ids))))
    return {row.id: row.name for row in rows}
