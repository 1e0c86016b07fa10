"""From a rule's verdicts to what the worker does about them. Pure: verdict and time in, steps out.

A clip begins when the rule is half way to firing, so that it is on disk before the alert is raised. Where it does not
fire for long the clip is begun anew: it shows what fires in the end, and not what was there hours before. An alert is
raised once and stays open until the rule has been released for its hazard's end window, or nothing could be seen of it
for as long: what fires then is another hazard, of which nobody has heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from detectors.rules.rule import LONGEST_ABSENCE, Phase
from detectors.watch import CameraWatch, RuleKey

SEEN_EVERY = 5.0
"""Seconds between two reports that an open alert's hazard is still there."""
LONGEST_WAIT = 300.0
"""Seconds after which a clip whose alert has not come gives way to another: the usual dwell of a stall, and less than a
clip lasts (``recording.LONGEST``). The next one begins with what the ring holds."""


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
    """``at``: when its window lapsed, however late that is noticed."""

    alert_id: str
    at: float


Step = BeginClip | DropClip | Raise | Seen | End


@dataclass(frozen=True, slots=True)
class Incident:
    """What goes on in one zone for one hazard. ``alert_id`` None: nothing; not ``raised``: a clip is being written,
    since ``begun``."""

    alert_id: str | None = None
    raised: bool = False
    begun: float = 0.0
    last_firing: float = 0.0
    last_told: float = 0.0


def advance(
    incident: Incident, phase: Phase, at: float, *, end_after: float, new_id: Callable[[], str]
) -> tuple[Incident, tuple[Step, ...]]:
    """The next state and the steps to take, in their order. ``end_after`` is the hazard's end window in seconds."""
    incident = _not_ahead(incident, at)
    if incident.raised:
        return _while_open(incident, phase, at, end_after)
    held = incident.alert_id
    if phase == "firing":
        alert_id = held or new_id()
        begin: tuple[Step, ...] = () if held else (BeginClip(alert_id),)
        return Incident(alert_id, raised=True, last_firing=at, last_told=at), (*begin, Raise(alert_id))
    if held and phase in ("candidate", "half_way") and at - incident.begun < LONGEST_WAIT:
        return incident, ()
    drop: tuple[Step, ...] = () if held is None else (DropClip(held),)
    if phase == "half_way":
        alert_id = new_id()
        return Incident(alert_id, begun=at), (*drop, BeginClip(alert_id))
    return Incident(), drop


def _not_ahead(incident: Incident, at: float) -> Incident:
    """Times that are yet to come say that the clock was set back: what they are of was just now."""
    return replace(
        incident,
        begun=min(incident.begun, at),
        last_firing=min(incident.last_firing, at),
        last_told=min(incident.last_told, at),
    )


def _while_open(incident: Incident, phase: Phase, at: float, end_after: float) -> tuple[Incident, tuple[Step, ...]]:
    assert incident.alert_id is not None  # noqa: S101 - raised implies an id
    if phase == "firing":
        if at - incident.last_told < SEEN_EVERY:
            return replace(incident, last_firing=at), ()
        return replace(incident, last_firing=at, last_told=at), (Seen(incident.alert_id),)
    if at - incident.last_firing >= end_after:
        return Incident(), (End(incident.alert_id, min(at, incident.last_firing + end_after)),)
    return incident, ()


def end_lapsed(
    incidents: dict[RuleKey, Incident], watch: CameraWatch, at: float, end_after: Mapping[str, float]
) -> tuple[End, ...]:
    """Before the look at ``at``: what fired when it last could, and could not be looked at since for as long as its
    alert lasts, is seen anew or not at all. Between looks that follow one another no alert lapses, however short its
    window is; while the picture is frozen none is known to."""
    ends: list[End] = []
    for key, incident in incidents.items():
        window = end_after[key.kind]
        absent = at - incident.last_firing >= max(window, LONGEST_ABSENCE)
        if absent and incident.raised and incident.alert_id is not None and watch.fires(key) and not watch.frozen:
            watch.begin_anew(key)
            incidents[key] = Incident()
            ends.append(End(incident.alert_id, incident.last_firing + window))
    return tuple(ends)


def holds(incident: Incident, watch: CameraWatch) -> bool:
    """Whether nothing is to be known of an open alert for now: the picture is frozen."""
    return incident.raised and watch.frozen
