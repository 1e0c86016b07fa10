"""An event's states: the table holds together, and each step asks for its role, its state and its reason."""

from __future__ import annotations

import pytest

from gateway.access.roles import BUSINESS
from gateway.events.event_states import ENDS, OPEN, STATE_NAMES, TRANSITIONS, step
from gateway.refusals import Refusal


def test_the_table_names_only_states_and_roles_that_exist() -> None:
    for way in TRANSITIONS.values():
        assert way.from_states <= (OPEN if way.to_state else set(STATE_NAMES)), way.action
        assert way.to_state is None or way.to_state in STATE_NAMES, way.action
        assert way.roles <= BUSINESS, way.action
        assert way.zh


def test_every_state_can_be_reached_and_every_open_one_left() -> None:
    reached, grew = {"reported"}, True
    while grew:
        found = {way.to_state or "reported" for way in TRANSITIONS.values() if way.from_states & reached} - reached
        reached |= found
        grew = bool(found)
    assert reached == set(STATE_NAMES)
    leaving = [way for way in TRANSITIONS.values() if way.to_state and way.action != "force_close"]
    for state in OPEN:
        assert any(state in way.from_states for way in leaving), state


def test_nothing_leads_out_of_an_end() -> None:
    assert not any(way.from_states & ENDS for way in TRANSITIONS.values() if way.to_state)


def test_an_event_is_closed_only_out_of_a_check() -> None:
    assert {way.action for way in TRANSITIONS.values() if way.to_state == "closed"} == {"close"}
    assert TRANSITIONS["close"].from_states == {"checking"}


def test_a_step_of_another_role_state_or_name_is_refused() -> None:
    with pytest.raises(Refusal, match="role_not_allowed"):
        step("reported", "accept", frozenset({"dispatcher"}), "")
    with pytest.raises(Refusal, match="event_state"):
        step("closed", "accept", frozenset({"duty_officer"}), "")
    with pytest.raises(Refusal, match="action_unknown"):
        step("reported", "burn", frozenset({"duty_officer"}), "")


def test_a_step_that_needs_a_reason_is_refused_without_one() -> None:
    with pytest.raises(Refusal, match="reason_missing") as refused:
        step("reported", "not_accept", frozenset({"duty_officer"}), "  ")
    assert refused.value.field == "opinion"
    assert step("reported", "not_accept", frozenset({"duty_officer"}), "已核实为演出").to_state == "not_accepted"
