"""The judge of the second look: taught to tell fire from what only seems so.

Its features are ImageNet's (``models.efficientnet_lite``), left as they are: the detector's own have seen the very
pictures of the train part, are right there too often, and err together with it; COCO's know no lamps and no sunsets.
Only rows of weights are fitted (logistic regression), one for a crop and one for a whole picture, within minutes on
one core. How good they are is said by cross-validation over the scenes of the train part,
and on val.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn

from detectors.beside import runner
from detectors.judge import NAMES, SIDE, VIEWS, View, tensor
from models.candidates import Example, examples
from models.card import write_card
from models.efficientnet_lite import EfficientNetLite, imagenet_weights, opened
from models.figures import DENSEST, Say, open_profile
from models.halves import halved
from models.origin import IMAGENET, PRETRAINED_ON, all_clear
from models.prepare import NEVER_TRAINED
from models.refusals import DataRefused
from models.sample_data import Sample, read_samples

LABELS = ("fire",)
"""What it judges. Of smoke it knows nothing on camera frames of scenes that it did not see (area under the curve 0.7 to
0.8), and it would have silenced the grey smoke of a burning room."""
FOLDS = 4
DECAY = 0.03
"""Of the squared weights, with features scaled to a deviation of one."""
LEAST_SPREAD = 0.05
"""Least deviation by which a feature is divided: hardly ever awake, it would else count too much."""
STEPS = 40
NOTE = (
    "EfficientNet-Lite0 with ImageNet's weights (Apache-2.0) and two rows of weights fitted on the train part, in part"
    " on pictures whose licence is unknown; no such picture is contained. 复核模型部分使用许可不明的图片拟合。"
)
NOTE_CLEAR = (
    "EfficientNet-Lite0 with ImageNet's weights (Apache-2.0) and two rows of weights fitted on the train part, only on"
    " pictures with a clear licence. 复核模型仅使用许可明确的图片拟合。"
)

NOTHING = np.zeros((0, 0, 3), np.uint8)

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """For one hazard in one view: ``weights`` of the features and ``bias``; their sum is the logit of its
    being there."""

    weights: Features
    bias: float

    def logits(self, features: Features) -> Features:
        return np.asarray(features @ self.weights + self.bias, np.float32)


Rows = Mapping[tuple[View, str], Row]


class _WithRows(nn.Module):
    """Shares ``[1, views, hazards]``."""

    def __init__(self, network: EfficientNetLite, rows: Rows) -> None:
        super().__init__()
        self._network = network
        ordered = [rows[view, name] for view in VIEWS for name in LABELS]
        self._rows = nn.Linear(EfficientNetLite.FEATURES, len(ordered))
        self._rows.weight.data = torch.from_numpy(np.stack([row.weights for row in ordered]).astype(np.float32))
        self._rows.bias.data = torch.tensor([row.bias for row in ordered])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self._rows(self._network(x))).reshape(1, len(VIEWS), len(LABELS))


def exported(network: nn.Module, output: str) -> bytes:
    """ONNX of it, for ``images`` ``[1, 3, SIDE, SIDE]``; weights in half precision, computed in single."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sides are known, so that what is traced is right
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, SIDE, SIDE),),
            str(file),
            input_names=["images"],
            output_names=[output],
            opset_version=17,
            dynamo=False,
        )
        return bytes(halved(onnx.load(str(file))).SerializeToString())


class Pooling:
    """ImageNet's network as far as its features, run as the judge will be: ``[1, 3, SIDE, SIDE]`` to ``[1, N]``."""

    def __init__(self, weights: Path) -> None:
        self.network = opened(weights)
        self._run = runner(exported(self.network, "features"), 1, *NAMES)

    def features(self, picture: NDArray[np.uint8]) -> Features:
        """N, of SIDE×SIDE×3 BGR."""
        return np.asarray(self._run(tensor(picture))[0], np.float32)


def export_judge(pooling: Pooling, rows: Rows, to: Path) -> str:
    """Write the network with its rows; answers its sha256. Output ``believed`` ``[1, views, hazards]``, in order."""
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(exported(_WithRows(pooling.network, rows), "believed"))
    return hashlib.sha256(to.read_bytes()).hexdigest()


