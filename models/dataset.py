"""The training set as Ultralytics reads it: mosaics that keep the knowledge of what is unlabelled, and the look of
cameras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.classes import CLASSES
from models.looks import CameraLook
from models.torchvision_ops import register

register()

from ultralytics.data.augment import Compose, Mosaic  # noqa: E402  # the operators must be there before this import
from ultralytics.data.dataset import YOLODataset  # noqa: E402


class KnownMosaic(Mosaic):  # type: ignore[misc]  # ultralytics is untyped
    """A mosaic whose file name says what any of its four pictures leaves unlabelled (see ``models.loss``)."""

    def _cat_labels(self, mosaic_labels: list[dict[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = super()._cat_labels(mosaic_labels)
        gaps = {
            name for one in mosaic_labels for name in Path(one["im_file"]).stem.partition("@")[2].split("+") if name
        }
        made["im_file"] = "mosaic@" + "+".join(sorted(gaps, key=CLASSES.index)) + ".jpg" if gaps else "mosaic.jpg"
        return made


class HazardDataset(YOLODataset):  # type: ignore[misc]  # ultralytics is untyped
    """Ultralytics' dataset with mosaics that know their gaps, and the look of cameras."""

    look_seed = 0

    def build_transforms(self, hyp: Any) -> Any:
        made: Compose = super().build_transforms(hyp)
        if not self.augment:
            return made
        first = made.transforms[0].transforms
        first[0] = KnownMosaic(self, imgsz=self.imgsz, p=hyp.mosaic)
        made.transforms.insert(-1, CameraLook(self.look_seed))
        return made
