"""Weights on OpenVINO: the default on a CPU.

Where the processor multiplies 8-bit integers by itself and the card names a quantised file, that is computed, its few
layers in floats as the card's own file would be; elsewhere the card's own file is.

The network takes the picture as it is, BGR bytes; turning it into RGB floats is part of the graph, where it costs a
fraction of what numpy takes. Its head is cut open where it can be (``detectors.dfl_head``). A network that takes any
size is compiled once for each shape of picture that comes.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino.preprocess import ColorFormat, PrePostProcessor

from detectors.any_size import model_takes_any_size
from detectors.beside import QUANTISED, checked
from detectors.boxes import SIDES, chosen, detections
from detectors.card import Card
from detectors.dfl_head import DflHead, cut_open
from detectors.input_size import input_for
from detectors.letterbox import Placement, canvas, shows_nothing
from detectors.observation import Detection
from detectors.plan import Plan
from detectors.processor import multiplies_bytes
from detectors.refusals import WeightsRefused, classes_differ
from detectors.weights import checked_weights

MOST_SHAPES = 6
"""Of pictures, for each usual input. A compiled one takes some 50 MB; in a service pictures of further shapes are laid
into the usual input."""
SPARE = 1
"""Requests beyond the streams: one picture is laid out and its boxes are made while the others are computed."""


class _Network:
    """The network compiled for one input, with its requests. ``opened``: its head is cut open."""

    def __init__(self, size: tuple[int, int], compiled: openvino.CompiledModel, requests: int, *, opened: bool) -> None:
        self.size = size
        self._answers = compiled.outputs if opened else compiled.outputs[:1]
        levels = [(level.shape[1], level.shape[2]) for level in self._answers[:-1]]
        self._head = DflHead.of(size, levels) if opened else None
        self.idle: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
        for _ in range(requests):
            self.idle.put(compiled.create_infer_request())

    def seen(
        self,
        request: openvino.InferRequest,
        classes: Sequence[str],
        thresholds: Mapping[str, float],
        placement: Placement,
    ) -> tuple[Detection, ...]:
        """What it says of the picture that lies in the request."""
        answers = request.infer(share_outputs=True)
        *levels, last = (np.asarray(answers[answer][0], np.float32) for answer in self._answers)
        if self._head is None:
            return detections(last, classes, thresholds, placement)
        return chosen(last, partial(self._head.boxes, levels), classes, thresholds, placement)


class OpenVinoDetector:
    """May be called from several threads; each call takes a request of its own. ``any_shapes``: see
    ``open_detector``."""

    def __init__(self, card_path: Path, plan: Plan, *, any_shapes: bool = False) -> None:
        self._any_shapes = any_shapes
        self._card, weights = checked_weights(card_path)
        self._plan = plan
        self._core = openvino.Core()
        self._floats = "bf16" if self._card.precision == "bf16" and _has_bfloat16(self._core) else "f32"
        quantised = self._card.quantised if multiplies_bytes() else None
        self._in_bytes = quantised is not None or self._card.precision == "int8"
        file = weights.read_bytes()  # by its path, tensors would be taken from files that no sha256 vouches for
        if quantised is not None:
            weights = card_path.parent / quantised.weights
            file = checked(weights, quantised.sha256, *QUANTISED)
        self._compiling = threading.Lock()
        self._networks: dict[tuple[int, int], _Network] = {}
        self._shapes: dict[tuple[int, int], set[tuple[int, int]]] = {}
        """By usual input, the inputs of pictures that were not laid into it."""
        try:
            model = self._core.read_model(file)
            self._any_size = model_takes_any_size(model)
            said = model.output(0).partial_shape
            opened = cut_open(model)
            self._opened = opened is not None
            self._model = _taking_bytes(opened or model)
            self._network(self._card.input_size)
        except (RuntimeError, IndexError) as error:
            raise WeightsRefused(
                "weights_unusable", f"模型权重无法加载：{weights}", f"OpenVINO cannot load {weights}: {error}"
            ) from error
        if said.rank.is_static and said.rank.get_length() > 1 and said[1].is_static:
            channels = said[1].get_length()
            if channels != SIDES + len(self._card.classes):
                raise classes_differ(channels - SIDES, self._card.classes)

    @property
    def card(self) -> Card:
        return self._card

    @property
    def precision(self) -> str:
        if self._in_bytes:
            return "int8"
        return "bf16" if self._floats == "bf16" else "fp32"

    @property
    def at_once(self) -> int:
        return self._plan.streams + SPARE

    @property
    def compiling(self) -> bool:
        return self._compiling.locked()

    def detect(
        self,
        picture: NDArray[np.uint8],
        *,
        thresholds: Mapping[str, float] | None = None,
        input_size: tuple[int, int] | None = None,
    ) -> tuple[Detection, ...]:
        network = self._network_for(picture, input_size or self._card.input_size)
        request = network.idle.get()
        try:
            _, placement = canvas(picture, network.size, request.get_input_tensor(0).data[0])
            if shows_nothing(picture):  # after it was copied: the processor has it at hand
                return ()
            return network.seen(request, self._card.classes, thresholds or self._card.thresholds, placement)
        finally:
            network.idle.put(request)

    def _network_for(self, picture: NDArray[np.uint8], usual: tuple[int, int]) -> _Network:
        if not self._any_size:
            return self._network(self._card.input_size)
        size = input_for(picture.shape[0], picture.shape[1], usual, self._card.stride)
        shapes = self._shapes.setdefault(usual, {usual})
        if size not in shapes and len(shapes) >= MOST_SHAPES and not self._any_shapes:
            return self._network(usual)
        shapes.add(size)
        return self._network(size)

    def _network(self, size: tuple[int, int]) -> _Network:
        found = self._networks.get(size)
        if found is not None:
            return found
        with self._compiling:
            if size not in self._networks:
                model = self._model.clone()
                model.reshape([1, *size, 3])
                options = {
                    "PERFORMANCE_HINT": "THROUGHPUT",
                    "NUM_STREAMS": self._plan.streams,
                    "INFERENCE_NUM_THREADS": self._plan.threads,
                    "INFERENCE_PRECISION_HINT": self._floats,
                    "ENABLE_CPU_PINNING": False,
                }
                compiled = self._core.compile_model(model, "CPU", options)
                self._networks[size] = _Network(size, compiled, self.at_once, opened=self._opened)
            return self._networks[size]


def _has_bfloat16(core: openvino.Core) -> bool:
    """Whether the CPU computes in bfloat16 itself; imitating it would be slower than floats."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _taking_bytes(model: openvino.Model) -> openvino.Model:
    """The model with ``[1, h, w, 3]`` BGR bytes for its input instead of ``[1, 3, h, w]`` RGB 0..1."""
    steps = PrePostProcessor(model)
    tensor = steps.input().tensor()
    tensor.set_element_type(openvino.Type.u8)
    tensor.set_layout(openvino.Layout("NHWC"))
    tensor.set_color_format(ColorFormat.BGR)
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    work = steps.input().preprocess()
    work.convert_element_type(openvino.Type.f32)
    work.convert_color(ColorFormat.RGB)
    work.scale(255.0)
    return steps.build()
