"""What the console keeps a copy of is what the service goes by: permissions, steps of an event, names of states."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.access.permissions import PERMISSIONS
from gateway.events import alert_states, event_states
from gateway.events.classes import shipped_classes

SOURCES = Path(__file__).resolve().parents[3] / "gateway/console/src"


def _source(path: str) -> str:
    return (SOURCES / path).read_text(encoding="utf-8")


def test_each_step_of_an_event_is_offered_where_the_service_takes_it() -> None:
    row = r"^  \['(\w+)', '([\w *]+)', '([\w ]+)'(, 'reason')?\],$"
    offered = {}
    for action, before, roles, reason in re.findall(row, _source("domain/event.ts"), re.MULTILINE):
        states = event_states.OPEN if before == "*" else frozenset(before.split())
        offered[action] = (states, frozenset(roles.split()), bool(reason))
    taken = {way.action: (way.from_states, way.roles, way.needs_reason) for way in event_states.TRANSITIONS.values()}
    assert offered == taken


def test_what_a_role_opens_in_the_console_is_what_the_service_permits() -> None:
    source = _source("session/session.ts")
    groups: dict[str, list[str]] = {}
    for name, roles in re.findall(r"^const (WATCH|DUTY|ROOMS|SET_UP|BUSINESS) = \[(.*)\]$", source, re.MULTILINE):
        groups[name] = _roles(roles, groups)
    opens = re.search(r"const OPENS = \{(.*?)\n\}", source, re.DOTALL)
    assert opens is not None
    for permission, listed, group in re.findall(r"'([\w.]+)': (?:\[(.*)\]|(\w+)),", opens[1]):
        roles = _roles(listed, groups) if listed else groups[group]
        assert frozenset(roles) == PERMISSIONS[permission], permission


def _roles(listed: str, groups: dict[str, list[str]]) -> list[str]:
    roles: list[str] = []
    for word in listed.split(", "):
        roles += groups[word[3:]] if word.startswith("...") else [word.strip("'")]
    return roles


def _names(area: str, table: str) -> dict[str, str]:
    """A table of Chinese words, such as the states of alerts."""
    words = _source("i18n/duty.ts").split("export const en")[0]
    found = re.search(table + r": \{(.*?)\}", words[words.index(f"\n  {area}: {{") :], re.DOTALL)
    assert found is not None, (area, table)
    return dict(re.findall(r"(\w+): '([^']*)'", found[1]))


def test_states_steps_and_hazards_have_the_names_of_the_service() -> None:
    assert _names("alert", "state") == dict(alert_states.STATE_NAMES)
    assert _names("event", "state") == dict(event_states.STATE_NAMES)
    steps = _names("event", "action")
    assert {way.action: steps[way.action] for way in event_states.TRANSITIONS.values()} == {
        way.action: way.zh for way in event_states.TRANSITIONS.values()
    }
    assert _names("hazard", "hazard") == {hazard: known.name for hazard, known in shipped_classes().by_hazard.items()}
