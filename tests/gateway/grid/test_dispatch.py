"""Whose an event is: always somebody's, by the closest rule that fits, and the reason says which."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.rules.schedule import CITY_TIME
from gateway.grid.dispatch import Asked, Dispatching, Rule, Staff, class_fits
from gateway.grid.dispatch_gaps import gaps
from gateway.grid.hours import in_hours

MONDAY = datetime(2030, 1, 7, 9, 0, tzinfo=CITY_TIME)
PARENTS = {"hub": None, "town-a": "hub", "town-b": "hub", "village": "town-a", "fire": "hub", "urban": "hub"}
GRIDS = {"G1": "village", "G2": "town-a", "G3": "town-b"}
CLASSES = {"90-01": "火情", "90-02": "人员聚集", "04-06": "占道经营", "04-96": "占用消防通道"}


def book(*rules: Rule, staff: tuple[Staff, ...] = ()) -> Dispatching:
    return Dispatching(rules, {one.id: one for one in staff}, PARENTS, {code: code for code in PARENTS}, GRIDS)


def asked(class_code: str = "90-01", grid: str | None = "G1", at: datetime = MONDAY, platform: str = "hub") -> Asked:
    return Asked(class_code, CLASSES[class_code], platform, grid, at)


def rule(number: int, department: str, **said: object) -> Rule:
    return replace(Rule(f"r{number}", number, "hub", department), **said)  # type: ignore[arg-type]  # fields by name


def person(name: str, **said: object) -> Staff:
    return replace(Staff(name, name, "fulltime_grid_member", "village"), **said)  # type: ignore[arg-type]  # as above


def test_without_any_rule_the_hubs_duty_post_is_responsible_and_the_reason_says_so() -> None:
    found = book().responsible(asked())
    assert (found.department, found.basis, found.rule_number) == ("hub", "hub", None)
    assert "尚未设置派遣规则" in found.zh
    assert "no dispatch rules" in found.en


def test_the_answer_tells_who_and_by_which_rule() -> None:
    found = book(rule(12, "fire", class_code="90-01", place="grid", place_code="G1")).responsible(asked())
    assert (found.department, found.basis, found.rule_number) == ("fire", "rule", 12)
    assert found.zh == "规则 12：火情，网格G1 → fire"
    assert found.en == "rule 12: 火情 in grid G1 → fire"


def test_the_closer_place_wins_then_the_closer_class_then_the_rule_with_hours_then_the_older() -> None:
    rules = (
        rule(1, "hub"),
        rule(2, "town-a", place="platform", place_code="town-a"),
        rule(3, "village", place="platform", place_code="village"),
        rule(4, "urban", place="grid", place_code="G1", class_code="*"),
        rule(5, "fire", place="grid", place_code="G1", class_code="90-*"),
        rule(6, "town-b", place="grid", place_code="G1", class_code="90-01"),
        rule(7, "town-a", place="grid", place_code="G1", class_code="90-01", hours=(("08:00", "18:00"),)),
    )
    order = [one.number for one in book(*rules).fitting(asked())]
    assert order == [7, 6, 5, 4, 3, 2, 1]
    assert [one.number for one in book(*rules).fitting(asked("04-06", "G2"))] == [2, 1]
    assert [one.number for one in book(*rules).fitting(asked("04-06", None))] == [1]


def test_priority_stands_over_closeness() -> None:
    rules = (rule(1, "urban", place="grid", place_code="G1"), rule(2, "fire", class_code="90-01", priority=10))
    assert book(*rules).responsible(asked()).department == "fire"


def test_a_towns_rule_reaches_no_further_than_the_town() -> None:
    own = rule(1, "town-b", owner="town-b")
    assert book(own).responsible(asked(grid="G3")).department == "town-b"
    assert book(own).responsible(asked(grid="G1")).basis == "hub"
    assert book(own).responsible(asked(grid=None, platform="town-b")).department == "town-b"


def test_a_fallback_serves_only_where_no_rule_fits_and_the_nearest_comes_first() -> None:
    rules = (
        rule(1, "hub", fallback=True, priority=1),
        rule(2, "town-a", fallback=True, place="platform", place_code="town-a"),
        rule(3, "fire", class_code="90-01", priority=1000),
    )
    assert book(*rules).responsible(asked()).department == "fire"
    fallen = book(*rules).responsible(asked("04-06"))
    assert (fallen.department, fallen.basis) == ("town-a", "fallback")
    assert "兜底规则 2" in fallen.zh
    assert book(*rules).responsible(asked("04-06", "G3")).department == "hub"


def test_a_rule_whose_department_is_gone_serves_nobody() -> None:
    assert book(rule(1, "dissolved")).responsible(asked()).basis == "hub"


def test_who_is_on_leave_is_stood_in_for_and_the_reason_says_so() -> None:
    away = person("甲", leave_from=MONDAY - timedelta(days=1), replacement="乙")
    there = person("乙", username="user-b")
    found = book(rule(1, "town-a", staff="甲"), staff=(away, there)).responsible(asked())
    assert (found.assignee, found.staff_name) == ("user-b", "乙")
    assert "顶甲的岗" in found.zh
    both = book(rule(1, "town-a", staff="甲"), staff=(away, replace(there, leave_from=MONDAY, replacement="甲")))
    nobody = both.responsible(asked())
    assert (nobody.department, nobody.assignee) == ("town-a", None)
    assert "无人顶岗" in nobody.zh
    back = book(rule(1, "town-a", staff="甲"), staff=(replace(away, leave_until=MONDAY), there))
    assert back.responsible(asked()).staff_name == "甲"


def test_the_grids_own_staff_on_duty_are_called_in_the_order_of_their_posts() -> None:
    night = person("夜", grids=frozenset({"G1"}), hours=(("20:00", "08:00"),))
    day = person("昼", grids=frozenset({"G1"}), hours=(("08:00", "20:00"),), post="grid_manager")
    other = person("他", grids=frozenset({"G2"}))
    rules = rule(1, "village", grid_staff=True)
    there = book(rules, staff=(night, day, other))
    assert there.responsible(asked()).staff_name == "昼"
    assert there.responsible(asked(at=MONDAY.replace(hour=23))).staff_name == "夜"
    nobody = there.responsible(asked(grid="G3"))
    assert (nobody.department, nobody.staff_name) == ("village", None)
    assert "无人在岗" in nobody.zh


@pytest.mark.parametrize(
    ("days", "hours", "at", "on"),
    [
        ((), (), "2030-01-07 03:00", True),
        ((1,), (), "2030-01-07 23:59", True),
        ((1,), (), "2030-01-08 00:00", False),
        ((), (("08:00", "12:00"),), "2030-01-07 08:00", True),
        ((), (("08:00", "12:00"),), "2030-01-07 12:00", False),
        ((), (("18:00", "24:00"),), "2030-01-07 23:59", True),
        ((5,), (("22:00", "06:00"),), "2030-01-11 23:00", True),
        ((5,), (("22:00", "06:00"),), "2030-01-12 05:59", True),
        ((5,), (("22:00", "06:00"),), "2030-01-12 06:00", False),
        ((5,), (("22:00", "06:00"),), "2030-01-11 05:00", False),
    ],
)
def test_hours_over_midnight_belong_to_the_day_on_which_they_begin(
    days: tuple[int, ...], hours: tuple[tuple[str, str], ...], at: str, on: bool
) -> None:
    assert in_hours(days, hours, datetime.fromisoformat(at).replace(tzinfo=CITY_TIME)) is on


def test_a_group_of_classes_holds_its_own_alone() -> None:
    assert class_fits("04-*", "04-06")
    assert not class_fits("04-*", "90-01")
    assert class_fits("*", "90-01")


_TIMES = st.sampled_from(["00:00", "06:00", "08:30", "12:00", "18:00", "22:00"])
_HOURS = st.lists(st.tuples(_TIMES, _TIMES).filter(lambda pair: pair[0] != pair[1]), max_size=2).map(tuple)
_PLACES = st.one_of(
    st.just(("any", "")),
    st.tuples(st.just("platform"), st.sampled_from([*PARENTS, "gone"])),
    st.tuples(st.just("grid"), st.sampled_from([*GRIDS, "gone"])),
)
_RULES = st.lists(
    st.builds(
        lambda owner, department, code, place, days, hours, priority, fallback, staff, own: Rule(
            "", 0, owner, department, "", code, place[0], place[1], days, hours, staff, own, priority, fallback
        ),
        st.sampled_from([*PARENTS, "gone"]),
        st.sampled_from([*PARENTS, "gone"]),
        st.sampled_from(["*", "04-*", "90-*", *CLASSES]),
        _PLACES,
        st.lists(st.integers(1, 7), max_size=2).map(tuple),
        _HOURS,
        st.integers(1, 3),
        st.booleans(),
        st.sampled_from([None, "a", "b", "gone"]),
        st.booleans(),
    ),
    max_size=6,
).map(lambda rules: tuple(replace(one, id=str(n), number=n) for n, one in enumerate(rules, 1)))
_STAFF = st.tuples(*(
    st.builds(
        lambda grids, hours, leave, other, name=name: Staff(
            name, name, "grid_manager", "hub", None, frozenset(grids), (), hours, leave, None, other
        ),
        st.lists(st.sampled_from([*GRIDS]), max_size=2), _HOURS, st.sampled_from([None, MONDAY]),
        st.sampled_from([None, "a", "b"]),
    ) for name in "ab"
))  # fmt: skip


@given(_RULES, _STAFF, st.integers(0, 7 * 24 * 60), st.permutations(range(6)))
@settings(max_examples=300, deadline=None)
def test_for_every_class_grid_and_time_somebody_who_is_there_is_responsible(
    rules: tuple[Rule, ...], staff: tuple[Staff, ...], minutes: int, order: list[int]
) -> None:
    """Whatever the rules: an answer, the same in whatever order they are kept, of a rule that fits, never of a fallback
    or the hub's duty post where a rule does."""
    there = book(*rules, staff=staff)
    shuffled = book(*(rules[n] for n in order if n < len(rules)), staff=staff)
    at = MONDAY + timedelta(minutes=minutes)
    for code in CLASSES:
        for grid in (*GRIDS, None, "gone"):
            for platform in (*PARENTS, "gone"):
                one = asked(code, grid, at, platform)
                found = there.responsible(one)
                assert found.department in PARENTS
                assert found.zh
                assert found.en
                assert shuffled.responsible(one) == found
                fitting = there.fitting(one)
                assert (found.basis == "hub") == (not fitting)
                assert (found.basis == "rule") == any(not each.fallback for each in fitting)
                for each in fitting:
                    assert class_fits(each.class_code, code)
                    assert in_hours(each.days, each.hours, at)


@given(_RULES)
@settings(max_examples=100, deadline=None)
def test_the_check_finds_just_the_classes_and_grids_that_no_rule_serves_at_some_time(rules: tuple[Rule, ...]) -> None:
    there = book(*rules)
    found = {(gap.class_code, grid) for gap in gaps(there, CLASSES.items(), [*GRIDS]) for grid in gap.grids}
    week = [MONDAY.replace(hour=0) + timedelta(minutes=30 * number) for number in range(7 * 48)]
    for code in CLASSES:
        for grid, platform in GRIDS.items():
            served = all(there.responsible(asked(code, grid, at, platform)).basis == "rule" for at in week)
            assert ((code, grid) not in found) is served
