"""The hub platform and its sub-platforms as records: made, renamed, moved and taken away by the rules of the tree."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.grid.hanging import Hanging, hanging_under
from gateway.grid.tree import PlatformKind, check_division, check_move, check_place
from gateway.refusals import Refusal
from gateway.storage.tables.grid import Platform


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


async def add_sub_platform(
    session: AsyncSession, code: str, name: str, kind: PlatformKind, parent: str, division: str = ""
) -> Platform:
    """A sub-platform under ``parent``; refuses a code that is taken and a place that the tree does not allow."""
    tree = await _tree(session)
    if code in tree:
        raise Refusal(
            "conflict",
            "platform_code_taken",
            f"平台编码“{code}”已存在。",
            f"The platform code {code!r} is taken.",
            field="code",
        )
    above = _above(tree, parent)
    check_place(kind, above.kind)
    check_division(kind, division, _division_over(tree, above))
    platform = Platform(platform=code, code=code, name=name, kind=kind, parent=parent, division=division)
    session.add(platform)
    await session.flush()
    return platform


@dataclass(frozen=True, slots=True)
class PlatformChange:
    """What is None stays. ``confirmed``: whoever moves it has been told what moves along."""

    name: str | None = None
    division: str | None = None
    parent: str | None = None
    confirmed: bool = False


async def change_platform(session: AsyncSession, code: str, revision: int, change: PlatformChange) -> Platform:
    """Rename it, give it another division, or move it with all below it. The whole tree is held meanwhile."""
    tree = await _tree(session, hold=True)
    platform = _current(tree, code, revision)
    if platform.parent is None and (change.name is not None or change.parent is not None):
        raise Refusal(
            "conflict",
            "hub_fixed",
            "枢纽平台的名称由设置 platform_name 决定，也不能移动。",
            "The hub is named by the setting platform_name and is never moved.",
            field="name" if change.name is not None else "parent",
        )
    moved = change.parent is not None and change.parent != platform.parent
    if moved and change.parent is not None:
        check_move({one.code: one.parent for one in tree.values()}, code, change.parent)
        check_place(platform.kind, _above(tree, change.parent).kind)
        if not change.confirmed:
            raise _unconfirmed(platform, await hanging_under(session, code))
        platform.parent = change.parent
    platform.name = platform.name if change.name is None else change.name
    platform.division = platform.division if change.division is None else change.division
    if platform.parent is not None:
        check_division(platform.kind, platform.division, _division_over(tree, tree[platform.parent]))
    else:
        check_division(platform.kind, platform.division, "")
    for below in tree.values():
        if below.division and below.parent is not None and below.code != code:
            check_division(below.kind, below.division, _division_over(tree, tree[below.parent]))
    await session.flush()
    return platform


async def remove_platform(session: AsyncSession, code: str, revision: int) -> Platform:
    """Take a platform out of the tree; refused while anything hangs under it or belongs to it."""
    tree = await _tree(session, hold=True)
    platform = _current(tree, code, revision)
    if platform.parent is None:
        raise Refusal("conflict", "hub_fixed", "不能删除枢纽平台。", "The hub is never taken away.")
    hanging = await hanging_under(session, code)
    if hanging:
        raise Refusal(
            "conflict",
            "platform_not_empty",
            f"“{platform.name}”下仍有{_zh(hanging)}，不能删除。",
            f"Not deleted: {platform.code} still has {_en(hanging)}.",
        )
    await session.delete(platform)
    await session.flush()
    return platform


async def listed(session: AsyncSession) -> list[Platform]:
    """The hub first, then by code."""
    return list(await session.scalars(select(Platform).order_by(Platform.parent.is_not(None), Platform.code)))


async def counted(session: AsyncSession, column: object) -> dict[str, int]:
    """How many records each platform owns, by a column ``platform`` of theirs."""
    rows = await session.execute(select(column, func.count()).group_by(column))  # type: ignore[call-overload]  # a column
    return {str(code): int(number) for code, number in rows}


async def _tree(session: AsyncSession, *, hold: bool = False) -> dict[str, Platform]:
    query = select(Platform).order_by(Platform.code)
    return {row.code: row for row in await session.scalars(query.with_for_update() if hold else query)}


def _above(tree: dict[str, Platform], parent: str) -> Platform:
    if parent not in tree:
        raise Refusal(
            "invalid",
            "platform_unknown",
            f"没有上级平台“{parent}”。",
            f"There is no platform {parent!r} above.",
            field="parent",
        )
    return tree[parent]


def _division_over(tree: dict[str, Platform], above: Platform) -> str:
    """The division of the nearest platform, from ``above`` on, that has one."""
    here: Platform | None = above
    for _ in tree:
        if here is None or here.division:
            break
        here = tree.get(here.parent or "")
    return here.division if here is not None else ""


def _current(tree: dict[str, Platform], code: str, revision: int) -> Platform:
    platform = tree.get(code)
    if platform is None:
        raise Refusal("not_found", "platform_unknown", f"没有平台“{code}”。", f"There is no platform {code!r}.")
    if platform.revision != revision:
        raise Refusal(
            "conflict",
            "revision_stale",
            "记录已被他人修改，请刷新后重试。",
            "The record was changed meanwhile; fetch it again and retry.",
            field="revision",
        )
    return platform


def _unconfirmed(platform: Platform, hanging: list[Hanging]) -> Refusal:
    along_zh = f"连同其下{_zh(hanging)}" if hanging else "其下没有其他记录"
    along_en = f"with {_en(hanging)}" if hanging else "with nothing below it"
    return Refusal(
        "conflict",
        "move_unconfirmed",
        f"移动“{platform.name}”（{along_zh}）会改变谁能看到它们，请确认。",
        f"Moving {platform.code}, {along_en}, changes who sees them; confirm it.",
        field="confirm",
    )


def _zh(hanging: list[Hanging]) -> str:
    return "、".join(f"{one.zh} {one.count}" for one in hanging)


def _en(hanging: list[Hanging]) -> str:
    return ", ".join(f"{one.count} {one.en}" for one in hanging)
