"""Crowd density: how many people stand where, for pictures in which they are too many and too small for boxes.

The features are COCO's YOLOv8n at full resolution, left as they are (stride 4, 8 and 8 with the wide context of the
neck); only a small head on them is trained, on a hundred pictures with a point for each head. So the features of every
picture are computed once and kept in memory, and training the head takes minutes on one core.
Head after Zhang et al. 2016 (MCNN) in its target, one unit of density a head; the loss compares counts of blocks of
several sizes, as the places of the points are less certain than their number.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx.utils import Extractor
from torch import nn

from detectors.density import density_input
from models.card import write_card
from models.prepare import COCO_WEIGHTS
from models.sample_data import read_samples

FEATURES = ("/model.2/cv2/act/Mul_output_0", "/model.4/cv2/act/Mul_output_0", "/model.15/cv2/act/Mul_output_0")
CHANNELS = 32 + 64 + 64
STRIDE = 8
"""Pixels of the input for one cell of the density map, each way."""
UNIT = 0.01
"""The head answers in hundredths of a person a cell, so that its numbers are near one."""
LONGEST_SIDE = 1024
"""Pictures come in with their longer side at this many px: ShanghaiTech B's own size."""
TRAIN_PICTURES = 104
NOTE = (
    "YOLOv8n's COCO features (AGPL-3.0) and a head of 31 thousand weights trained on ShanghaiTech's train part (for"
    " research, no explicit licence) and photos of unknown licence; no such picture is contained."
    " 密度模型以 ShanghaiTech（仅限研究）等图片训练。"
)
CROP = (48, 64)
BLOCKS = (1, 4, 16)


@dataclass(frozen=True, slots=True)
class CrowdPicture:
    """``features`` CHANNELS×h×w; ``density`` h×w, people in each cell; ``people`` in all of it."""

    name: str
    features: torch.Tensor
    density: torch.Tensor
    people: int


