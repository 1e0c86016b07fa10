"""New weights beside the old ones: they look at some of the same pictures when nothing waits, and answer nobody.

What is compared is what would count: after the second look at a candidate, the judge's doubt and the count by density.
What only one of the two sees is kept with its picture, the newest so many, for a person to look through before the new
weights are promoted (``gateway shadow``).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from detectors.differences import differences
from detectors.input_size import input_for
from detectors.networks import Networks
from detectors.observation import Box, Detection
from gateway.streams.keyframes import smaller
from gateway.workers.camera.glimpse import STRIDE, Glimpse
from gateway.workers.camera.sight import Answer, Asks, Picture, Sight

log = structlog.get_logger(__name__)

EVERY = 10
"""One look in so many is looked at by the new weights too, and each in which the old ones see a hazard."""
MOST_KEPT = 500
FOLDER = "shadow"
_NAME = re.compile(r"[0-9]{15}-([0-9A-Za-z]{1,20})")
"""Of a difference: its time in milliseconds and the camera's code."""


class _GaveWay(Exception):
    """A look waits for the engine."""


class Shadow:
    """``folder``: where differences lie, each a JSON and a JPEG. The networks are its own, so that none of the engine's
    waits for it."""

    def __init__(self, networks: Networks, folder: Path) -> None:
        self.card = networks.detector.card
        self._networks = networks
        self._folder = folder
        self._numbers = itertools.count()
        self.looks = 0
        self.differing = 0
        self.given_way = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def wants(self, seen: Sequence[Detection]) -> bool:
        """Whether this look is one of those that are compared."""
        return next(self._numbers) % EVERY == 0 or any(one.label != "person" for one in seen)

    async def compare(
        self,
        code: str,
        glimpse: Glimpse,
        seen: Sequence[Detection],
        *,
        counts: bool = False,
        stalls: Box | None = None,
        idle: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take the looks at a picture that the engine takes for a camera, with the new weights and the networks
        beside them, and keep what would count otherwise than ``seen`` did; a fault of theirs hurts nobody.

        ``idle`` tells whether no look waits for the engine: asked before each step; the shadow gives way."""
        try:
            shown = await asyncio.to_thread(self._as_its_own_cameras, glimpse)
            look = await Sight().look(shown, self._asking(idle), count=counts, stalls=stalls)
            if look is None:
                return
            found = differences(seen, look.detections)
            self.looks += 1
            if found:
                kept = [asdict(one) for one in found]
                await asyncio.to_thread(self._keep, code, glimpse.arrival, glimpse.small, kept)
                self.differing += 1  # now that it can be looked at
        except _GaveWay:
            self.given_way += 1
        except Exception:
            log.exception("shadow_failed", camera=code)

    def _as_its_own_cameras(self, glimpse: Glimpse) -> Glimpse:
        """Made small as it is once these weights are in force: from the full picture, where their input takes more of
        it than the input of those in force did. Blocks."""
        (height, width), full = glimpse.small.shape[:2], glimpse.full()
        to_height, to_width = input_for(*full.shape[:2], self.card.input_size, STRIDE)
        made = smaller(full, to_width, to_height)
        return replace(glimpse, small=np.ascontiguousarray(made)) if made.size > height * width * 3 else glimpse

    def _asking(self, idle: Callable[[], bool]) -> Asks:
        """Asks the networks one question at a time, and none once a look waits: half a comparison is none."""
        turn, ended = asyncio.Lock(), False

        async def ask(picture: Picture, part: str) -> Answer | None:
            nonlocal ended
            async with turn:
                ended = ended or not idle()
                if ended:
                    raise _GaveWay
                seen = await asyncio.to_thread(self._networks.look, picture, part)
            return Answer(seen.detections, self.card, seen.judged)

        return ask

    def _keep(self, code: str, at: float, picture: NDArray[np.uint8], found: list[dict[str, Any]]) -> None:
        name = f"{round(at * 1000):015}-{code}"
        facts = {"at": at, "camera": code, "new_card": self.card.card_sha256, "differences": found}
        written, data = cv2.imencode(".jpg", picture)
        try:
            if written:
                (self._folder / f"{name}.jpg").write_bytes(data.tobytes())
            (self._folder / f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")
        finally:
            forget_oldest(self._folder)


def forget_oldest(folder: Path) -> None:
    """But the newest so many; pictures whose facts a killed process or a full disk did not write count as well."""
    kept = sorted({path.stem for path in folder.iterdir()})
    for name in kept[: max(0, len(kept) - MOST_KEPT)]:
        for kind in ("json", "jpg"):
            (folder / f"{name}.{kind}").unlink(missing_ok=True)


def forget_past(folder: Path, card: str | None) -> None:
    """Differences with other weights than those in shadow now (sha256 of their card; None: there are none): nobody
    looks through them any more, and a picture is kept no longer than what it is for."""
    current = {facts["id"] for facts in kept_differences(folder) if card is not None and facts.get("new_card") == card}
    for path in list(folder.glob("*.*")):
        if path.suffix in (".json", ".jpg") and path.stem not in current:
            path.unlink(missing_ok=True)


def kept_differences(folder: Path) -> Iterator[dict[str, Any]]:
    """The newest first, each with its ``id``. One that gives way to a newer one meanwhile, or is half written, is left
    out."""
    for path in sorted(folder.glob("*.json"), reverse=True):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        yield {**facts, "id": path.stem, "picture": str(path.with_suffix(".jpg"))}


def kept_picture(folder: Path, difference_id: str) -> tuple[str, bytes] | None:
    """The camera's code and the JPEG of a difference, or None where it is not kept."""
    name = _NAME.fullmatch(difference_id)
    if name is None:
        return None
    try:
        return name[1], (folder / f"{difference_id}.jpg").read_bytes()
    except OSError:
        return None
