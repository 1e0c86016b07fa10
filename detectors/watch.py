"""The rules of one camera, stepped together: each look goes to all, the most impatient one says when to look again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detectors.observation import Box, Look
from detectors.rules.config import RuleConfig, StallRuleConfig
from detectors.rules.making import make_rule
from detectors.rules.rule import AT_REST, Rule, Verdict
from detectors.rules.schedule import is_on
from detectors.rules.zones import Polygon
from detectors.suppression import Suppression

WEIGHTS = {"fire": 2.0, "crowd": 1.0, "stall": 0.5}
"""What a look at a camera counts for by its hazard, where the engine cannot look at all: seconds matter for fire."""
NEARER = 7.0
"""A rule that is about to fire makes its camera so many times more urgent, beyond its hazard's weight. One that fires
has told what it had to tell. A first sign of fire, of which the next look is wanted after half a second, so comes
before cameras that nobody looked at for three."""
USUAL = 2.0
"""Seconds between two looks where nothing is in sight."""

NEVER_SILENT = frozenset({"fire"})
"""Hazards watched for though the picture is frozen: how long people or a stall have been there cannot be read off one
that stands still, but a fire in its last picture was a fire."""

LEAST_STALL, BESIDE = 0.2, 0.05
"""Shares of the picture by which what stands in a zone may reach above it and beside it, at least."""


def around_stalls(zones: Sequence[Polygon]) -> Box:
    """Where parts of stalls in these zones are looked for: what stands there reaches above and beside them."""
    xs, ys = [x for zone in zones for x, _ in zone], [y for zone in zones for _, y in zone]
    high = max(LEAST_STALL, max(ys) - min(ys))
    return Box(
        max(0.0, min(xs) - BESIDE), max(0.0, min(ys) - high), min(1.0, max(xs) + BESIDE), min(1.0, max(ys) + BESIDE)
    )


@dataclass(frozen=True, slots=True, order=True)
class RuleKey:
    """A rule of a camera by hazard and zone; no two share it."""

    kind: str
    zone: str


@dataclass(slots=True)
class _Running:
    config: RuleConfig
    rule: Rule[Any]
    state: Any
    verdict: Verdict | None = None

    @property
    def nearness(self) -> float:
        """0..1: how near it is to firing, so that what its next look shows is to be told, or how much sooner than usual
        it wants that look: the second sighting of a fire is what makes it one."""
        if self.verdict is None or self.verdict.phase == "firing":
            return 0.0
        return max(self.verdict.progress, 1 - self.verdict.next_look_within / USUAL)


class CameraWatch:
    """Holds each rule's state. Not for several threads at once."""

    def __init__(self, rules: Sequence[RuleConfig], suppressions: Sequence[Suppression] = ()) -> None:
        self._running: dict[RuleKey, _Running] = {}
        self.frozen = False
        """Whether the camera sends the same picture again and again: only some hazards are then watched for."""
        self.replace(rules, suppressions)

    @property
    def keys(self) -> tuple[RuleKey, ...]:
        """Of the rules that watch now."""
        return tuple(self._watching)

    @property
    def _watching(self) -> dict[RuleKey, _Running]:
        if not self.frozen:
            return self._running
        return {key: one for key, one in self._running.items() if key.kind in NEVER_SILENT}

    @property
    def next_look_within(self) -> float:
        """Seconds; at once before the first look of any rule."""
        return min(
            (0.0 if one.verdict is None else one.verdict.next_look_within for one in self._watching.values()),
            default=AT_REST,
        )

    @property
    def urgency(self) -> float:
        """Of the most urgent rule: its hazard's weight, more the nearer it is to firing. 0 without rules."""
        return max(
            (WEIGHTS[key.kind] * (1 + NEARER * one.nearness) for key, one in self._watching.items()),
            default=0.0,
        )

    def counts_people(self, at: float) -> bool:
        """Whether one of the rules counts people at that time."""
        return any(key.kind == "crowd" and is_on(one.config.hours, at) for key, one in self._watching.items())

    def stalls_within(self, at: float) -> Box | None:
        """Where in the picture rules watch for stalls at that time, with what stands on it; None: nowhere."""
        zones = [
            one.config.polygon
            for one in self._watching.values()
            if isinstance(one.config, StallRuleConfig) and is_on(one.config.hours, at)
        ]
        return around_stalls(zones) if zones else None

    def observe(self, look: Look) -> list[tuple[RuleKey, Verdict]]:
        """What every rule that watches says of the look."""
        said: list[tuple[RuleKey, Verdict]] = []
        for key, one in self._watching.items():
            one.state, verdict = one.rule.step(one.state, look)
            one.verdict = verdict
            said.append((key, verdict))
        return said

    def replace(self, rules: Sequence[RuleConfig], suppressions: Sequence[Suppression] = ()) -> tuple[RuleKey, ...]:
        """Run these rules from now on. What did not change keeps its state; answers the keys that are gone."""
        before, self._running = self._running, {}
        for config in rules:
            if not config.enabled:
                continue
            key = RuleKey(config.kind, config.zone)
            old = before.get(key)
            rule = make_rule(config, suppressions)
            if old is not None and old.config == config:
                old.rule = rule
                self._running[key] = old
            else:
                self._running[key] = _Running(config, rule, rule.initial())
        return tuple(key for key in before if key not in self._running)

    def fires(self, key: RuleKey) -> bool:
        """Whether its last look said so."""
        one = self._running.get(key)
        return one is not None and one.verdict is not None and one.verdict.phase == "firing"

    def begin_anew(self, key: RuleKey) -> None:
        """What this rule saw is over, whatever it says: it was too long ago."""
        if (one := self._running.get(key)) is not None:
            one.state, one.verdict = one.rule.initial(), None

    def dismiss(self, key: RuleKey, at: float) -> None:
        """An officer has rejected what this rule fires for."""
        if (one := self._running.get(key)) is not None:
            one.state = one.rule.dismissed(one.state, at)

    def reasons(self, key: RuleKey, verdict: Verdict, look: Look) -> dict[str, Any]:
        """Why, as an alert carries it (JSON-ready): what made the verdict, the rule as it is now, and the weights."""
        rule = self._running[key].config.model_dump(mode="json")
        return {**verdict.why, "rule": rule, "model": look.model, "weights_sha256": look.weights}
