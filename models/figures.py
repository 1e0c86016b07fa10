"""The figures of a shipped profile on labelled pictures: what the bench prints and the card says.

Pictures come from a folder laid out as the sample data; without its manifest all of them are judged and their labels
are taken to be whole. Fire and smoke are judged in ``fire/``, stalls in ``stall/``, people's recall in ``coco/`` (there
not everybody is labelled) and their precision in ``crowd/``'s gatherings, where every head is marked: a box is right
when a head of its own lies in its upper half.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from detectors import augmented
from detectors.card import Card
from detectors.card_file import load_card
from detectors.closer import HAZARDS, MOST_CROPS, Crop, crops, lies_in, with_second_look
from detectors.cues import CueFinder, open_cues
from detectors.density import DensityCounter, crowded, more_people, open_density
from detectors.engine import Detector, EngineName, open_detector
from detectors.judge import Judge, View, open_judge, part_of
from detectors.observation import Detection
from detectors.rules.cues import all_stalls
from detectors.rules.fire_proof import confirms
from models import evaluate
from models.evaluate import LeaveOut, Seen, fires_and_others, judge, threshold_for_recall
from models.sample_data import Sample, Split, read_samples
from models.sample_files import read_picture

LOW = 0.02
"""Boxes below this score do not move an average precision."""
CCTV = "abo_"
"""Beginning of the names of camera frames; other pictures are photos."""
DENSE, DENSEST = "shtB_", "shtA_"
"""Beginnings of the names of dense crowds; other pictures with heads marked are gatherings. Part A (hundreds to
thousands of people, web photos) is no street camera's view and not judged."""
FOUND_SHARE = 0.9

