"""From what an operator configured to the rule that does it."""

from __future__ import annotations

from typing import Any

from detectors.rules.config import CrowdRuleConfig, FireRuleConfig, RuleConfig
from detectors.rules.crowd import CrowdRule
from detectors.rules.fire import FireRule
from detectors.rules.rule import Rule
from detectors.rules.stall import StallRule


def make_rule(config: RuleConfig) -> Rule[Any]:
    """The rule of a configuration; its states belong to it alone."""
    if isinstance(config, FireRuleConfig):
        return FireRule(config)
    if isinstance(config, CrowdRuleConfig):
        return CrowdRule(config)
    return StallRule(config)
