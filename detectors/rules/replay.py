"""Replays a log of looks through a rule: what it would have said of what was seen.

A log has one look a line, as JSON: ``{"at": seconds, "seen": [[label, score, x1, y1, x2, y2, closer, stir, appearance,
judged], …], "weights": sha256, "model": name}``; of the last four of a detection those at its end that are not known,
and weights and model, may be left out. What else a line says is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from detectors.observation import Box, Detection, Look
from detectors.rules.rule import Rule, Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rule said of the look at ``at``."""

    at: float
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Hazard:
    """One run of firing. ``released_at`` None: still there at the end of the log."""

    hazard_from: float
    fired_at: float
    released_at: float | None


def replay(rule: Rule[Any], looks: Iterable[Look]) -> Iterator[Judgement]:
    state = rule.initial()
    for look in looks:
        state, verdict = rule.step(state, look)
        yield Judgement(look.at, verdict)


def hazards(judgements: Iterable[Judgement]) -> tuple[Hazard, ...]:
    """The hazards of a replay, each once."""
    found: list[Hazard] = []
    fired: Hazard | None = None
    for one in judgements:
        if one.verdict.phase == "firing" and fired is None:
            since = one.verdict.hazard_from
            fired = Hazard(one.at if since is None else since, one.at, None)
        elif one.verdict.phase == "released" and fired is not None:
            found.append(Hazard(fired.hazard_from, fired.fired_at, one.at))
            fired = None
    return tuple(found if fired is None else [*found, fired])


def to_line(look: Look, **more: object) -> str:
    """``more``: what else the line says of it (JSON-ready). Rounded to what a rule can tell apart (a place to a
    hundredth of a pixel, a time to the millisecond), without what is not known: 50 bytes a person."""
    facts = {
        "at": round(look.at, 3),
        "seen": [_fields(one) for one in look.detections],
        "weights": look.weights,
        "model": look.model,
        **more,
    }
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def _fields(seen: Detection) -> list[Any]:
    sides = (seen.box.x1, seen.box.y1, seen.box.x2, seen.box.y2)
    fields: list[Any] = [seen.label, round(seen.score, 4), *(round(side, 5) for side in sides)]
    fields += [_rounded(seen.closer, 4), _rounded(seen.stir, 6), list(seen.appearance), _rounded(seen.judged, 4)]
    while fields[-1] in (None, []):
        fields.pop()
    return fields


def _rounded(number: float | None, places: int) -> float | None:
    return None if number is None else round(number, places)


def from_line(line: str) -> Look:
    """Raises ``ValueError`` where the line is no look."""
    try:
        return from_facts(json.loads(line))
    except ValueError as error:
        raise ValueError(f"not a look: {line[:80]!r}") from error


def from_facts(facts: Any) -> Look:
    """Of what a line holds, read as JSON. Raises ``ValueError`` where that is no look."""
    try:
        seen = tuple(_detection(*one) for one in facts["seen"])
        return Look(float(facts["at"]), seen, str(facts.get("weights", "")), str(facts.get("model", "")))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("not a look") from error


def _detection(
    label: str,
    score: float,
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    closer: float | None = None,
    stir: float | None = None,
    appearance: Sequence[int] = (),
    judged: float | None = None,
) -> Detection:
    return Detection(
        str(label),
        float(score),
        Box(float(x1), float(y1), float(x2), float(y2)),
        None if closer is None else float(closer),
        None if stir is None else float(stir),
        tuple(int(number) for number in appearance),
        None if judged is None else float(judged),
    )
