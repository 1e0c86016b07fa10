"""From a rule's verdicts to what the worker does about them. Pure: verdict and time in, steps out.

A clip begins when the rule is half way to firing, so that it is on disk before the alert is raised. An alert is raised
once and stays open until the rule has been released for its hazard's end window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from detectors.rules.rule import Phase

SEEN_EVERY = 5.0
"""Seconds between two reports that an open alert's hazard is still there."""


@dataclass(frozen=True, slots=True)
class BeginClip:
    alert_id: str


@dataclass(frozen=True, slots=True)
class DropClip:
    """The rule did not fire after all."""

    alert_id: str


@dataclass(frozen=True, slots=True)
class Raise:
    alert_id: str


@dataclass(frozen=True, slots=True)
class Seen:
    alert_id: str


@dataclass(frozen=True, slots=True)
class End:
    alert_id: str


Step = BeginClip | DropClip | Raise | Seen | End


@dataclass(frozen=True, slots=True)
class Incident:
    """What goes on in one zone for one hazard. ``alert_id`` None: nothing; not ``raised``: a clip is being written."""

    alert_id: str | None = None
    raised: bool = False
    last_firing: float = 0.0
    last_told: float = 0.0


def advance(
    incident: Incident, phase: Phase, at: float, *, end_after: float, new_id: Callable[[], str]
) -> tuple[Incident, tuple[Step, ...]]:
    """The next state and the steps to take, in their order. ``end_after`` is the hazard's end window in seconds."""
    if incident.raised:
        return _while_open(incident, phase, at, end_after)
    if phase == "firing":
        alert_id = incident.alert_id or new_id()
        begin: tuple[Step, ...] = () if incident.alert_id else (BeginClip(alert_id),)
        return Incident(alert_id, True, at, at), (*begin, Raise(alert_id))
    if phase == "half_way" and incident.alert_id is None:
        alert_id = new_id()
        return Incident(alert_id), (BeginClip(alert_id),)
    if phase in ("idle", "released") and incident.alert_id is not None:
        return Incident(), (DropClip(incident.alert_id),)
    return incident, ()


def _while_open(incident: Incident, phase: Phase, at: float, end_after: float) -> tuple[Incident, tuple[Step, ...]]:
    assert incident.alert_id is not None  # noqa: S101 - raised implies an id
    if phase == "firing":
        if at - incident.last_told < SEEN_EVERY:
            return Incident(incident.alert_id, True, at, incident.last_told), ()
        return Incident(incident.alert_id, True, at, at), (Seen(incident.alert_id),)
    if at - incident.last_firing >= end_after:
        return Incident(), (End(incident.alert_id),)
    return incident, ()
