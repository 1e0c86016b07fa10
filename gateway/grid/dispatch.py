"""Whose an event is, and why (派遣规则). Pure: rules, staff and the tree of platforms in; who and the reason out.

There is always an answer. First the rules, by priority and then the closer one: the grid itself, its platform, those
above, anywhere; the class itself, its group, any. Then the fallbacks (兜底), the nearest platform's first. Where there
is none either, the duty post of the hub, and the reason says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

from gateway.grid.hours import Hours, in_hours

PlaceKind = Literal["any", "platform", "grid"]
Basis = Literal["rule", "fallback", "hub", "hand"]
POSTS = ("fulltime_grid_member", "grid_manager", "micro_grid_informant")
"""Posts of the grid staff, in the order in which they are called."""
_MOST_STEPS = 5
"""Replacements of replacements that are followed."""


@dataclass(frozen=True, slots=True)
class Staff:
    """A person of the grid staff; see ``GridStaffRow``."""

    id: str
    name: str
    post: str
    platform: str
    username: str | None = None
    grids: frozenset[str] = frozenset()
    days: tuple[int, ...] = ()
    hours: Hours = ()
    leave_from: datetime | None = None
    leave_until: datetime | None = None
    replacement: str | None = None

    def on_leave(self, at: datetime) -> bool:
        if self.leave_from is None or at < self.leave_from:
            return False
        return self.leave_until is None or at < self.leave_until

    def on_duty(self, at: datetime) -> bool:
        return not self.on_leave(at) and in_hours(self.days, self.hours, at)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; see ``DispatchRuleRow``. ``owner``: the platform it belongs to, below which alone it reaches."""

    id: str
    number: int
    owner: str
    department: str
    name: str = ""
    class_code: str = "*"
    place: PlaceKind = "any"
    place_code: str = ""
    days: tuple[int, ...] = ()
    hours: Hours = ()
    staff: str | None = None
    grid_staff: bool = False
    priority: int = 100
    fallback: bool = False

    @property
    def timed(self) -> bool:
        return bool(self.days or self.hours)


@dataclass(frozen=True, slots=True)
class Asked:
    """An event to be: its class, where it lies (``platform`` owns it, ``grid`` may be none), and when."""

    class_code: str
    class_name: str
    platform: str
    grid: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Responsible:
    """Who, and why. ``assignee``: the person's account, or name where they have none."""

    department: str
    department_name: str
    basis: Basis
    zh: str
    en: str
    rule_number: int | None = None
    assignee: str | None = None
    staff_name: str | None = None


