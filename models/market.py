"""Market scenes told by what ImageNet taught: see ``detectors.market``. Nothing is trained.

EfficientNet-Lite0 as ImageNet's thousand classes have it, asked at every place of the picture instead of once for all
of it: features averaged over three by three places, and the rows of weights that tell the classes. What is kept of the
answer is one class.
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from onnx import compose
from torch import nn
from torch.nn import functional

from models.efficientnet_lite import EfficientNetLite, imagenet_rows, imagenet_weights, opened

MARKET = 582
"""ImageNet's number of "grocery store, grocery, food market, market"."""
LIKELY = 0.5
"""Least score of a market scene: likelier than all other classes together. Of 104 crowds three come to it, each before
a shop counter open to the street; of 16 streets none (decision 0133)."""
SIDE = 32
"""The input is a multiple of it: each of five times half as large as before, and no row is left over."""
AROUND = 3
"""Places of the map, a side, that are averaged: a third of ImageNet's own pictures, which have seven."""
OUTPUT = "market"
NOTE = (
    "market scenes by ImageNet's class 582 (grocery store, market) of EfficientNet-Lite0 (Apache-2.0; trained on"
    " ImageNet, whose photos are from the web and for research), nothing added."
    " 集市场景取自 ImageNet 的 EfficientNet-Lite0。"
)


class MarketScenes(nn.Module):
    """``[1, 3, h, w]`` RGB 0..1, sides multiples of ``SIDE``, to ``[1, 2, h / 32, w / 32]``: how likely the class is,
    and its activation."""

    def __init__(self, network: EfficientNetLite, rows: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self._network = network
        self._classes = nn.Conv2d(rows.shape[1], len(rows), 1)
        self._classes.load_state_dict({"weight": rows[:, :, None, None], "bias": bias})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        near = functional.avg_pool2d(self._network.map(x), AROUND, 1, AROUND // 2, count_include_pad=False)
        activation = self._classes(near)
        likely = torch.softmax(activation, 1)
        return torch.cat((likely[:, MARKET : MARKET + 1], activation[:, MARKET : MARKET + 1]), 1)


def market_scenes() -> MarketScenes:
    """With ImageNet's weights. Raises ``ModuleNotFoundError`` where the training extra lacks them."""
    weights = imagenet_weights()
    return MarketScenes(opened(weights), *imagenet_rows(weights))


def exported(network: MarketScenes, image_size: tuple[int, int]) -> onnx.ModelProto:
    """ONNX of it, of any height and width that are multiples of ``SIDE``."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the sides come to is the same for all multiples
        file = Path(folder) / "market.onnx"
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, *image_size),),
            str(file),
            input_names=["images"],
            output_names=[OUTPUT],
            dynamic_axes={"images": {2: "height", 3: "width"}, OUTPUT: {2: "rows", 3: "columns"}},
            opset_version=17,
            dynamo=False,
        )
        return onnx.load(str(file))


def beside(model: onnx.ModelProto, scenes: onnx.ModelProto) -> onnx.ModelProto:
    """Both in one, asked about the same picture; the outputs of ``scenes`` come after those of ``model``."""
    (taken,) = model.graph.input
    added = compose.add_prefix(scenes, "scenes/", rename_outputs=False)
    (asked,) = added.graph.input
    for node in added.graph.node:
        for number, name in enumerate(node.input):
            if name == asked.name:
                node.input[number] = taken.name
    model.graph.node.extend(added.graph.node)
    model.graph.initializer.extend(added.graph.initializer)
    model.graph.output.extend(added.graph.output)
    onnx.checker.check_model(model)
    return model
