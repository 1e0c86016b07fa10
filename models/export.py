"""Exports a checkpoint to ONNX: raw output ``[1, 4 + classes, N]``, boxes as centre and size in input pixels."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from models.torchvision_ops import register

LARGEST = 20_000_000
"""Bytes; larger weights do not belong into the repository."""


def export_onnx(checkpoint: Path, to: Path, *, image_size: tuple[int, int]) -> str:
    """Write ``to`` and answer its sha256. ``image_size``: height and width in px; the export takes others too."""
    register()
    from ultralytics import YOLO

    import models.loss  # noqa: F401  # the checkpoint's class

    os.environ.setdefault("YOLO_OFFLINE", "true")
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder) / checkpoint.name
        shutil.copy(checkpoint, copied)
        made = Path(YOLO(copied).export(format="onnx", imgsz=list(image_size), dynamic=True, simplify=False, opset=17))
        data = made.read_bytes()
    if len(data) > LARGEST:
        raise ValueError(f"the export has {len(data)} bytes, more than {LARGEST}")
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(data)
    return hashlib.sha256(data).hexdigest()
