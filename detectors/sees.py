"""Which hazards the networks of a card can tell at all, by the classes that they know. A rule for another would never
fire."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.card import Card
from detectors.refusals import WeightsRefused
from detectors.rules.config import Kind, RuleConfig
from detectors.rules.cues import CUES, GOODS

HAZARDS: tuple[Kind, ...] = ("fire", "crowd", "stall")
NAMES = {"fire": "火情", "crowd": "人员聚集", "stall": "占道经营"}


def hazards_of(card: Card) -> frozenset[Kind]:
    """Fire by flames or smoke, a crowd by people, a stall by itself or by its parts, seen by the detector or by the
    network beside it; each groups its own."""
    known = set(card.classes)
    found = {
        "fire": bool(known & {"fire", "smoke"}),
        "crowd": "person" in known,
        "stall": "stall" in known or _make_stalls(known) or (card.cues is not None and _make_stalls(card.cues.classes)),
    }
    return frozenset(hazard for hazard in HAZARDS if found[hazard])


def _make_stalls(classes: Iterable[str]) -> bool:
    """Whether these parts can make a stall (``detectors.rules.cues.stalls_of``): several of them, or goods alone."""
    cues = CUES.intersection(classes)
    return GOODS in cues or len(cues) > 1


def can_fire(rule: RuleConfig, card: Card) -> bool:
    """Whether what a rule waits for can be told at all: flames alone, or somebody at a stall, need a class of the
    detector's own."""
    known = set(card.classes)
    if rule.kind == "fire" and not rule.smoke and "fire" not in known:
        return False
    if rule.kind == "stall" and rule.attended_only and "person" not in known:
        return False
    return rule.kind in hazards_of(card)


def refuse_blindness(card: Card, instead_of: Card | None = None) -> None:
    """Raises ``WeightsRefused`` for weights that tell no hazard, or none of one that those ``instead_of`` tell."""
    told = hazards_of(card)
    if not told:
        raise WeightsRefused(
            "weights_see_nothing",
            f"模型 {card.name} 的类别（{'、'.join(card.classes[:8])}）不能识别任何险情",
            f"the weights {card.name} know no class by which a hazard is told ({', '.join(card.classes[:8])})",
        )
    lost = [] if instead_of is None else sorted(hazards_of(instead_of) - told)
    if lost:
        raise WeightsRefused(
            "weights_see_less",
            f"模型 {card.name} 不能识别{'、'.join(NAMES[one] for one in lost)}，而在用模型可以：启用后相应规则不再预警",
            f"the weights {card.name} cannot tell {', '.join(lost)}, which those in force can: rules would fall silent",
        )
