"""The detection loss that takes no blame where nobody labelled: an unknown class of a picture teaches nothing.

``models.prepare`` writes the classes whose labels have gaps into the file name (``…@smoke+person.jpg``). For those the
binary cross-entropy counts only where there is a label; everywhere else its gradient is zero. This needs one source
picture for each training picture, so mosaic and mixup stay off.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from models.classes import CLASSES, PERSON
from models.person_teacher import onward, open_teacher
from models.torchvision_ops import register

register()

from ultralytics.nn.tasks import DetectionModel  # noqa: E402  # the operators must be there before this import
from ultralytics.utils.loss import v8DetectionLoss  # noqa: E402


def known_classes(files: list[str]) -> torch.Tensor:
    """Which classes each picture's labels know whole: pictures x classes, 1 or 0."""
    known = torch.ones(len(files), len(CLASSES))
    for row, file in enumerate(files):
        _, at, gaps = Path(file).stem.partition("@")
        if at:
            for name in gaps.split("+"):
                known[row, CLASSES.index(name)] = 0
    return known


class _KnownCrossEntropy(torch.nn.Module):
    """Binary cross-entropy, pictures x anchors x classes, zero where the class is unknown and not a target.

    ``people`` (pictures x anchors), where a teacher gives them, stand in the place of the labels' targets for people
    and count ``people_weight`` times.
    """

    def __init__(self, people_weight: float = 1.0) -> None:
        super().__init__()
        self.people_weight = people_weight
        self.known: torch.Tensor | None = None
        self.people: torch.Tensor | None = None

    def forward(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.people is not None:
            targets = targets.clone()
            targets[..., PERSON] = self.people.to(targets.dtype)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
        if self.known is not None:
            counted = self.known.to(scores.device, scores.dtype)[:, None, :]
            loss = loss * torch.maximum(counted, (targets > 0).to(scores.dtype))
        if self.people is not None:
            weights = loss.new_ones(loss.shape[-1])
            weights[PERSON] = self.people_weight
            loss = loss * weights
        return loss


class HazardLoss(v8DetectionLoss):  # type: ignore[misc]  # ultralytics is untyped
    """Ultralytics' loss with the mask, computed in fp32 whatever the network ran in."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__(model)
        self.bce = _KnownCrossEntropy(getattr(model, "teacher_weight", 1.0))
        teacher = getattr(model, "teacher", None)
        self._teacher = open_teacher(Path(teacher)) if teacher is not None else None

    def loss(self, preds: dict[str, Any], batch: dict[str, Any]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        self.bce.known = known_classes(batch["im_file"])
        self.bce.people = None
        if self._teacher is not None and "entered" in batch:  # predictions that are only judged bring no input
            with autocast(batch["img"]):
                self.bce.people = self._teacher.scores(batch["entered"], batch["first"])
        whole = {
            name: [level.float() for level in value] if isinstance(value, list) else value.float()
            for name, value in preds.items()
        }
        with torch.autocast(self.device.type, enabled=False):
            result: tuple[torch.Tensor, dict[str, torch.Tensor]] = super().loss(whole, batch)
        return result


def autocast(picture: torch.Tensor) -> torch.autocast:
    """bfloat16 where the picture lies on a GPU, or on a CPU that computes in it."""
    on_cpu = picture.device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast(picture.device.type, torch.bfloat16, enabled=on_cpu or picture.is_cuda)


class HazardModel(DetectionModel):  # type: ignore[misc]  # ultralytics is untyped
    """A ``DetectionModel`` that is trained with ``HazardLoss``; on a CPU that has bfloat16, in bfloat16.

    Ultralytics keeps bfloat16 for CUDA, though on such a CPU it doubles the pictures trained on a second.
    ``teacher``: path of COCO's export, whose people are the target for people; None: the labels alone are.
    ``teacher_weight``: how often what it says counts, against the labels of the other classes.
    ``frozen_layers``: the first of its layers, which stay as COCO's are and are computed once for both.
    """

    teacher: str | None = None
    teacher_weight: float = 1.0
    frozen_layers: int = 0

    def init_criterion(self) -> HazardLoss:
        return HazardLoss(self)

    def loss(self, batch: dict[str, Any], preds: Any = None) -> Any:
        if preds is None:
            picture = batch["img"]
            with autocast(picture):
                entered, first = self._through_frozen(picture.contiguous(memory_format=torch.channels_last))
                preds = onward(self, entered, first)
            batch |= {"entered": entered, "first": first}
        return super().loss(batch, preds)

    @torch.no_grad()
    def _through_frozen(self, pictures: torch.Tensor) -> tuple[torch.Tensor, int]:
        """What the first layer that learns is given, and its number."""
        for layer in self.model[: self.frozen_layers]:
            pictures = layer(pictures)
        return pictures, self.frozen_layers
