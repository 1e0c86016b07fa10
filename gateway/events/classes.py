"""The event classes (事件分类): codes, neutral names, limits. A table with a version; cities replace it by their own.

Codes have the GB/T 30428 form 大类2+小类2; 90-xx are this project's local classes, since neither a fire in a building
nor a gathering stands in a city-management sheet. Each hazard that a detector knows falls into one class.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, get_args

from gateway.events.clocks import Limit
from gateway.refusals import Refusal

Category = Literal["urban", "key_work", "eco", "safety", "other"]
WarningColour = Literal["red", "orange", "yellow", "blue"]
HAZARDS = ("fire", "crowd", "stall")
"""What the detectors tell of; a table has a class for each."""
MOST_CLASSES = 2000
_CODE = re.compile(r"[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class EventClass:
    """One class. ``level`` is 1 特别重大 … 4 一般, as first reported; ``limit`` runs from signing to feedback.

    ``never_held_back``: a rejection holds back no new alert of this class. ``same_slot``: it is checked at the time of
    day at which it was seen (同时段核查).
    """

    code: str
    name: str
    category: Category
    level: int
    warning_colour: WarningColour
    limit: Limit
    hazard: str | None = None
    condition: str = ""
    close: str = ""
    advice: str = ""
    never_held_back: bool = False
    same_slot: bool = False


@dataclass(frozen=True, slots=True)
class ClassTable:
    """All classes of one version, by code and by the hazard that falls into them."""

    version: str
    classes: Mapping[str, EventClass]
    by_hazard: Mapping[str, EventClass]

    def of_hazard(self, hazard: str) -> EventClass:
        """The class into which a detector's hazard falls; refuses an unknown hazard."""
        found = self.by_hazard.get(hazard)
        if found is None:
            raise Refusal(
                "invalid",
                "hazard_unknown",
                f"没有与“{hazard}”对应的事件分类。",
                f"There is no event class for the hazard {hazard!r}.",
                field="hazard",
            )
        return found

    def of_code(self, code: str) -> EventClass:
        found = self.classes.get(code)
        if found is None:
            raise Refusal(
                "invalid",
                "class_unknown",
                f"没有事件分类“{code}”。",
                f"There is no event class {code!r}.",
                field="class_code",
            )
        return found


def read_class_table(document: object) -> ClassTable:
    """``{"version", "classes": [{"code", "name", "category", "level", "warning_colour", "limit", …}]}``.

    Refuses, naming the row, a faulty class, a code or a hazard that stands there twice, and a hazard without a class.
    """
    rows = document.get("classes") if isinstance(document, dict) else None
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, str) or not 1 <= len(version) <= 32:
        raise _refused("version", "应有版本号（最多 32 字）", "a version has 1 to 32 characters")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_CLASSES:
        raise _refused("classes", f"应有 1 至 {MOST_CLASSES} 个分类", f"it has 1 to {MOST_CLASSES} classes")
    classes: dict[str, EventClass] = {}
    by_hazard: dict[str, EventClass] = {}
    for number, row in enumerate(rows):
        read = _read(row, f"classes.{number}")
        if read.code in classes:
            raise _refused(f"classes.{number}.code", f"编码“{read.code}”重复", f"the code {read.code!r} stands twice")
        classes[read.code] = read
        if read.hazard is not None:
            if read.hazard in by_hazard:
                where = f"classes.{number}.hazard"
                raise _refused(where, f"“{read.hazard}”已有分类", f"{read.hazard!r} falls into two classes")
            by_hazard[read.hazard] = read
    for hazard in HAZARDS:
        if hazard not in by_hazard:
            raise _refused("classes", f"“{hazard}”没有对应的分类", f"{hazard!r} falls into no class")
    return ClassTable(version, MappingProxyType(classes), MappingProxyType(by_hazard))


def _read(row: object, where: str) -> EventClass:
    if not isinstance(row, dict):
        raise _refused(where, "应为一个对象", "it is not an object")
    code = row.get("code")
    if not isinstance(code, str) or _CODE.fullmatch(code) is None:
        raise _refused(f"{where}.code", "编码应为大类2位-小类2位", "a code has the form NN-NN")
    level, hazard = row.get("level"), row.get("hazard")
    if not isinstance(level, int) or isinstance(level, bool) or not 1 <= level <= 4:
        raise _refused(f"{where}.level", "等级应为 1 至 4", "a level lies between 1 and 4")
    if hazard is not None and hazard not in HAZARDS:
        raise _refused(f"{where}.hazard", f"没有隐患“{hazard}”", f"there is no hazard {hazard!r}")
    limit = row.get("limit")
    amount = limit.get("amount") if isinstance(limit, dict) else None
    if not isinstance(limit, dict) or not isinstance(amount, int | float) or isinstance(amount, bool):
        raise _refused(f"{where}.limit", "应有计时方式与数量", "it has a clock and an amount")
    try:
        checked = Limit(str(limit.get("clock")), amount)  # type: ignore[arg-type]  # checked by Limit itself
    except Refusal as refusal:
        raise _refused(f"{where}.limit", refusal.zh.rstrip("。"), refusal.en.rstrip(".")) from None
    return EventClass(
        code,
        _text(row, "name", where, 64, needed=True),
        _one_of(row, "category", where, get_args(Category)),
        level,
        _one_of(row, "warning_colour", where, get_args(WarningColour)),
        checked,
        hazard,
        _text(row, "condition", where, 200),
        _text(row, "close", where, 100),
        _text(row, "advice", where, 200),
        row.get("never_held_back") is True,
        row.get("same_slot") is True,
    )


def _text(row: Mapping[str, Any], name: str, where: str, most: int, *, needed: bool = False) -> str:
    text = row.get(name, "")
    if not isinstance(text, str) or len(text) > most or (needed and not text.strip()) or not text.isprintable():
        raise _refused(f"{where}.{name}", f"应为至多 {most} 字的文本", f"it is a text of at most {most} characters")
    return text.strip()


def _one_of(row: Mapping[str, Any], name: str, where: str, known: tuple[Any, ...]) -> Any:
    value = row.get(name)
    if value not in known:
        listed = "、".join(known)
        raise _refused(f"{where}.{name}", f"应为 {listed} 之一", f"it is one of {', '.join(known)}")
    return value


def _refused(where: str, zh: str, en: str) -> Refusal:
    return Refusal("invalid", "class_table_invalid", f"事件分类表有误：{zh}。", f"Class table: {en}.", field=where)


@cache
def shipped_classes() -> ClassTable:
    """The table that comes with the product."""
    text = (files("gateway.events.code_tables") / "classes-2025.1.json").read_text("utf-8")
    return read_class_table(json.loads(text))