def fitted(features: Features, there: NDArray[np.bool_], counts: Features) -> Row:
    """The logistic regression of ``there`` (N) on ``features`` (N×F), each example counting so much."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + LEAST_SPREAD
    x = torch.from_numpy(((features - mean) / spread).astype(np.float32))
    y = torch.from_numpy(there.astype(np.float32))
    counted = torch.from_numpy((counts / counts.sum()).astype(np.float32))
    row = torch.zeros(x.shape[1], requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([row, bias], lr=1, max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(x @ row + bias, y, counted, reduction="sum")
        loss = loss + DECAY * row.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    weights = row.detach().numpy() / spread
    return Row(weights.astype(np.float32), float(bias.detach()) - float(weights @ mean))


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples with their features, N×F; their pixels are gone."""

    examples: Sequence[Example]
    features: Features

    def of(self, view: View, name: str) -> NDArray[np.bool_]:
        """Those of a view of which it is known whether they show the hazard."""
        return np.array([one.view == view and one.shows[name] is not None for one in self.examples], np.bool_)

    def there(self, name: str) -> NDArray[np.bool_]:
        return np.array([one.shows[name] is True for one in self.examples], np.bool_)

    def row(self, view: View, name: str, chosen: NDArray[np.bool_]) -> Row:
        """Fitted on those of the chosen that know. Those that show the hazard count as much as those that do not, and
        a scene of many pictures as the root of their number."""
        of = chosen & self.of(view, name)
        there = self.there(name)
        scenes = Counter((one.sample.scene, bool(t)) for one, t, o in zip(self.examples, there, of, strict=True) if o)
        counts = np.array(
            [
                scenes[one.sample.scene, bool(t)] ** -0.5 if o else 0.0
                for one, t, o in zip(self.examples, there, of, strict=True)
            ],
            np.float32,
        )
        for side in (there, ~there):
            counts[side] /= max(float(counts[side].sum()), 1e-9)
        return fitted(self.features[of], there[of], counts[of])

    def held_out(self, view: View, name: str) -> Features:
        """Logits of every example by a row that saw nothing of its scene."""
        fold = np.array([zlib.crc32(one.sample.scene.encode()) % FOLDS for one in self.examples])
        logits = np.zeros(len(fold), np.float32)
        for number in range(FOLDS):
            logits[fold == number] = self.row(view, name, fold != number).logits(self.features[fold == number])
        return logits


def with_features(pooling: Pooling, found: Iterable[Example]) -> Examples:
    """Each example looked at; its pixels are let go, for there are tens of thousands."""
    kept, features = [], []
    for one in found:
        features.append(pooling.features(one.pixels))
        kept.append(replace(one, pixels=NOTHING))
    return Examples(kept, np.stack(features))


def auc(right: NDArray[np.bool_], scores: Features) -> float | None:
    """Area under the receiver operating curve: how often a right one scores higher than a wrong one."""
    rights, wrongs = scores[right], np.sort(scores[~right])
    if not len(rights) or not len(wrongs):
        return None
    below = np.searchsorted(wrongs, rights, "left") + np.searchsorted(wrongs, rights, "right")
    return round(float(below.sum()) / (2 * len(rights) * len(wrongs)), 3)


def judged(of: Examples, view: View, name: str, logits: Features) -> dict[str, float | int | None]:
    """How the judge tells pictures, or the network's candidates for the hazard, apart: beside their own scores."""
    chosen = of.of(view, name) & np.array(
        [not one.altered and (view == "whole" or _candidate_for(one, name)) for one in of.examples], np.bool_
    )
    there = of.there(name)[chosen]
    scores = np.array([one.candidate.score if one.candidate else 0.0 for one in of.examples], np.float32)
    return {
        "there": int(there.sum()),
        "not_there": int((~there).sum()),
        "auc_score": auc(there, scores[chosen]) if view == "crop" else None,
        "auc_judge": auc(there, logits[chosen]),
    }


def _candidate_for(one: Example, name: str) -> bool:
    return one.candidate is not None and one.candidate.label == name


def make_judge(sample_data: Path, to: Path, card: Path, *, licensed_only: bool, say: Say) -> dict[str, Any]:
    """Fit, export to ``to`` and name it in ``card``; answers what the card says of it. Raises ``DataRefused``."""
    of_train = [one for one in _samples(sample_data, "train") if one.clear_licence or not licensed_only]
    of_val = _samples(sample_data, "val")
    if not of_train or not of_val:
        raise DataRefused(
            "pictures_missing",
            sample_data,
            "train 或 val 中没有图片",
            "there are no pictures in train, or none in val",
        )
    torch.set_num_threads(1)  # small sums: on a busy machine threads would wait for one another
    profile = open_profile(card)
    pooling = Pooling(imagenet_weights())
    train = with_features(pooling, examples(profile, of_train, say))
    val = with_features(pooling, examples(profile, of_val, say))
    rows, facts = fit(train, val, say)
    facts = {
        "weights": to.name,
        "sha256": export_judge(pooling, rows, to),
        "labels": list(LABELS),
        "licensed_only": licensed_only,
        **facts,
        "licences": dict(Counter(one.licence for one in of_train).most_common()),
        PRETRAINED_ON: [IMAGENET],
        "note": NOTE_CLEAR if all_clear(one.licence for one in of_train) else NOTE,
    }
    write_card(json.loads(card.read_text()) | {"judge": facts}, card)
    return facts


def fit(train: Examples, val: Examples, say: Say) -> tuple[Rows, dict[str, Any]]:
    """A row for each hazard in each view, and how good they are on scenes that they saw nothing of."""
    rows: dict[tuple[View, str], Row] = {}
    held_out, on_val = {}, {}
    for done, (view, name) in enumerate((view, name) for view in VIEWS for name in LABELS):
        say("rows", done, len(VIEWS) * len(LABELS))
        rows[view, name] = train.row(view, name, np.ones(len(train.examples), np.bool_))
        held_out[f"{name}, {view}"] = judged(train, view, name, train.held_out(view, name))
        on_val[f"{name}, {view}"] = judged(val, view, name, rows[view, name].logits(val.features))
    return rows, {"examples": len(train.examples), "cross_validated": held_out, "val": on_val}


def _samples(sample_data: Path, split: str) -> list[Sample]:
    """Without sources that have boxes drawn into them, and the crowds that no street camera sees."""
    left_out = (*NEVER_TRAINED, DENSEST)
    return [one for one in read_samples(sample_data) if one.split == split and not one.path.name.startswith(left_out)]
