"""The hub platform and its sub-platforms, as a tree by code."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.refusals import Refusal
from gateway.storage.tables.grid import Platform

PlatformKind = Literal["hub_platform", "town", "city_department", "key_community"]


async def ensure_hub(session: AsyncSession, code: str, name: str) -> Platform:
    """The hub's record, made at the first start and named anew when the settings name it anew.

    Refuses a code other than that of the hub already there: every record would lose its owner.
    """
    hub = await session.scalar(select(Platform).where(Platform.parent.is_(None)))
    if hub is None:
        hub = Platform(platform=code, code=code, name=name, kind="hub_platform", parent=None)
        session.add(hub)
        await session.flush()
    elif hub.code != code:
        raise Refusal(
            "conflict",
            "platform_code_changed",
            f"数据库属于平台“{hub.code}”，与设置 platform_code“{code}”不符。",
            f"The database belongs to platform {hub.code!r}, not to {code!r} of the setting platform_code.",
            field="platform_code",
        )
    elif hub.name != name:
        hub.name = name
    return hub


async def add_sub_platform(session: AsyncSession, code: str, name: str, kind: PlatformKind, parent: str) -> Platform:
    """A sub-platform under ``parent``; refuses a code that is taken and a parent that is not there."""
    codes = set(await session.scalars(select(Platform.code)))
    if code in codes:
        raise Refusal(
            "conflict",
            "platform_code_taken",
            f"平台编码“{code}”已存在。",
            f"The platform code {code!r} is taken.",
            field="code",
        )
    if parent not in codes:
        raise Refusal(
            "invalid",
            "platform_unknown",
            f"没有上级平台“{parent}”。",
            f"There is no platform {parent!r} above.",
            field="parent",
        )
    platform = Platform(platform=code, code=code, name=name, kind=kind, parent=parent)
    session.add(platform)
    await session.flush()
    return platform


async def listed(session: AsyncSession) -> list[Platform]:
    """The hub first, then by code."""
    return list(await session.scalars(select(Platform).order_by(Platform.parent.is_not(None), Platform.code)))
