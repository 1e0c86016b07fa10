"""How often each training picture is shown in an epoch, and mosaics that keep the knowledge of what is unlabelled."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from models.classes import CLASSES
from models.looks import CameraLook
from models.torchvision_ops import register

register()

from ultralytics.data.augment import Compose, Mosaic  # noqa: E402  # the operators must be there before this import
from ultralytics.data.dataset import YOLODataset  # noqa: E402

SHARES: tuple[tuple[str, float], ...] = (
    ("fire_neg_", 4),
    ("fire_xia_", 2),
    ("fire_abo_", 0.6),
    ("coco_", 4),
    ("stall_", 2),
)
"""By the beginning of the name: times an epoch shows it, or the share of such pictures that is used; else once.

Hard negatives count most: a false fire costs more than anything. The xia photos have the small, tight flames; the
frames of one CCTV scene repeat one another.
"""


def mixture(files: Sequence[Path]) -> Iterator[Path]:
    """The files of an epoch, some several times, some left out; the same for the same files."""
    for file in files:
        times = next((times for prefix, times in SHARES if file.name.startswith(prefix)), 1.0)
        chance = zlib.crc32(file.name.encode()) / 2**32
        yield from [file] * (int(times) + (chance < times - int(times)))


class KnownMosaic(Mosaic):  # type: ignore[misc]  # ultralytics is untyped
    """A mosaic whose file name says what any of its four pictures leaves unlabelled (see ``models.loss``)."""

    def _cat_labels(self, mosaic_labels: list[dict[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = super()._cat_labels(mosaic_labels)
        gaps = {name for one in mosaic_labels for name in Path(one["im_file"]).stem.partition("@")[2].split("+") if name}
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
