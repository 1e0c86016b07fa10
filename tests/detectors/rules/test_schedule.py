"""Daily hours in the city's own time, over midnight too."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.rules.schedule import Hours, fault_of_hours, is_on, seconds_off

SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> float:
    hour, minute = text.split(":")
    return datetime(2026, 3, 5, int(hour), int(minute), tzinfo=SHANGHAI).timestamp()


def test_without_hours_a_rule_is_always_on() -> None:
    assert is_on((), at("03:00"))


@pytest.mark.parametrize(
    ("time", "on"), [("05:59", False), ("06:00", True), ("08:59", True), ("09:00", False), ("18:00", False)]
)
def test_hours_begin_with_their_first_minute_and_end_before_their_last(time: str, on: bool) -> None:
    assert is_on((("06:00", "09:00"),), at(time)) is on


@pytest.mark.parametrize(
    ("time", "on"), [("21:59", False), ("22:00", True), ("00:00", True), ("05:59", True), ("06:00", False)]
)
def test_hours_may_run_over_midnight(time: str, on: bool) -> None:
    assert is_on((("22:00", "06:00"),), at(time)) is on


@pytest.mark.parametrize(
    ("start", "end", "off"),
    [("21:00", "21:30", 1800), ("21:59", "22:10", 60), ("05:50", "06:10", 600), ("23:00", "23:30", 0)],
)
def test_the_time_outside_the_hours_is_counted_to_the_second(start: str, end: str, off: float) -> None:
    assert seconds_off((("22:00", "06:00"),), at(start), at(end)) == off
    assert seconds_off((), at(start), at(end)) == 0
    assert seconds_off((("22:00", "06:00"),), at("21:59") + 59.5, at("22:10")) == 0.5


def test_years_in_which_a_clock_was_wrong_are_counted_at_once() -> None:
    hours = (("22:00", "06:00"),)
    assert seconds_off(hours, at("21:00"), at("21:00") + 30 * 365 * 86_400 + 7200) == 30 * 365 * 16 * 3600 + 3600


def test_the_end_of_the_day_is_24_00() -> None:
    assert is_on((("20:00", "24:00"),), at("23:59"))
    assert not is_on((("20:00", "24:00"),), at("00:00"))


def test_any_of_several_hours_will_do() -> None:
    hours = (("06:00", "09:00"), ("17:00", "20:00"))
    assert is_on(hours, at("18:30"))
    assert not is_on(hours, at("12:00"))


@pytest.mark.parametrize("hours", [("00:00", "24:00"), ("22:00", "06:00"), ("09:05", "09:06")])
def test_ordinary_hours_have_no_fault(hours: Hours) -> None:
    assert fault_of_hours(hours) is None


@pytest.mark.parametrize(
    "hours",
    [("6:00", "09:00"), ("06:00", "25:00"), ("06:00", "06:00"), ("24:00", "06:00"), ("06:60", "07:00"), ("", ""),
     ("06:00\n", "07:00"), ("０６:00", "07:00")],
)  # fmt: skip
def test_what_is_no_time_of_day_says_why_in_both_languages(hours: Hours) -> None:
    why = fault_of_hours(hours)
    assert why is not None
    assert all(why)


@given(st.integers(1_000_000_000, 4_000_000_000), st.integers(0, 1439), st.integers(0, 1439))
def test_hours_and_the_hours_between_them_are_never_on_together(moment: int, start: int, end: int) -> None:
    def clock(minutes: int) -> str:
        return f"{minutes // 60:02}:{minutes % 60:02}"

    if start != end:
        assert is_on(((clock(start), clock(end)),), moment) != is_on(((clock(end), clock(start)),), moment)


@given(st.integers(1_000_000_000, 4_000_000_000))
def test_the_time_is_that_of_shanghai_whatever_the_machine_says(moment: int) -> None:
    local = datetime.fromtimestamp(moment, SHANGHAI)
    minute = f"{local.hour:02}:{local.minute:02}"
    after = f"{(local.hour * 60 + local.minute + 1) // 60:02}:{(local.minute + 1) % 60:02}"
    assert is_on(((minute, after),), moment)
