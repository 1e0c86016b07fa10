"""The rules of one camera, stepped together: each look goes to all, the most impatient one says when to look again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detectors.observation import Look
from detectors.rules.config import RuleConfig
from detectors.rules.making import make_rule
from detectors.rules.rule import AT_REST, Rule, Verdict


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


class CameraWatch:
    """Holds each rule's state. Not for several threads at once."""

    def __init__(self, rules: Sequence[RuleConfig]) -> None:
        self._running: dict[RuleKey, _Running] = {}
        self.replace(rules)

    @property
    def keys(self) -> tuple[RuleKey, ...]:
        return tuple(self._running)

    @property
    def next_look_within(self) -> float:
        """Seconds; at once before the first look of any rule."""
        if not self._running:
            return AT_REST
        return min(0.0 if one.verdict is None else one.verdict.next_look_within for one in self._running.values())

    def observe(self, look: Look) -> list[tuple[RuleKey, Verdict]]:
        """What every rule says of the look."""
        said: list[tuple[RuleKey, Verdict]] = []
        for key, one in self._running.items():
            one.state, verdict = one.rule.step(one.state, look)
            one.verdict = verdict
            said.append((key, verdict))
        return said

    def replace(self, rules: Sequence[RuleConfig]) -> tuple[RuleKey, ...]:
        """Run these rules from now on. What did not change keeps its state; answers the keys that are gone."""
        before, self._running = self._running, {}
        for config in rules:
            if not config.enabled:
                continue
            key = RuleKey(config.kind, config.zone)
            old = before.get(key)
            if old is not None and old.config == config:
                self._running[key] = old
            else:
                rule = make_rule(config)
                self._running[key] = _Running(config, rule, rule.initial())
        return tuple(key for key in before if key not in self._running)
