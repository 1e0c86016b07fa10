"""Where a camera stands and whose it is: the grid by its point or by its code, and the platform that follows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.grid.locator import GridLocator
from gateway.refusals import Refusal
from gateway.storage.tables.grid import Grid, Platform


@dataclass(frozen=True, slots=True)
class Place:
    """``grid`` None: the point lies in no grid. ``grid_platform``: whose that grid is."""

    grid: str | None
    grid_platform: str | None


async def place_of(session: AsyncSession, grids: GridLocator, grid: str | None, lng: float, lat: float) -> Place:
    """The named grid, or the one that the point lies in. Refuses a grid that is not there."""
    if grid is None:
        hit = await grids.locate(session, lng, lat)
        return Place(hit.code, hit.platform) if hit else Place(None, None)
    platform = await session.scalar(select(Grid.platform).where(Grid.code == grid))
    if platform is None:
        raise Refusal("invalid", "grid_unknown", f"没有网格“{grid}”。", f"There is no grid {grid!r}.", field="grid")
    return Place(grid, platform)


async def owner_of(session: AsyncSession, caller: Caller, wanted: str | None, place: Place) -> str:
    """The platform that a new camera belongs to: the one asked for, else its grid's where the caller sees that one,
    else the caller's. Refuses one that is not there or outside the caller's scope."""
    if wanted is None:
        in_scope = place.grid_platform is not None and caller.sees(place.grid_platform)
        return place.grid_platform if in_scope and place.grid_platform else caller.platform
    known = await session.scalar(select(Platform.code).where(Platform.code == wanted))
    if known is None:
        raise Refusal(
            "invalid",
            "platform_unknown",
            f"没有平台“{wanted}”。",
            f"There is no platform {wanted!r}.",
            field="platform",
        )
    if not caller.sees(wanted):
        raise Refusal(
            "forbidden",
            "scope_beyond_yours",
            "该平台不在您的管辖范围内。",
            "That platform is outside your scope.",
            field="platform",
        )
    return wanted