@dataclass(frozen=True)
class Dispatching:
    """Rules, staff and tree as they are at one moment. ``parents``: platform → the one above (the hub: None);
    ``names``: of platforms; ``grids``: grid → its platform; ``grid_names``: grid → its name."""

    rules: tuple[Rule, ...]
    staff: Mapping[str, Staff]
    parents: Mapping[str, str | None]
    names: Mapping[str, str]
    grids: Mapping[str, str]
    grid_names: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def hub(self) -> str:
        return next((code for code, parent in self.parents.items() if parent is None), "")

    @cached_property
    def staff_of_grid(self) -> Mapping[str, Sequence[Staff]]:
        """Each grid's own staff, in the order in which they are called."""
        found: defaultdict[str, list[Staff]] = defaultdict(list)
        ranks = {post: rank for rank, post in enumerate(POSTS)}
        for one in sorted(self.staff.values(), key=lambda one: (ranks.get(one.post, len(ranks)), one.name, one.id)):
            for grid in one.grids:
                found[grid].append(one)
        return found

    def chain(self, platform: str) -> tuple[str, ...]:
        """The platform and those above it, nearest first. A loop in the data ends the walk."""
        found: list[str] = []
        here: str | None = platform
        while here is not None and here in self.parents and here not in found:
            found.append(here)
            here = self.parents[here]
        return tuple(found)

    def around(self, platform: str, grid: str | None) -> tuple[str, ...]:
        """The platforms that an event's place lies under: its grid's, nearest first, then its owner's."""
        of_grid = self.grids.get(grid or "")
        chains = (self.chain(of_grid) if of_grid is not None else ()) + self.chain(platform)
        return tuple(dict.fromkeys(chains))

    def fitting(self, asked: Asked) -> list[Rule]:
        """The rules that fit, the one that decides first."""
        around = self.around(asked.platform, asked.grid)
        found = [rule for rule in self.rules if self._fits(rule, asked, around)]
        return sorted(found, key=lambda rule: _order(rule, around))

    def responsible(self, asked: Asked) -> Responsible:
        """Whose the event is. Never nobody."""
        found = self.fitting(asked)
        if not found:
            return self._hub_duty(asked)
        rule = found[0]
        staff, zh_note, en_note = self._person(rule, asked)
        department = self.names.get(rule.department, rule.department)
        place_zh, place_en = self._place(rule, asked)
        label = f"“{rule.name}”" if rule.name else ""
        kind_zh, kind_en = ("兜底规则", "fallback rule") if rule.fallback else ("规则", "rule")
        who = f" · {staff.name}" if staff else ""
        return Responsible(
            department=rule.department,
            department_name=department,
            basis="fallback" if rule.fallback else "rule",
            zh=f"{kind_zh} {rule.number}{label}：{asked.class_name}，{place_zh} → {department}{who}{zh_note}",
            en=f"{kind_en} {rule.number}{label}: {asked.class_name} {place_en} → {department}{who}{en_note}",
            rule_number=rule.number,
            assignee=(staff.username or staff.name[:64]) if staff else None,
            staff_name=staff.name if staff else None,
        )

    def _fits(self, rule: Rule, asked: Asked, around: Sequence[str]) -> bool:
        if rule.owner not in around or rule.department not in self.parents:
            return False
        if not class_fits(rule.class_code, asked.class_code) or not in_hours(rule.days, rule.hours, asked.at):
            return False
        if rule.place == "grid":
            return rule.place_code == asked.grid
        return rule.place == "any" or rule.place_code in around

    def _hub_duty(self, asked: Asked) -> Responsible:
        hub = self.hub
        name = self.names.get(hub, hub)
        # Whether there are rules of platforms that this place does not lie under is nobody's business here.
        around = self.around(asked.platform, asked.grid)
        some = any(rule.owner in around for rule in self.rules)
        why_zh = "没有适用的派遣规则" if some else "尚未设置派遣规则"
        why_en = "no dispatch rule fits" if some else "there are no dispatch rules yet"
        return Responsible(
            department=hub,
            department_name=name,
            basis="hub",
            zh=f"{why_zh}，“{asked.class_name}”由{name}值班岗负责。",
            en=f"{asked.class_name}: {why_en}, so the duty post of {name} is responsible.",
        )

    def _place(self, rule: Rule, asked: Asked) -> tuple[str, str]:
        if rule.place == "grid":
            name = self.grid_names.get(rule.place_code, rule.place_code)
            return f"网格{name}", f"in grid {name}"
        if rule.place == "platform":
            name = self.names.get(rule.place_code, rule.place_code)
            return f"{name}辖区", f"in the area of {name}"
        return "不限地点", "anywhere"

    def _person(self, rule: Rule, asked: Asked) -> tuple[Staff | None, str, str]:
        if rule.grid_staff:
            return self._of_grid(asked)
        if rule.staff is None or (meant := self.staff.get(rule.staff)) is None:
            return None, "", ""
        person = self._stand_in(meant, asked.at)
        if person is meant:
            return meant, "", ""
        if person is None:
            return None, f"（{meant.name}休假，无人顶岗）", f" ({meant.name} is on leave, nobody stands in)"
        return person, f"（顶{meant.name}的岗）", f" (standing in for {meant.name})"

    def _stand_in(self, meant: Staff, at: datetime) -> Staff | None:
        person: Staff | None = meant
        for _ in range(_MOST_STEPS):
            if person is None or not person.on_leave(at):
                return person
            person = self.staff.get(person.replacement or "")
        return None

    def _of_grid(self, asked: Asked) -> tuple[Staff | None, str, str]:
        """Whoever of the grid's own staff is on duty, or stands in for one who would be."""
        own = self.staff_of_grid.get(asked.grid or "", ())
        for one in own:
            if one.on_duty(asked.at):
                return one, "", ""
        for one in own:
            stands_in = self._stand_in(one, asked.at)
            if one.on_leave(asked.at) and stands_in is not None and in_hours(one.days, one.hours, asked.at):
                return stands_in, f"（顶{one.name}的岗）", f" (standing in for {one.name})"
        return None, "（网格内此刻无人在岗）", " (nobody of the grid is on duty now)"


def class_fits(pattern: str, code: str) -> bool:
    """``*`` is any class, ``04-*`` all of a group, else the class itself."""
    return pattern in ("*", code) or (pattern.endswith("-*") and code.startswith(pattern[:-1]))


def _order(rule: Rule, around: Sequence[str]) -> tuple[object, ...]:
    """Smaller comes first."""
    if rule.place == "grid":
        distance = 0
    elif rule.place == "platform":
        distance = 1 + around.index(rule.place_code)
    else:
        # Anywhere, that is: anywhere below its owner.
        distance = 1 + len(around) + around.index(rule.owner)
    narrow = 2 if rule.class_code == "*" else 1 if rule.class_code.endswith("-*") else 0
    # Of fallbacks the nearest platform's decides, whatever numbers others gave theirs.
    first = (distance, rule.priority) if rule.fallback else (rule.priority, distance)
    return (rule.fallback, *first, narrow, not rule.timed, rule.number)
