"""Crowd density: how many people stand where, for pictures in which they are too many and too small for boxes.

COCO's YOLOv8n up to its finest level (it knows small people, and the wide context of the neck), and a small head that
answers with people in each cell. Both learn from a hundred pictures with a point for each head, shown at many sizes,
softer and sharper (decisions 0121, 0128); the first layers stay as COCO left them. Target after Zhang et al. 2016
(MCNN), one unit of density a head; the loss compares counts of blocks of several sizes, as the places of the points are
less certain than their number.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from detectors.density import density_input
from models.card import write_card
from models.coco_init import coco_layers
from models.crowd_pictures import LONGEST_SIDE, CrowdPicture, crowd_pictures, drawn
from models.origin import COCO, PRETRAINED_ON, all_clear
from models.prepare import COCO_WEIGHTS
from models.refusals import DataRefused
from models.sample_data import clear

LAYERS = 16
"""Of YOLOv8n: the backbone, and the neck up to its finest level, of stride 8."""
FROZEN = 2
"""The first layers, which stay as COCO left them: edges and colours."""
FEATURES = {2: 32, 4: 64, 15: 64, 12: 128}
"""Layers whose answers the head sees, and their channels; of stride 4, 8, 8 and 16."""
CHANNELS = sum(FEATURES.values())
UNIT = 0.01
"""The head answers in hundredths of a person a cell, so that its numbers are near one."""
BLOCKS = (1, 4, 16)
BATCH = 4
HEAD_RATE, BODY_RATE = 1e-3, 1e-4
LARGEST_STEP = 5.0
"""Length to which gradients are cut."""
REMEMBERED = 0.999
"""Of the average of the network's numbers, what is kept from one step to the next (Polyak's averaging): one step hangs
on the four crops that it was shown."""
BEGUN = "YOLOv8n begun from COCO's weights (AGPL-3.0) as far as its finest level, and a head"
NOTE = (
    f"{BEGUN}, trained in part on pictures whose licence is unknown or for research only; no such picture is contained."
    " 密度模型部分使用许可不明或仅限研究的图片训练。"
)
NOTE_CLEAR = f"{BEGUN}, trained only on pictures with a clear licence. 密度模型仅使用许可明确的图片训练。"
Say = Callable[[str, int, int], None]
"""Told what is being done, how many are done, and of how many."""


class DensityNetwork(nn.Module):
    """From ``[n, 3, h, w]`` RGB 0..1, sides multiples of 32, to people in each cell of 8×8 px: ``[n, 1, h/8, w/8]``."""

    def __init__(self, coco: Path) -> None:
        super().__init__()
        self.body = nn.ModuleList(coco_layers(coco, LAYERS))
        for number, layer in enumerate(self.body):
            layer.requires_grad_(number >= FROZEN)
        self.scale: torch.Tensor
        self.register_buffer("scale", torch.ones(1, CHANNELS, 1, 1))
        last = nn.Conv2d(64, 1, 1)
        nn.init.constant_(last.bias if last.bias is not None else last.weight, -1.0)
        self.head = nn.Sequential(
            nn.Conv2d(CHANNELS, 96, 1),
            nn.ReLU(),
            nn.Conv2d(96, 64, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=2, dilation=2),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=2, dilation=2),
            nn.ReLU(),
            last,
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.head(self.features(images) * self.scale)
        return nn.functional.softplus(answer.float()) * UNIT

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """CHANNELS of stride 8."""
        answers: list[torch.Tensor] = []
        for layer in self.body:
            f: Any = layer.f
            from_layers = f if isinstance(f, list) else [f]
            inputs = [answers[one] if answers else images for one in from_layers]
            answers.append(layer(inputs if isinstance(f, list) else inputs[0]))
        fine, middle, wide, wider = (answers[one] for one in FEATURES)
        fine = nn.functional.avg_pool2d(fine, 2)
        wider = nn.functional.interpolate(wider, scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.cat((fine, middle, wide, wider), dim=1)

    def normalise(self, images: torch.Tensor) -> None:
        """Have each channel of the features come to the head with a mean square near one."""
        with torch.inference_mode():
            square = self.features(images).float().square().mean(dim=(0, 2, 3))
        self.scale = (1 / (square.sqrt() + 1e-3)).reshape(1, CHANNELS, 1, 1).clone()


def train_density(
    pictures: Sequence[CrowdPicture],
    coco: Path,
    *,
    steps: int,
    seed: int,
    progress: Callable[[int], None],
) -> DensityNetwork:
    """A network trained on crops of the pictures."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    network = DensityNetwork(coco)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stub knows tensors alone
    network.normalise(torch.from_numpy(drawn(pictures, 2 * BATCH, random)[0]))
    rates = [HEAD_RATE, BODY_RATE]
    moved = [one for one in network.body.parameters() if one.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": list(network.head.parameters())}, {"params": moved}], lr=HEAD_RATE, weight_decay=1e-2
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=steps, pct_start=0.15)
    average = AveragedModel(network, avg_fn=_averaged)
    for step in range(steps):
        progress(step)
        images, truth = (torch.from_numpy(one) for one in drawn(pictures, BATCH, random))
        with _fast():
            found = network(images.to(memory_format=torch.channels_last))
        loss = block_loss(found[:, 0].float(), truth)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_STEP)
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
    return cast(DensityNetwork, average.module).eval()


