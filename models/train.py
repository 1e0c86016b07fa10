"""Trains the hazard network on a prepared set, with Ultralytics' trainer: progress, checkpoints, resume, seed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from detectors.cores import cores
from models import record
from models.coco_init import begin_alike, coco_network, hazard_network, unfold_batch_norm
from models.dataset import HazardDataset
from models.mixture import mixture
from models.origin import taught_before
from models.refusals import DataRefused
from models.sample_files import read_picture

from ultralytics.models.yolo.detect import DetectionTrainer  # isort: skip  # after coco_init, which readies torchvision


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training run is made of. ``image_size`` is the longer side in px; ``device`` as Ultralytics names it.

    ``hours`` above 0 ends the run after that time instead of after ``epochs``; the learning rate falls accordingly.
    ``threads`` 0: all cores. On a machine that others use too, 1 trains several times as many pictures a second of
    processor time, as threads that wait for one another spin.
    """

    epochs: int = 14
    image_size: int = 480
    batch: int = 16
    seed: int = 7
    device: str = "cpu"
    learning_rate: float = 0.001
    frozen_layers: int = 4
    mosaic: float = 0.4
    hours: float = 0.0
    threads: int = 0
    teacher: str | None = None
    """COCO's export, whose people are the target for people."""
    teacher_weight: float = 2.0
    """How often what the teacher says counts, against the labels of the other classes."""


def train(
    prepared: Path,
    begin: Path | None,
    out: Path,
    recipe: Recipe,
    *,
    resume: bool,
    progress: Callable[[int, int], None],
) -> Path:
    """Train and give back the last checkpoint, an average of the run's last steps (``out/run/weights/last.pt``).

    ``begin``: an ONNX export of YOLOv8n, of COCO's classes or of ours; None begins from nothing. ``resume`` goes on
    with the last checkpoint of ``out``, whose recipe this must be. Raises FileNotFoundError without one, or without a
    set; ``DataRefused`` where that run has ended, ``WeightsRefused`` as ``refuse_foreign``.
    """
    os.environ.setdefault("YOLO_OFFLINE", "true")
    last = out / record.CHECKPOINT
    description = out / record.DESCRIPTION
    for needed in (description, last) if resume else (prepared / record.DESCRIPTION,):
        if not needed.exists():
            raise FileNotFoundError(needed)
    if not resume:
        teacher = Path(recipe.teacher) if recipe.teacher is not None else None
        refuse_foreign(begin, teacher)
        network = hazard_network(begin)
        network.teacher, network.teacher_weight = recipe.teacher, recipe.teacher_weight
        if begin is not None and teacher is not None and begin_alike(begin, teacher, recipe.frozen_layers):
            network.frozen_layers = recipe.frozen_layers  # the same as the teacher's: computed once
        record.begin(out, prepared, facts(recipe, begin), *(file for file in (begin, teacher) if file is not None))
        _mixed(prepared, out)
        if begin is not None:
            unfold_batch_norm(network, _sample(prepared, recipe))
    else:
        network = None
        _refuse_what_has_ended(last)
    trainer = _trainer(network, recipe.seed)(
        overrides=_settings(description, out, recipe) | ({"resume": str(last)} if resume else {})
    )
    trainer.args.workers = 1  # on a CPU Ultralytics takes none: the network then waits for the next pictures
    trainer.add_callback("on_train_epoch_end", lambda t: progress(t.epoch + 1, t.epochs))
    # Ultralytics leaves one core idle on a CPU: of two, that is half.
    trainer.add_callback("on_train_start", lambda _: torch.set_num_threads(recipe.threads or cores()))
    trainer.train()
    return last


def refuse_foreign(begin: Path | None, teacher: Path | None) -> None:
    """Before anything is written: raises ``WeightsRefused`` where a run could not begin from these weights, the card
    beside them cannot be read, or the teacher is not COCO's network; ``OSError`` where one is not there."""
    if begin is not None:
        hazard_network(begin)
        taught_before(begin)
    if teacher is not None:
        coco_network(teacher)


