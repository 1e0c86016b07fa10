"""Networks that stand beside the detector's weights and are named by their card: checked, and the small ones run.

One picture in, one array or several out, on OpenVINO where it is installed, else on ONNX Runtime.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.any_size import model_takes_any_size, session_takes_any_size
from detectors.refusals import WeightsRefused
from detectors.weights import LARGEST
from detectors.whole_file import FileTooLarge, whole_file

QUANTISED = ("量化模型", "quantised network")
"""What the detector's own network in 8-bit integers is called."""

Run = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], ...]]


@dataclass(frozen=True, slots=True)
class Runner:
    """A network that is loaded; call it with its input, ``[1, 3, h, w]``, for its first output, or ``run`` it for all.
    ``any_size``: of any height and width; else of those that it was exported with."""

    run: Run
    any_size: bool

    def __call__(self, tensor: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.run(tensor)[0]


def checked(weights: Path, sha256: str, zh: str, en: str) -> bytes:
    """The file's bytes. ``zh``, ``en``: what the network is called. Raises ``WeightsRefused`` where it is not there or
    not the one that the card names."""
    try:
        data = whole_file(weights, LARGEST)
    except FileTooLarge as error:
        raise WeightsRefused(
            "weights_too_large",
            f"{zh} {weights} 过大（{error.size} 字节）",
            f"the {en} {weights} has {error.size} bytes",
        ) from error
    except OSError as error:
        raise WeightsRefused(
            "weights_missing", f"找不到{zh} {weights}", f"the {en} {weights} is not there: {error.strerror}"
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise WeightsRefused(
            "weights_damaged",
            f"{zh} {weights} 与模型卡的校验值不符，请重新安装",
            f"the {en} {weights} does not match its card's sha256: install it again",
        )
    return data


def runner(data: bytes, threads: int, zh: str, en: str, *, bfloat16: bool = False) -> Runner:
    """What runs the network; with ``bfloat16`` in it, where the processor computes so itself. Raises ``WeightsRefused``
    where the runtime cannot load it."""
    try:
        return _openvino(data, threads, bfloat16) if find_spec("openvino") else _onnxruntime(data, threads)
    except Exception as error:  # the runtimes' own errors have no common class
        raise WeightsRefused("weights_unusable", f"{zh}无法加载", f"the {en} cannot be loaded: {error}") from error


def _openvino(data: bytes, threads: int, bfloat16: bool) -> Runner:
    import openvino

    core = openvino.Core()
    precision = "bf16" if bfloat16 and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
    options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision, "ENABLE_CPU_PINNING": False}
    model = core.read_model(data)
    network = core.compile_model(model, "CPU", options)
    return Runner(lambda tensor: tuple(map(np.asarray, network(tensor).values())), model_takes_any_size(model))


def _onnxruntime(data: bytes, threads: int) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return Runner(
        lambda tensor: tuple(map(np.asarray, session.run(None, {name: tensor}))), session_takes_any_size(session)
    )