class DensityHead(nn.Module):
    """From the three feature maps to people in each cell of 8×8 px: ``[1, 1, h/8, w/8]``."""

    def __init__(self) -> None:
        super().__init__()
        self.scale: torch.Tensor
        self.register_buffer("scale", torch.ones(1, CHANNELS, 1, 1))
        last = nn.Conv2d(32, 1, 1)
        nn.init.constant_(last.bias if last.bias is not None else last.weight, -1.0)
        self.layers = nn.Sequential(
            nn.Conv2d(CHANNELS, 48, 1),
            nn.ReLU(),
            nn.Conv2d(48, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=2, dilation=2),
            nn.ReLU(),
            last,
            nn.Softplus(),
        )

    def forward(self, fine: torch.Tensor, middle: torch.Tensor, wide: torch.Tensor) -> torch.Tensor:
        return self.of_cells(torch.cat((nn.functional.avg_pool2d(fine, 2), middle, wide), dim=1))

    def of_cells(self, features: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.layers(features * self.scale) * UNIT
        return answer


class FeatureFinder:
    """COCO's network up to the features, on ONNX Runtime."""

    def __init__(self, coco_onnx: Path, threads: int) -> None:
        self.model = _any_size(Extractor(onnx.load(str(coco_onnx))).extract_model(["images"], list(FEATURES)))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def features(self, picture: NDArray[np.uint8]) -> torch.Tensor:
        """CHANNELS×h/8×w/8, half precision, of BGR H×W×3."""
        blob = density_input(picture, LONGEST_SIDE)
        fine, middle, wide = (torch.from_numpy(one) for one in self._session.run(None, {"images": blob}))
        return torch.cat((nn.functional.avg_pool2d(fine, 2), middle, wide), dim=1)[0].half()


def _any_size(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network without a fixed height and width."""
    del model.graph.value_info[:]
    for value, stride in zip((*model.graph.input, *model.graph.output), (1, 4, 8, 8), strict=True):
        for axis, name in ((2, "h"), (3, "w")):
            value.type.tensor_type.shape.dim[axis].dim_param = f"{name}{stride}"
    return model


def crowd_pictures(
    folder: Path, split: str, finder: FeatureFinder, progress: Callable[[int], None]
) -> dict[str, tuple[CrowdPicture, CrowdPicture]]:
    """By name: every picture of the split with points, and its mirror image."""
    made = {}
    for done, sample in enumerate(s for s in read_samples(folder) if s.folder == "crowd" and s.split == split):
        progress(done)
        picture = np.asarray(cv2.imread(str(sample.path)), np.uint8)
        points = json.loads((folder / "crowd" / "points" / f"{sample.path.stem}.json").read_text())["points"]
        height, width = picture.shape[:2]
        places = np.asarray(points, np.float64).reshape(-1, 2) / (width, height)
        mirrored = places * (-1, 1) + (1, 0)
        made[sample.path.stem] = (
            _crowd_picture(sample.path.stem, finder.features(picture), places),
            _crowd_picture(sample.path.stem, finder.features(np.ascontiguousarray(picture[:, ::-1])), mirrored),
        )
    return made


def _crowd_picture(name: str, features: torch.Tensor, places: NDArray[np.float64]) -> CrowdPicture:
    """``places`` N×2, x and y of each head, normalised."""
    height, width = features.shape[1:]
    cells = np.zeros((height, width), np.float32)
    for x, y in places:
        column, row = min(max(x * width, 0), width - 1e-3), min(max(y * height, 0), height - 1e-3)
        cells[int(row), int(column)] += 1
    # One head spreads over its neighbours; the sum stays, as at the border the rest is mirrored in.
    spread = cv2.GaussianBlur(cells, (0, 0), 0.8, borderType=cv2.BORDER_REFLECT)
    return CrowdPicture(name, features, torch.from_numpy(spread), len(places))


def train_head(
    pictures: Sequence[tuple[CrowdPicture, CrowdPicture]], *, epochs: int, seed: int, progress: Callable[[int], None]
) -> DensityHead:
    """A head trained on the pictures and their mirror images."""
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    head = DensityHead()
    some = torch.stack([one[0].features.float().square().mean(dim=(1, 2)) for one in pictures]).mean(dim=0)
    head.scale = (1 / (some.sqrt() + 1e-3)).reshape(1, CHANNELS, 1, 1)
    optimiser = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=1e-2)
    per_epoch = -(-len(pictures) // 6)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=epochs * per_epoch, pct_start=0.1)
    for epoch in range(epochs):
        progress(epoch)
        order = random.permutation(len(pictures))
        for batch in np.array_split(order, per_epoch):
            crops = [_crop(pictures[number][int(random.integers(2))], random) for number in batch]
            found = head.of_cells(torch.stack([one[0] for one in crops]))[:, 0]
            loss = block_loss(found, torch.stack([one[1] for one in crops]))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimiser.step()
            schedule.step()
    return head.eval()


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


def _crop(picture: CrowdPicture, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    height, width = picture.density.shape
    rows, columns = CROP
    top = int(random.integers(max(1, height - rows + 1)))
    left = int(random.integers(max(1, width - columns + 1)))
    features = picture.features[:, top : top + rows, left : left + columns].float()
    density = picture.density[top : top + rows, left : left + columns]
    below, right = rows - density.shape[0], columns - density.shape[1]
    if below or right:
        features = nn.functional.pad(features, (0, right, 0, below))
        density = nn.functional.pad(density, (0, right, 0, below))
    # Brighter or duller pictures come out as stronger or weaker features.
    return features * float(random.uniform(0.9, 1.1)), density


def people(head: DensityHead, picture: CrowdPicture) -> float:
    with torch.inference_mode():
        return float(head.of_cells(picture.features[None].float()).sum())


def cross_validate(
    pictures: dict[str, tuple[CrowdPicture, CrowdPicture]],
    *,
    folds: int,
    epochs: int,
    seed: int,
    say: Callable[[str, int, int], None],
) -> dict[str, tuple[int, float]]:
    """By name: people there and people found by a head that did not see the picture."""
    names = sorted(pictures, key=lambda name: hashlib.sha256(name.encode()).digest())
    found = {}
    for fold in range(folds):
        held_out = names[fold::folds]
        seen = [pictures[name] for name in names if name not in held_out]
        head = train_head(seen, epochs=epochs, seed=seed, progress=lambda _: None)
        for name in held_out:
            found[name] = (pictures[name][0].people, people(head, pictures[name][0]))
        say("cross-validation", fold, folds)
    return found


def export_density(head: DensityHead, finder: FeatureFinder, to: Path) -> str:
    """Write features and head as one network, weights in half precision; answers its sha256.

    Input ``images`` ``[1, 3, h, w]`` RGB 0..1, sides multiples of 32; output ``density`` ``[1, 1, h/8, w/8]``.
    """
    from onnx import compose

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "head.onnx"
        shapes = tuple(torch.zeros(1, channels, side, side) for channels, side in ((32, 16), (64, 8), (64, 8)))
        torch.onnx.export(
            head,
            shapes,
            str(file),
            input_names=["fine", "middle", "wide"],
            output_names=["density"],
            dynamic_axes={name: {2: f"{name}_h", 3: f"{name}_w"} for name in ("fine", "middle", "wide", "density")},
            opset_version=17,
            dynamo=False,
        )
        tail = onnx.load(str(file))
    body = finder.model
    body.ir_version = tail.ir_version = max(body.ir_version, tail.ir_version)
    tail = onnx.version_converter.convert_version(tail, body.opset_import[0].version)
    joints = list(zip(FEATURES, ("head_fine", "head_middle", "head_wide"), strict=True))
    whole = compose.merge_models(body, compose.add_prefix(tail, "head_"), io_map=joints)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(whole.SerializeToString())
    return hashlib.sha256(to.read_bytes()).hexdigest()


def make_density(
    sample_data: Path,
    to: Path,
    card: Path,
    *,
    from_people: int,
    smaller_than: float,
    epochs: int,
    folds: int,
    seed: int,
    say: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Train, export to ``to`` and name it in ``card``; answers what the card says of it."""
    finder = FeatureFinder(sample_data / "weights" / COCO_WEIGHTS, threads=1)
    pictures = crowd_pictures(sample_data, "train", finder, lambda done: say("features", done, TRAIN_PICTURES))
    errors = {}
    if folds:
        found = cross_validate(pictures, folds=folds, epochs=epochs, seed=seed, say=say)
        errors = mean_errors(found)
    head = train_head(
        list(pictures.values()), epochs=epochs, seed=seed, progress=lambda done: say("head", done, epochs)
    )
    facts = {
        "weights": to.name,
        "sha256": export_density(head, finder, to),
        "from_people": from_people,
        "smaller_than": smaller_than,
        "longest_side": LONGEST_SIDE,
        "cross_validated_mae": errors,
        "note": NOTE,
    }
    whole = json.loads(card.read_text())
    write_card(whole | {"density": facts}, card)
    return facts


def mean_errors(found: dict[str, tuple[int, float]]) -> dict[str, float]:
    """Mean absolute error by source: the beginning of the names."""
    by_source: dict[str, list[float]] = {}
    for name, (there, counted) in found.items():
        by_source.setdefault(name.partition("_")[0], []).append(abs(there - counted))
    return {source: round(fmean(values), 2) for source, values in by_source.items()}
