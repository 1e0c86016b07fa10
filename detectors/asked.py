"""What was asked of the networks for a look, beyond the picture itself, and whether a rule that is tried on the look
later could have told anything by it.

People are counted with care, and parts of stalls looked for, only where a rule of the time wanted it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from detectors.card import Card
from detectors.counting import in_tiles
from detectors.density import crowded
from detectors.observation import Box, Look
from detectors.rules.config import CrowdRuleConfig, RuleConfig, StallRuleConfig
from detectors.rules.crowd import CrowdRule
from detectors.rules.schedule import is_on
from detectors.watch import BESIDE, around_stalls


@dataclass(frozen=True, slots=True)
class Asked:
    """``counted``: people would have been counted with care, had they been many. ``stalls``: where parts of stalls were
    looked for; None: nowhere."""

    counted: bool = False
    stalls: Box | None = None


NOTHING_MORE = Asked()


def falls_short(asked: Asked, rule: RuleConfig, look: Look, card: Card) -> bool:
    """Whether the rule, on at that time, needs more than was asked: its silence says nothing then. ``card``: of the
    weights by which it would have been asked. Few people, and as many as the rule waits for, boxes alone tell."""
    if not is_on(rule.hours, look.at):
        return False
    if isinstance(rule, StallRuleConfig):
        return card.cues is not None and not _looked_for(rule, asked.stalls)
    if not isinstance(rule, CrowdRuleConfig) or asked.counted:
        return False
    many = in_tiles(look.detections, card.counting) or crowded(look.detections, card.density)
    return many and len(CrowdRule(rule).gathered(look.detections)) < rule.people


def _looked_for(rule: StallRuleConfig, within: Box | None) -> bool:
    """A zone that was redrawn by a little lies within what is looked at beside one."""
    if within is None:
        return False
    needed = around_stalls([rule.polygon])
    return (
        needed.x1 >= within.x1 - BESIDE
        and needed.y1 >= within.y1 - BESIDE
        and needed.x2 <= within.x2 + BESIDE
        and needed.y2 <= within.y2 + BESIDE
    )
