"""A YOLOv8n for our classes that begins with what COCO taught: weights read from an exported ONNX file.

The export has batch normalisation folded into the convolutions. ``unfold_batch_norm`` takes it apart again: the
statistics are measured on pictures, scale and shift undo them, so that the network computes what it did before, and
training, which normalises by each batch, starts from the same place.
The class branch keeps COCO's 80 channels (a fresh four-class head would have 64 and throw them away); only its last
layer is new: the person row is copied, fire, smoke and stall begin near nothing.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from onnx import numpy_helper

from detectors.refusals import WeightsRefused
from models.classes import CLASSES, PERSON
from models.loss import HazardModel
from models.onnx_file import read_network

COCO_PERSON = 0
ALIKE = 0.01
"""How far weights may differ, as a share of the largest of their layer, to be the same: batch normalisation is taken
apart and folded in again with the statistics of other pictures."""


def folded_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The named convolution weights and biases of an Ultralytics ONNX export. Raises ``WeightsRefused`` where it is no
    ONNX file."""
    graph = read_network(path).graph
    return {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
        if tensor.name.startswith("model.") and tensor.name.endswith((".weight", ".bias"))
    }


def coco_network(export: Path) -> Any:
    """COCO's YOLOv8n of 80 classes as its ONNX export has it. Raises ``WeightsRefused`` where that is another one's."""
    network: Any = HazardModel("yolov8n.yaml", ch=3, nc=80, verbose=False)
    _load_folded(network, folded_tensors(export), export)
    return network


def hazard_network(begin: Path | None) -> Any:
    """A ``HazardModel`` for our classes, begun from an export of COCO's or of ours; None: from scratch. Raises
    ``WeightsRefused`` where it is an export of another network."""
    network: Any = HazardModel("yolov8n.yaml", ch=3, nc=80, verbose=False)
    tensors = folded_tensors(begin) if begin is not None else {}
    detect = network.model[-1]
    ours = any(name.endswith("cv3.0.2.bias") and len(tensor) == len(CLASSES) for name, tensor in tensors.items())
    if begin is not None and not ours:
        _load_folded(network, tensors, begin)
    for level, branch in enumerate(detect.cv3):
        old = branch[-1]
        new: Any = torch.nn.Conv2d(old.in_channels, len(CLASSES), 1)
        with torch.no_grad():
            new.weight.normal_(0, 0.01)
            new.bias.fill_(math.log(5 / len(CLASSES) / (640 / float(detect.stride[level])) ** 2))
            if begin is not None and not ours:
                new.weight[PERSON] = old.weight[COCO_PERSON]
                new.bias[PERSON] = old.bias[COCO_PERSON]
        branch[-1] = new
    detect.nc = len(CLASSES)
    detect.no = detect.nc + detect.reg_max * 4
    network.nc = len(CLASSES)
    network.yaml["nc"] = len(CLASSES)
    network.names = dict(enumerate(CLASSES))
    if begin is not None and ours:
        _load_folded(network, tensors, begin)
    return network


def coco_layers(coco: Path, number: int) -> list[Any]:
    """The first ``number`` layers of COCO's YOLOv8n (Ultralytics), each with ``f``, the layers it takes from; without
    batch normalisation, whose weights the convolutions carry."""
    network: Any = HazardModel("yolov8n.yaml", ch=3, nc=80, verbose=False).eval()
    _load_folded(network, folded_tensors(coco), coco)
    for module in network.modules():
        norm = getattr(module, "bn", None)
        if isinstance(norm, torch.nn.BatchNorm2d):
            module.conv = torch.nn.utils.fuse_conv_bn_eval(module.conv, norm)
            module.bn = torch.nn.Identity()
    return list(network.model[:number])


def begin_alike(one: Path, other: Path, layers: int) -> bool:
    """Whether two exports have the same first ``layers`` layers, as where they were frozen in training."""
    first, second = folded_tensors(one), folded_tensors(other)
    names = [name for name in second if int(name.split(".")[1]) < layers]
    return all(
        name in first
        and first[name].shape == second[name].shape
        and float((first[name] - second[name]).abs().max()) <= ALIKE * float(second[name].abs().max())
        for name in names
    )


def _load_folded(network: Any, tensors: dict[str, torch.Tensor], of: Path) -> None:
    """Raises ``WeightsRefused`` where the tensors, of that file, are not all that this network has."""
    left = {name: tensor for name, tensor in tensors.items() if "dfl" not in name}

    def load(into: torch.Tensor, name: str) -> None:
        found = left.pop(name, None)
        if found is None or found.shape != into.shape:  # one number would be copied everywhere
            raise _another_network(of, name)
        into.copy_(found)

    for name, module in network.named_modules():
        convolution, norm = getattr(module, "conv", None), getattr(module, "bn", None)
        with torch.no_grad():
            if isinstance(convolution, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
                load(convolution.weight, f"{name}.conv.weight")
                _identity(norm)
                load(norm.bias, f"{name}.conv.bias")
            elif isinstance(module, torch.nn.Conv2d) and module.bias is not None:
                load(module.weight, f"{name}.weight")
                load(module.bias, f"{name}.bias")
    if left:
        raise _another_network(of, min(left))


def _another_network(of: Path, layer: str) -> WeightsRefused:
    return WeightsRefused(
        "weights_foreign",
        f"{of} 不是 COCO 或本产品的 YOLOv8n 浮点 ONNX 导出（{layer} 不符）：请改用 COCO、出厂或自己导出的权重",
        f"{of} is no float ONNX export of COCO's YOLOv8n or of ours ({layer} does not fit): name COCO's, the shipped"
        " weights, or an export of your own",
    )


def _identity(norm: Any) -> None:
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.fill_(1)


def unfold_batch_norm(network: Any, pictures: torch.Tensor) -> None:
    """Give every batch normalisation the statistics of ``pictures`` (N×3×H×W, 0..1) and the scale that undoes them."""
    seen: dict[Any, list[tuple[torch.Tensor, torch.Tensor]]] = {}
    hooks = []
    for module in network.modules():
        norm = getattr(module, "bn", None)
        if isinstance(norm, torch.nn.BatchNorm2d):
            seen[norm] = []
            hooks.append(norm.register_forward_pre_hook(_keep_moments(seen[norm])))
    network.eval()
    with torch.no_grad():
        for batch in pictures.split(8):
            network(batch)
        for hook in hooks:
            hook.remove()
        for norm, moments in seen.items():
            mean = torch.stack([first for first, _ in moments]).mean(dim=0)
            square = torch.stack([second for _, second in moments]).mean(dim=0)
            variance = (square - mean * mean).clamp(min=1e-4)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(variance)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)


def _keep_moments(kept: list[tuple[torch.Tensor, torch.Tensor]]) -> Any:
    def hook(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        values = inputs[0].float()
        kept.append((values.mean(dim=(0, 2, 3)), (values * values).mean(dim=(0, 2, 3))))

    return hook
