"""Registers ``torchvision::nms`` and ``qnms`` in plain torch where torchvision's compiled operators do not load.

torchvision 0.28's binary belongs to another build of torch than the CPU one; its Python half works once the two
operators exist that ultralytics needs. Call ``register()`` before anything imports ultralytics.
"""

from __future__ import annotations

import contextlib
import importlib.util
from pathlib import Path
from typing import Any

import torch

_kept: list[Any] = []


_BLOCK = 1024
"""Boxes compared at once: bounds the matrix of overlaps to a few megabytes."""


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Indices of the kept boxes, best first. ``boxes`` N×4 as x1, y1, x2, y2; ``scores`` N. Greedy, as torchvision's.

    Blocks of boxes in the order of their scores: what a kept box of an earlier block covers falls at once; within a
    block the rule "a box falls when a kept, better one covers it" is repeated until nothing changes, which takes as
    many rounds as the longest chain of overlaps, a handful, where a loop over boxes takes N.
    """
    order = scores.argsort(descending=True, stable=True)
    kept = order.new_empty(0)
    for block in order.split(_BLOCK):
        alive = block[~_covers(boxes[kept], boxes[block], iou_threshold).any(dim=0)]
        covers = torch.triu(_covers(boxes[alive], boxes[alive], iou_threshold), diagonal=1)
        keep = torch.ones(len(alive), dtype=torch.bool, device=boxes.device)
        while True:
            fresh = ~(covers & keep[:, None]).any(dim=0)
            if torch.equal(fresh, keep):
                break
            keep = fresh
        kept = torch.cat((kept, alive[keep]))
    return kept


def _covers(better: torch.Tensor, worse: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Which of ``better`` (rows) overlap which of ``worse`` (columns) by more than the threshold."""
    first, second = better.float(), worse.float()
    upper_left = torch.maximum(first[:, None, :2], second[None, :, :2])
    lower_right = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    both = (lower_right - upper_left).clamp(min=0).prod(dim=2)
    union = _area(first)[:, None] + _area(second)[None, :] - both
    return both > iou_threshold * union


def _area(boxes: torch.Tensor) -> torch.Tensor:
    return (boxes[:, 2] - boxes[:, 0]).clamp(min=0) * (boxes[:, 3] - boxes[:, 1]).clamp(min=0)


def register() -> None:
    """Make torchvision importable and its NMS usable. Does nothing where the compiled operators load."""
    if _kept or _compiled_operators_load():
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for device in ("CPU", "CUDA"):
            library.impl(name, nms, device)
    _kept.append(library)  # a library that is collected takes its operators with it
    import torchvision.extension

    torchvision.extension._has_ops = lambda: True
    torchvision.extension._assert_has_ops = lambda: None


def _compiled_operators_load() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    for binary in Path(spec.origin).parent.glob("_C*.so"):
        with contextlib.suppress(OSError):
            torch.ops.load_library(str(binary))
            return True
    return False
