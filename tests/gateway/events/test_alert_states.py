"""An alert's states: what moves it, and that no undecided one is without a deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.events.alert_states import STATE_NAMES, TRANSITIONS, UNDECIDED, deadline, extends, next_state
from gateway.refusals import Refusal

NOON = datetime(2030, 1, 7, 12, tzinfo=UTC)


def test_every_state_is_named_and_reached() -> None:
    reached = {"detected", *TRANSITIONS.values()}
    assert reached == set(STATE_NAMES)


def test_an_undecided_alert_always_has_a_deadline_and_a_decided_one_has_none() -> None:
    for state in STATE_NAMES:
        end = deadline(state, NOON, NOON + timedelta(minutes=3))
        assert (end is not None) == (state in UNDECIDED)


def test_every_undecided_state_can_be_promoted_and_linked() -> None:
    for state in UNDECIDED:
        assert next_state(state, "promote") == "auto_promoted"
        assert next_state(state, "link") == "merged"


def test_an_alert_is_acknowledged_once_so_that_its_assessment_window_begins_once() -> None:
    assert next_state("detected", "acknowledge") == "acknowledged"
    with pytest.raises(Refusal, match="alert_state"):
        next_state("acknowledged", "acknowledge")


@pytest.mark.parametrize("state", ["confirmed", "false_positive", "merged"])
def test_a_judgement_is_not_taken_back(state: str) -> None:
    for action in ("acknowledge", "confirm", "reject", "merge", "promote", "link"):
        with pytest.raises(Refusal, match="alert_state"):
            next_state(state, action)


def test_a_rejected_fire_holds_no_new_fire_back_but_a_rejected_stall_does() -> None:
    assert not extends("false_positive", never_held_back=True)
    assert extends("false_positive", never_held_back=False)
    assert extends("detected", never_held_back=True)
