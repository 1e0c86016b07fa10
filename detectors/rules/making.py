"""From what an operator configured to the rule that does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors.rules.config import CrowdRuleConfig, FireRuleConfig, RuleConfig
from detectors.rules.crowd import CrowdRule
from detectors.rules.fire import FireRule
from detectors.rules.rule import Rule
from detectors.rules.stall import StallRule
from detectors.suppression import Suppression


def make_rule(config: RuleConfig, suppressions: Sequence[Suppression] = ()) -> Rule[Any]:
    """The rule of a configuration, with what an officer rejected of its hazard in its zone. States of the same
    configuration go on under other rejections."""
    rejected = tuple(one for one in suppressions if (one.hazard, one.zone) == (config.kind, config.zone))
    if isinstance(config, FireRuleConfig):
        return FireRule(config, rejected)
    if isinstance(config, CrowdRuleConfig):
        return CrowdRule(config, rejected)
    return StallRule(config, rejected)
