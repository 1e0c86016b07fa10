"""The judge of the second look: taught to tell the detector's right candidates from its wrong ones.

Its features are COCO's YOLOv8n up to the end of the backbone, left as they are and pooled over the crop: the detector's
own have seen the very pictures of the train part, are right there too often, and err together with it. Only a row of
weights for each hazard is fitted (logistic regression), within minutes on one core. How good it is is said by
cross-validation over the scenes of the train part, and on val; from where it believes is set on the train part alone.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor

from detectors.judge import SIDE, tensor
from models.candidates import HAZARDS, Candidate, candidates
from models.card import write_card
from models.figures import DENSEST, Say, open_profile
from models.looks import camera_look
from models.prepare import COCO_WEIGHTS, NEVER_TRAINED
from models.sample_data import Sample, clear, read_samples

LAYERS = (2, 4, 6, 9)
"""Of the backbone, whose outputs are pooled: their mean and maximum, and the mean of the middle half of each side."""
STRIDES = {2: 4, 4: 8, 6: 16, 9: 32}
FOLDS = 5
DECAY = 0.03
"""Of the squared weights, with features scaled to a deviation of one."""
DRAWN_COUNTS = 0.3
"""What a piece drawn by chance counts for; a candidate counts for one."""
STEPS = 80
KEPT = 0.9
"""Share of the right candidates which the crop confirms that the judge believes."""
NOTE = (
    "YOLOv8n's COCO features (AGPL-3.0) and two rows of weights fitted on candidates of the train part, in part on"
    " pictures whose licence is unknown; no such picture is contained. 复核模型部分使用许可不明的图片拟合。"
)
NOTE_CLEAR = (
    "YOLOv8n's COCO features (AGPL-3.0) and two rows of weights fitted on candidates of the train part, only on"
    " pictures with a clear licence. 复核模型仅使用许可明确的图片拟合。"
)

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Row:
    """For one hazard: ``weights`` of the features and ``bias``; their sum is the logit of believing."""

    weights: Features
    bias: float

    def logits(self, features: Features) -> Features:
        return np.asarray(features @ self.weights + self.bias, np.float32)


class Pooling:
    """COCO's network up to pooled features, ``[1, 3, SIDE, SIDE]`` to ``[1, N]``."""

    def __init__(self, coco_onnx: Path) -> None:
        self.model = _pooled(Extractor(onnx.load(str(coco_onnx))).extract_model(["images"], [_of(n) for n in LAYERS]))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            self.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def features(self, crops: Sequence[NDArray[np.uint8]]) -> Features:
        """N×features, of SIDE×SIDE×3 BGR."""
        return np.concatenate([self._session.run(None, {"images": tensor(crop)})[0] for crop in crops])


def _of(layer: int) -> str:
    return f"/model.{layer}/cv2/act/Mul_output_0"


