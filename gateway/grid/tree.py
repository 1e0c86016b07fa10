"""The tree of hub (枢纽), towns (镇街), departments (市直部门) and communities (重点社区): what hangs under what. Pure.

Division codes are those of GB/T 2260 (6 digits, a county-level city) continued by GB/T 10114 and the statistical codes
(3 digits for a town or subdistrict, 3 for a village or community): each begins with the code of the one above it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from gateway.refusals import Refusal

PlatformKind = Literal["hub_platform", "town", "city_department", "key_community"]

KIND_NAMES: Mapping[str, str] = MappingProxyType(
    {"hub_platform": "市级枢纽平台", "town": "镇街", "city_department": "市直部门", "key_community": "重点社区"}
)
HANGS_UNDER: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "hub_platform": frozenset(),
        "town": frozenset({"hub_platform"}),
        "city_department": frozenset({"hub_platform"}),
        "key_community": frozenset({"hub_platform", "town"}),
    }
)
DIVISION_DIGITS: Mapping[str, int] = MappingProxyType(
    {"hub_platform": 6, "town": 9, "city_department": 6, "key_community": 12}
)


def check_place(kind: str, parent_kind: str) -> None:
    """Refuses a kind of platform under one that it does not hang under."""
    if parent_kind not in HANGS_UNDER.get(kind, frozenset()):
        zh, en = KIND_NAMES.get(kind, kind), KIND_NAMES.get(parent_kind, parent_kind)
        raise Refusal(
            "invalid",
            "parent_unfit",
            f"{zh}不能设在{en}之下。",
            f"A {kind} does not hang under a {parent_kind}.",
            field="parent",
        )


def check_move(parents: Mapping[str, str | None], code: str, to: str) -> None:
    """Refuses to hang a platform under itself or under one of those below it: they would be cut off from the hub."""
    here: str | None = to
    for _ in range(len(parents) + 1):
        if here is None:
            return
        if here == code:
            break
        here = parents.get(here)
    raise Refusal(
        "invalid",
        "parent_below",
        "不能移到自身或自己的下级之下。",
        "A platform does not hang under itself or under one below it.",
        field="parent",
    )


def check_division(kind: str, division: str, above: str) -> None:
    """Refuses a division code of another form, or one that does not lie in the division above (empty: not known)."""
    if not division:
        return
    digits = DIVISION_DIGITS[kind]
    if re.fullmatch(rf"[0-9]{{{digits}}}", division) is None:
        raise Refusal(
            "invalid",
            "division_invalid",
            f"{KIND_NAMES[kind]}的区划代码应为 {digits} 位数字（GB/T 2260 及其延续）。",
            f"The division code of a {kind} has {digits} digits (GB/T 2260 and below).",
            field="division",
        )
    if not division.startswith(above[: len(division)]):
        raise Refusal(
            "invalid",
            "division_elsewhere",
            f"区划代码 {division} 不在上级 {above} 之内。",
            f"The division {division} does not lie in {above} above it.",
            field="division",
        )