def _averaged(average: torch.Tensor, now: torch.Tensor, steps: torch.Tensor | int) -> torch.Tensor:
    """The first steps weigh more: where all began is forgotten soon."""
    return average.lerp(now, 1 - min(REMEMBERED, (1 + float(steps)) / (10 + float(steps))))


def _fast() -> torch.autocast:
    """In bfloat16 where the processor computes so itself: half the time, the same errors."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.ops.mkldnn._is_mkldnn_bf16_supported())


def block_loss(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """How unlikely the true counts of blocks of 1, 4 and 16 cells a side are, if people came as Poisson's law says.

    N×h×w each. It is least where the expected counts are right, so that the sum has no bias: absolute differences, as
    most blocks are empty, taught to see a sixth too few.
    """
    total = found.new_zeros(())
    for side in BLOCKS:
        ours = nn.functional.avg_pool2d(found[:, None], side) * side * side
        theirs = nn.functional.avg_pool2d(truth[:, None], side) * side * side
        total = total + (ours - theirs * torch.log(ours + 1e-4)).mean() / side
    return total


def people(network: DensityNetwork, picture: CrowdPicture) -> float:
    with torch.inference_mode(), _fast():
        return float(network(torch.from_numpy(density_input(picture.picture, LONGEST_SIDE))).sum())


def cross_validate(
    pictures: Sequence[CrowdPicture], coco: Path, *, folds: int, turns: int, steps: int, seed: int, say: Say
) -> dict[str, tuple[int, float]]:
    """By name: people there and people found by a network that did not see the picture. The first ``turns`` of
    ``folds`` parts are held out in turn."""
    ordered = sorted(pictures, key=lambda one: hashlib.sha256(one.name.encode()).digest())
    found: dict[str, tuple[int, float]] = {}
    for turn in range(turns):
        held_out = ordered[turn::folds]
        seen = [one for number, one in enumerate(ordered) if number % folds != turn]
        what = f"part {turn + 1} of {folds} held out"
        network = train_density(seen, coco, steps=steps, seed=seed, progress=_steps(say, what, steps))
        found |= {one.name: (len(one.places), people(network, one)) for one in held_out}
    return found


def _steps(say: Say, what: str, steps: int) -> Callable[[int], None]:
    return lambda step: say(what, step, steps)


def mean_errors(found: Mapping[str, tuple[int, float]]) -> dict[str, dict[str, float]]:
    """By source (the beginning of the names): of how many pictures, their mean error and mean absolute error."""
    by_source: dict[str, list[float]] = {}
    for name, (there, counted) in found.items():
        by_source.setdefault(name.partition("_")[0], []).append(counted - there)
    return {
        source: {
            "pictures": len(values),
            "mean_error": round(fmean(values), 2),
            "mean_absolute_error": round(fmean(map(abs, values)), 2),
        }
        for source, values in sorted(by_source.items())
    }


def export_density(network: DensityNetwork, to: Path) -> str:
    """Write the network; answers its sha256.

    Input ``images`` ``[1, 3, h, w]`` RGB 0..1, sides multiples of 32; output ``density`` ``[1, 1, h/8, w/8]``.
    """
    network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # its stub knows tensors alone
    to.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, 64, 96),),
        str(to),
        input_names=["images"],
        output_names=["density"],
        dynamic_axes={"images": {2: "h", 3: "w"}, "density": {2: "h8", 3: "w8"}},
        opset_version=17,
        dynamo=False,
    )
    return hashlib.sha256(to.read_bytes()).hexdigest()


def make_density(
    sample_data: Path,
    to: Path,
    card: Path,
    *,
    from_people: int,
    smaller_than: float,
    steps: int,
    folds: int,
    turns: int,
    seed: int,
    licensed_only: bool,
    say: Say,
) -> dict[str, Any]:
    """Train, export to ``to`` and name it in ``card``; answers what the card says of it. ``turns`` 0: nothing is held
    out, and the card's figures stay out. Raises ``DataRefused``."""
    if not 0 <= turns <= folds or folds < 2:
        raise ValueError("at least two parts, and no more of them held out than there are")
    coco = sample_data / "weights" / COCO_WEIGHTS
    pictures = [one for one in crowd_pictures(sample_data, "train") if clear(one.licence) or not licensed_only]
    if len(pictures) < (2 if turns else 1):
        raise DataRefused(
            "crowds_missing",
            sample_data,
            "没有可供学习的人群图片（crowd，train，带 points；交叉验证至少两张）",
            "there are no crowds to learn from (crowd, train, with points; two at least to cross-validate)",
        )
    found = cross_validate(pictures, coco, folds=folds, turns=turns, steps=steps, seed=seed, say=say)
    network = train_density(pictures, coco, steps=steps, seed=seed, progress=_steps(say, "all pictures", steps))
    facts = {
        "weights": to.name,
        "sha256": export_density(network, to),
        "from_people": from_people,
        "smaller_than": smaller_than,
        "longest_side": LONGEST_SIDE,
        "cross_validated": mean_errors(found),
        "pictures": len(pictures),
        "steps": steps,
        "licences": dict(Counter(one.licence for one in pictures).most_common()),
        PRETRAINED_ON: [COCO],
        "note": NOTE_CLEAR if all_clear(one.licence for one in pictures) else NOTE,
    }
    write_card(json.loads(card.read_text(encoding="utf-8")) | {"density": facts}, card)
    return facts