Figures = dict[str, float | None]
Say = Callable[[str, int, int], None]
"""Told what is being looked at, how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What runs: a card, its network, its counter of crowds, its judge of a second look."""

    card: Card
    detector: Detector
    density: DensityCounter | None
    judge: Judge | None = None
    cues: CueFinder | None = None

    def at_thresholds(self, found: Sequence[Detection]) -> tuple[Detection, ...]:
        """What the shipped profile sees of it."""
        return tuple(one for one in found if one.score >= self.card.thresholds[one.label])

    def look(self, picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """What is seen in a picture down to low scores, looked at once."""
        return self.detector.detect(picture, thresholds=self.card.thresholds_to(LOW))

    def look_twice(self, picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """What is seen in a picture, as a camera is looked at: augmented, with a second look at what counts as fire or
        smoke and what the judge says of it. Below the thresholds the judge says it too, as it would at lower ones."""
        found = augmented.look(self.detector, picture, lowest=LOW)
        counting = self.at_thresholds(found)
        parts = crops(counting)
        if self.judge is not None and len(parts) < MOST_CROPS:
            others = [one for one in found if not any(lies_in(one.box, part) for part in parts)]
            parts = (*parts, *crops(others)[: MOST_CROPS - len(parts)])
        looked = []
        for box in parts:
            part = part_of(picture, box)
            counts = any(one.label in HAZARDS and lies_in(one.box, box) for one in counting)
            again = self.detector.detect(part) if counts else ()
            looked.append(Crop(box, again, self._judged(part, "crop")))
        return with_second_look(found, looked, self._judged(picture, "whole"))

    def with_cues(self, picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """What is seen in a picture, and the stalls that are told by their parts or as a market scene."""
        found = self.look(picture)
        return (*found, *all_stalls(self.cues.find(picture))) if self.cues is not None else found

    def _judged(self, picture: NDArray[np.uint8], view: View) -> Mapping[str, float]:
        return {} if self.judge is None else self.judge.judged(picture, view)

    def count(self, sample: Sample, found: Sequence[Detection]) -> int:
        """People in a picture, as the engine counts them."""
        seen = self.at_thresholds(found)
        if self.density is not None and crowded(seen, self.card.density):
            seen = more_people(seen, self.density.people(read_picture(sample.path)))
        return sum(one.label == "person" for one in seen)


def open_profile(card_path: Path, engine: EngineName = "auto", threads: int = 1) -> Profile:
    """The shipped network and counter. Pictures come one at a time: more threads would wait for one another more than
    they gain on a machine that others use too. Each is looked at as a camera of its shape is, whichever came before.
    Raises ``WeightsRefused``."""
    return Profile(
        load_card(card_path),
        open_detector(engine, card_path, threads, any_shapes=True),
        open_density(card_path, threads),
        open_judge(card_path, threads),
        open_cues(card_path, threads),
    )


def look(profile: Profile, folder: Path, split: Split, say: Say) -> dict[str, list[Seen]]:
    """Everything the profile sees in a split, by folder: ``fire``, ``stall``, ``coco``, ``crowd``. Raises
    ``DataRefused``."""
    return look_at(profile, [one for one in read_samples(folder) if one.split == split], say)


def look_at(
    profile: Profile, samples: Sequence[Sample], say: Say, leave_out: LeaveOut | None = None
) -> dict[str, list[Seen]]:
    """Everything the profile sees in these pictures, by folder; ``leave_out``: see ``evaluate.look_at``."""
    seen: dict[str, list[Seen]] = {}
    for kind in ("fire", "stall", "coco", "crowd"):
        chosen = [one for one in samples if one.folder == kind and not one.path.name.startswith(DENSEST)]
        sees = {"fire": profile.look_twice, "stall": profile.with_cues}.get(kind, profile.look)
        seen[kind] = evaluate.look_at(sees, chosen, kind, say, leave_out)
    return seen


def figures(profile: Profile, seen: Mapping[str, Sequence[Seen]]) -> Figures:
    """All figures at the profile's thresholds; None where there is nothing to judge."""
    limits = profile.card.thresholds
    found: Figures = {
        "fire_map50": judge(seen["fire"], "fire", limits["fire"]).ap50,
        "smoke_map50": judge(seen["fire"], "smoke", limits["smoke"]).ap50,
        "person_recall": evaluate.recall(seen["coco"], "person", limits["person"]),
        **_fire_pictures(seen["fire"], limits["fire"]),
        **_stalls(seen["stall"], limits["stall"]),
        **_crowds(profile, seen["crowd"]),
    }
    return {name: None if value is None else round(value, 4) for name, value in found.items()}


def _fire_pictures(seen: Sequence[Seen], threshold: float) -> Figures:
    result: Figures = {}
    for of, chosen in (
        ("", list(seen)),
        ("_photos", [one for one in seen if not one.name.startswith(CCTV)]),
        ("_cctv", [one for one in seen if one.name.startswith(CCTV)]),
    ):
        fires, others = fires_and_others(chosen)
        result[f"fire_picture_recall{of}"] = evaluate.picture_share(fires, "fire", threshold)
        result[f"hard_negative_fire_share{of}"] = evaluate.picture_share(others, "fire", threshold)
        result[f"fire_told_at_once{of}"] = _told_at_once(fires, threshold)
        result[f"hard_negative_told_at_once{of}"] = _told_at_once(others, threshold)
        if of and fires:
            point = threshold_for_recall(fires, "fire", FOUND_SHARE)
            result[f"hard_negative_fire_share{of}_where_90_found"] = evaluate.picture_share(others, "fire", point)
    return result


def _told_at_once(seen: Sequence[Seen], threshold: float) -> float | None:
    """Share of the pictures in which fire is seen, confirmed by the second look: the rule asks no more of it than time.
    What fills so much of the picture that it gets no second look counts too."""
    told = [
        any(
            one.label == "fire" and one.score >= threshold and (one.closer is None or confirms(one))
            for one in picture.found
        )
        for picture in seen
    ]
    return sum(told) / len(told) if told else None


def _stalls(seen: Sequence[Seen], threshold: float) -> Figures:
    judged = judge(seen, "stall", threshold)
    interval = evaluate.ap_interval(seen, "stall", seed=7)
    return {
        "stall_ap50": judged.ap50,
        "stall_ap50_low": interval[0] if interval else None,
        "stall_ap50_high": interval[1] if interval else None,
        "stall_precision": judged.precision,
        "stall_recall": judged.recall,
    }


def _crowds(profile: Profile, seen: Sequence[Seen]) -> Figures:
    errors: dict[str, list[float]] = {"gathering_mae": [], "shtechb_mae": []}
    boxes = right = 0
    for one in seen:
        heads = evaluate.heads(one.sample)
        dense = one.name.startswith(DENSE)
        errors["shtechb_mae" if dense else "gathering_mae"].append(
            abs(profile.count(one.sample, one.found) - len(heads))
        )
        if not dense:
            people = [box.box for box in profile.at_thresholds(one.found) if box.label == "person"]
            boxes += len(people)
            right += evaluate.boxes_with_a_head(people, heads)
    return {
        **{name: fmean(values) if values else None for name, values in errors.items()},
        "person_precision": right / boxes if boxes else None,
    }
