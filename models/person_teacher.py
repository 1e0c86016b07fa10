"""What COCO's network says of people, place by place: the target that training keeps to, so that none are forgotten.

Learning without forgetting, after Li and Hoiem 2016: the pictures of fire and smoke hold few people, and labels made
beforehand say nothing of how sure the first network was. It looks at the very input that is trained on and answers for
each anchor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


class _PersonScores(torch.nn.Module):
    """In the place of the detection head: its class branch alone, and of its classes people alone."""

    def __init__(self, head: Any, person: int) -> None:
        super().__init__()
        self.branches, self.person = head.cv3, person
        self.f, self.i = head.f, head.i

    def forward(self, levels: list[torch.Tensor]) -> torch.Tensor:
        of_levels = [branch(level)[:, self.person] for branch, level in zip(self.branches, levels, strict=True)]
        return torch.cat([scores.flatten(1) for scores in of_levels], dim=1).float().sigmoid()


class PersonTeacher:
    """Made of a ``DetectionModel`` of YOLOv8n that begins with COCO's weights; it is taken over and changed."""

    def __init__(self, network: Any, person: int) -> None:
        network.eval().requires_grad_(requires_grad=False)
        network.model[-1] = _PersonScores(network.model[-1], person)
        self._network = network.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def scores(self, entered: torch.Tensor, first: int) -> torch.Tensor:
        """N×anchors, 0..1. ``entered``: what layer ``first`` is given; for layer 0 the pictures, N×3×H×W."""
        answer: torch.Tensor = onward(self._network.to(entered.device), entered, first)
        return answer


def onward(network: Any, entered: torch.Tensor, first: int) -> Any:
    """What a ``DetectionModel`` answers when its layer ``first`` is given ``entered``; no later layer may look back
    beyond it."""
    kept: list[Any] = [None] * first
    value: Any = entered
    for layer in network.model[first:]:
        if layer.f != -1:
            value = kept[layer.f] if isinstance(layer.f, int) else [value if n == -1 else kept[n] for n in layer.f]
        value = layer(value)
        kept.append(value if layer.i in network.save else None)
    return value


def open_teacher(coco_onnx: Path) -> PersonTeacher:
    """Raises FileNotFoundError, or ``WeightsRefused`` where it is another network."""
    from models.coco_init import COCO_PERSON, coco_network

    return PersonTeacher(coco_network(coco_onnx), COCO_PERSON)