def _pooled(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network (of opset 18 or later, as COCO's is) with its layers pooled and put together as ``features``."""
    graph = model.graph
    del graph.value_info[:], graph.output[:]
    for axis, side in enumerate((1, 3, SIDE, SIDE)):
        graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
    graph.initializer.append(numpy_helper.from_array(np.array([2, 3], np.int64), "pooled_axes"))
    parts = []
    for layer in LAYERS:
        side, name = SIDE // STRIDES[layer], f"layer_{layer}"
        for end, value in (("from", side // 4), ("to", side - side // 4)):
            graph.initializer.append(numpy_helper.from_array(np.array([value] * 2, np.int64), f"{name}_{end}"))
        graph.node.extend(
            (
                helper.make_node("ReduceMean", [_of(layer), "pooled_axes"], [f"{name}_mean"], keepdims=0),
                helper.make_node("ReduceMax", [_of(layer), "pooled_axes"], [f"{name}_most"], keepdims=0),
                helper.make_node(
                    "Slice", [_of(layer), f"{name}_from", f"{name}_to", "pooled_axes"], [f"{name}_middle"]
                ),
                helper.make_node("ReduceMean", [f"{name}_middle", "pooled_axes"], [f"{name}_within"], keepdims=0),
            )
        )
        parts += [f"{name}_mean", f"{name}_most", f"{name}_within"]
    graph.node.append(helper.make_node("Concat", parts, ["features"], axis=1))
    graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, None))
    return model


def export_judge(pooling: Pooling, rows: Mapping[str, Row], to: Path) -> str:
    """Write the network with its rows; answers its sha256. Output ``believed`` ``[1, hazards]``, in their order."""
    model = onnx.ModelProto()
    model.CopyFrom(pooling.model)
    weights = np.stack([row.weights for row in rows.values()], axis=1).astype(np.float32)
    biases = np.array([row.bias for row in rows.values()], np.float32)
    model.graph.initializer.extend(
        (numpy_helper.from_array(weights, "judge_weights"), numpy_helper.from_array(biases, "judge_biases"))
    )
    model.graph.node.extend(
        (
            helper.make_node("Gemm", ["features", "judge_weights", "judge_biases"], ["judge_logits"]),
            helper.make_node("Sigmoid", ["judge_logits"], ["believed"]),
        )
    )
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("believed", TensorProto.FLOAT, [1, len(rows)]))
    onnx.checker.check_model(model)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(model.SerializeToString())
    return hashlib.sha256(to.read_bytes()).hexdigest()


def fitted(features: Features, right: NDArray[np.bool_], counts: Features) -> Row:
    """The logistic regression of ``right`` (N) on ``features`` (N×F), each example counting so much."""
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    x = torch.from_numpy(((features - mean) / spread).astype(np.float32))
    y, counted = torch.from_numpy(right.astype(np.float32)), torch.from_numpy(counts.astype(np.float32))
    row = torch.zeros(x.shape[1], requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([row, bias], lr=1, max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        logits = x @ row + bias
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, y, counted, reduction="sum")
        loss = loss / counted.sum() + DECAY * row.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    weights = row.detach().numpy() / spread
    return Row(weights.astype(np.float32), float(bias.detach()) - float(weights @ mean))


@dataclass(frozen=True, slots=True)
class Examples:
    """Candidates with their features: ``plain`` and as a street camera would show them (``looked``), N×F each."""

    candidates: Sequence[Candidate]
    plain: Features
    looked: Features

    def row(self, label: str, chosen: NDArray[np.bool_]) -> Row:
        """Fitted on those of the chosen that speak of a hazard: its candidates, and what was drawn by chance."""
        of = chosen & np.array([one.label in (label, "") for one in self.candidates])
        right = np.array([one.right for one in self.candidates])[of]
        counts = np.array([DRAWN_COUNTS if one.drawn else 1.0 for one in self.candidates], np.float32)[of]
        return fitted(
            np.concatenate((self.plain[of], self.looked[of])),
            np.concatenate((right, right)),
            np.concatenate((counts, counts)),
        )

    def held_out(self, label: str) -> Features:
        """Logits of every example by a row that saw nothing of its scene."""
        fold = np.array([zlib.crc32(one.sample.scene.encode()) % FOLDS for one in self.candidates])
        logits = np.zeros(len(fold), np.float32)
        for number in range(FOLDS):
            logits[fold == number] = self.row(label, fold != number).logits(self.plain[fold == number])
        return logits


def examples(pooling: Pooling, found: Sequence[Candidate], seed: int) -> Examples:
    """Each candidate with its features."""
    random = np.random.default_rng(seed)
    return Examples(
        found,
        pooling.features([one.pixels for one in found]),
        pooling.features([camera_look(one.pixels, random) for one in found]),
    )


def auc(right: NDArray[np.bool_], scores: Features) -> float | None:
    """Area under the receiver operating curve: how often a right one scores higher than a wrong one."""
    rights, wrongs = scores[right], np.sort(scores[~right])
    if not len(rights) or not len(wrongs):
        return None
    below = np.searchsorted(wrongs, rights, "left") + np.searchsorted(wrongs, rights, "right")
    return round(float(below.sum()) / (2 * len(rights) * len(wrongs)), 3)


def believing_from(found: Sequence[Candidate], label: str, logits: Features, limit: float) -> float:
    """The logit that ``KEPT`` of the right candidates reach, of those that count and that the crop confirms."""
    counting = [one.right and one.label == label and one.score >= limit and one.closer > 0 for one in found]
    return float(np.quantile(logits[np.array(counting)], 1 - KEPT)) if any(counting) else 0.0


def judged(found: Sequence[Candidate], label: str, logits: Features, limit: float) -> dict[str, float | int | None]:
    """How the judge does beside the network's own scores: of all candidates, and of those that count and are confirmed
    by the crop (believed from logit 0 on)."""
    of = np.array([one.label == label for one in found])
    right = np.array([one.right for one in found])
    sure = of & np.array([one.score >= limit and one.closer > 0 for one in found])

    def believed(these: NDArray[np.bool_]) -> float | None:
        return round(float((logits[these] >= 0).mean()), 3) if these.any() else None

    return {
        "candidates": int(of.sum()),
        "auc_score": auc(right[of], np.array([one.score for one in found], np.float32)[of]),
        "auc_judge": auc(right[of], logits[of]),
        "confirmed_right": int((sure & right).sum()),
        "of_them_believed": believed(sure & right),
        "confirmed_wrong": int((sure & ~right).sum()),
        "of_those_believed": believed(sure & ~right),
    }


def make_judge(sample_data: Path, to: Path, card: Path, *, licensed_only: bool, seed: int, say: Say) -> dict[str, Any]:
    """Fit, export to ``to`` and name it in ``card``; answers what the card says of it."""
    torch.set_num_threads(1)  # small sums: on a busy machine threads would wait for one another
    profile = open_profile(card)
    pooling = Pooling(sample_data / "weights" / COCO_WEIGHTS)
    of_train = [one for one in _samples(sample_data, "train") if one.clear_licence or not licensed_only]
    train = examples(pooling, candidates(profile, of_train, seed=seed, say=say), seed)
    val = examples(pooling, candidates(profile, _samples(sample_data, "val"), seed=seed, say=say), seed)
    rows: dict[str, Row] = {}
    held_out, on_val = {}, {}
    for label in HAZARDS:
        limit, logits = profile.card.thresholds[label], train.held_out(label)
        begins = believing_from(train.candidates, label, logits, limit)
        whole = train.row(label, np.ones(len(train.candidates), np.bool_))
        rows[label] = Row(whole.weights, whole.bias - begins)
        held_out[label] = judged(train.candidates, label, logits - np.float32(begins), limit)
        on_val[label] = judged(val.candidates, label, rows[label].logits(val.plain), limit)
    facts = {
        "weights": to.name,
        "sha256": export_judge(pooling, rows, to),
        "labels": list(HAZARDS),
        "licensed_only": licensed_only,
        "cross_validated": held_out,
        "val": on_val,
        "licences": dict(Counter(one.licence for one in of_train).most_common()),
        "note": NOTE if any(not clear(one.licence) for one in of_train) else NOTE_CLEAR,
    }
    write_card(json.loads(card.read_text()) | {"judge": facts}, card)
    return facts


def _samples(sample_data: Path, split: str) -> list[Sample]:
    """Without sources that have boxes drawn into them, and the crowds that no street camera sees."""
    left_out = (*NEVER_TRAINED, DENSEST)
    return [one for one in read_samples(sample_data) if one.split == split and not one.path.name.startswith(left_out)]