def facts(recipe: Recipe, begin: Path | None) -> dict[str, Any]:
    """A run's recipe as it is kept: files by their names."""
    names = {
        "teacher": Path(recipe.teacher).name if recipe.teacher else None,
        "begun_from": begin.name if begin else None,
    }
    return asdict(recipe) | names


def recipe_from(kept: Mapping[str, Any], out: Path) -> Recipe:
    """The recipe of ``facts``; its teacher is by name alone, as a run that goes on has it in its checkpoint. Raises
    ``DataRefused`` where it is none."""
    try:
        return Recipe(**{field.name: kept[field.name] for field in fields(Recipe)})
    except KeyError as missing:
        raise record.unrecorded(out) from missing


def _refuse_what_has_ended(last: Path) -> None:
    if torch.load(last, map_location="cpu", weights_only=False)["epoch"] < 0:  # as Ultralytics leaves the last one
        raise DataRefused(
            "run_ended",
            last,
            "训练已完成：请用 gateway models export 导出，或重新训练（不带 --resume）",
            "the run has come to its end: export it, or train anew without --resume",
        )


def _mixed(prepared: Path, out: Path) -> None:
    """Write the set's description with the epoch's mixture as its training pictures."""
    files = sorted((prepared / "images" / "train").absolute().iterdir())
    (out / "train.txt").write_text("\n".join(str(file) for file in mixture(files)))
    description = (prepared / record.DESCRIPTION).read_text()
    described = description.replace("train: images/train", f"train: {out.absolute()}/train.txt")
    (out / record.DESCRIPTION).write_text(described)


def _trainer(network: Any, seed: int) -> type[Any]:
    class HazardTrainer(DetectionTrainer):  # type: ignore[misc]  # ultralytics is untyped
        """Trains the network given, or the checkpoint's own on resume."""

        def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
            return network if network is not None else weights

        def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
            if mode != "train":
                return super().build_dataset(img_path, mode, batch)
            made = HazardDataset(
                img_path=img_path,
                imgsz=self.args.imgsz,
                batch_size=batch,
                augment=True,
                hyp=self.args,
                cache=self.args.cache or None,
                data=self.data,
            )
            made.look_seed = seed
            return made

        def setup_model(self) -> Any:
            if network is None:
                return super().setup_model()
            self.model = network
            return None

    return HazardTrainer


def _settings(description: Path, out: Path, recipe: Recipe) -> dict[str, Any]:
    return {
        "model": "yolov8n.yaml",
        "data": str(description),
        "project": str(out.absolute()),
        "name": "run",
        "exist_ok": True,
        "epochs": recipe.epochs,
        "imgsz": recipe.image_size,
        "batch": recipe.batch,
        "seed": recipe.seed,
        "device": recipe.device,
        "freeze": recipe.frozen_layers,
        "optimizer": "AdamW",
        "lr0": recipe.learning_rate,
        "cos_lr": True,
        "warmup_epochs": 0.5,
        "amp": False,  # the network does it itself: see HazardModel
        "nbs": recipe.batch,  # a step for each batch: few pictures, few steps
        "mosaic": recipe.mosaic,
        "close_mosaic": 0,  # half of the pictures come whole all along
        "hsv_h": 0.01,  # colour is what tells fire
        "hsv_s": 0.4,
        "hsv_v": 0.4,
        "scale": 0.5,
        "degrees": 3.0,
        "val": False,
        "time": recipe.hours or None,
        "workers": 1,
        "cache": "ram",
        "plots": False,
    }


def _sample(prepared: Path, recipe: Recipe) -> torch.Tensor:
    """Forty-eight training pictures as the network reads them."""
    files = sorted((prepared / "images" / "train").iterdir())
    chosen = np.random.default_rng(recipe.seed).choice(len(files), min(48, len(files)), replace=False)
    side = recipe.image_size
    pictures = [cv2.resize(read_picture(files[int(number)]), (side, side)) for number in chosen]
    stacked = np.stack([picture[:, :, ::-1].transpose(2, 0, 1) for picture in pictures])
    return torch.from_numpy(np.ascontiguousarray(stacked)).float() / 255
