"""What the engine tells of itself with its samples: which weights it runs, which look beside them, and how many looks.

The files that the settings name may be others since it began, so each count says of which weights it is, by the sha256
of their card: that names every network, where ``sha256`` is of the detector's alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, Field

from detectors.card import Card
from gateway.processes.messages import Sample

ENGINE = "inference"
"""The process that runs the weights."""


class WeightsNamed(BaseModel):
    """Weights by name, without what their card says of them."""

    name: str
    sha256: str = Field(description="Of the detector's weights.")
    card_sha256: str = Field(description="Of the card's file, which names all networks by theirs.")

    @classmethod
    def of(cls, card: Card) -> WeightsNamed:
        return cls(name=card.name, sha256=card.sha256, card_sha256=card.card_sha256)


@dataclass(frozen=True, slots=True)
class ShadowTold:
    """What the weights of one card looked at in shadow since the engine began."""

    card_sha256: str
    looks: int
    differing: int


@dataclass(frozen=True, slots=True)
class EngineTold:
    """``running`` None: it has not answered since it was started. ``shadow`` None: it runs no weights in shadow;
    ``shadow_refused``: the reason for which it could not take those that the settings named when it began."""

    looks: int
    dropped: int
    waiting: int
    running: WeightsNamed | None
    shadow: ShadowTold | None
    shadow_refused: str | None

    def shadow_of(self, card: Card | None) -> ShadowTold:
        """What the weights of this card looked at; nothing where the engine tries others."""
        if card is not None and self.shadow is not None and self.shadow.card_sha256 == card.card_sha256:
            return self.shadow
        return ShadowTold("" if card is None else card.card_sha256, 0, 0)


def engine_told(samples: Iterable[Sample]) -> EngineTold:
    """Of the samples of all workers those that the engine reported last."""
    counts: Counter[str] = Counter()
    labels: dict[str, dict[str, str]] = {}
    for one in samples:
        if one.labels.get("worker") == ENGINE:
            counts[one.name] += int(one.value)
            labels[one.name] = one.labels
    running, refused = labels.get("gateway_weights_info"), labels.get("gateway_shadow_refused")
    shadow = labels.get("gateway_shadow_looks_total")
    return EngineTold(
        looks=counts["gateway_looks_total"],
        dropped=counts["gateway_looks_dropped_total"],
        waiting=counts["gateway_looks_waiting"],
        running=None
        if running is None
        else WeightsNamed(name=running["weights"], sha256=running["sha256"], card_sha256=running["card_sha256"]),
        shadow=None
        if shadow is None
        else ShadowTold(
            shadow["card_sha256"],
            counts["gateway_shadow_looks_total"],
            counts["gateway_shadow_differing_total"],
        ),
        shadow_refused=None if refused is None else refused["reason"],
    )
