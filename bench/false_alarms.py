"""Every distinct real clip as a camera: what is wrongly raised, what is missed, how soon a fire is told.

The clips go through the product's own looks, rules and alert life cycle in the clips' recorded time (as ``gateway
try`` does), with the domain's first values: this measures the rules and the weights, not how fast this machine is.
Live, a look waits for a keyframe or for the camera to be woken besides; `load` measures that.

Negative footage is shown once: what is repeated is no evidence. A clip with a hazard is repeated until its rule's
dwell is over, for few clips last so long. ``DATA=DIR`` judges other footage: films whose names begin with the hazard
they show (``fire_``, ``crowd_``, ``stall_``; anything else shows none), and where the hazard begins later than the
film ``video/begins.json``, ``{"name without ending": seconds}``. A film of whose scene there are pictures in the train
or val part (by the folder's manifest) is judged, and the time to a fire is given without it, too.
"""

from __future__ import annotations

import asyncio
import csv
import json
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from bench.result import Result
from detectors.card import Card
from detectors.rules.config import DEFAULT_RULES
from gateway.workers.camera.sight import Asks
from gateway.workers.trial.engine import opened
from gateway.workers.trial.film import frames
from gateway.workers.trial.trial import try_rules
from models import shipped

FILMS = frozenset({".mp4", ".mkv", ".avi", ".mov", ".ts", ".webm", ".gif"})
HAZARDS = ("fire", "crowd", "stall")
BEGINS = {"fire_night_blast_overlay": 1.2}
"""Seconds at which a hazard of the sample data begins, where it is not there from the first picture on."""
SHOWN_FOR = {"fire": 30.0, "crowd": 90.0, "stall": 330.0}
"""A clip with a hazard is repeated for so long: the rule's dwell and the time in which its alert is due."""
PHASES = (0.0, 0.5, 1.0, 1.5)
"""A camera is looked at every two seconds: a fire begins at any time between two looks."""
CONFIDENCE = 0.95
TARGETS = {"scenes_with_false_alert": ("==", 0.0), "hazards_missed": ("==", 0.0), "fire_alert_p95_s": ("<=", 10.0)}
SECONDS_A_DAY = 86_400.0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Clip:
    path: Path
    hazard: str | None
    begins: float
    seconds: float
    learnt: bool
    """Pictures of its scene were trained on, or chosen by."""


async def false_alarms() -> Result:
    """See the head of this module. Figures are None where there is no footage."""
    folder = os.environ.get("DATA") or os.environ.get("GATEWAY_SAMPLE_DATA")
    if not folder or not (Path(folder) / "video").is_dir():
        say("no footage: set GATEWAY_SAMPLE_DATA, or DATA=DIR")
        return Result("false_alarms", dict.fromkeys(TARGETS), TARGETS)
    clips = await asyncio.to_thread(clips_of, Path(folder) / "video")
    detector, ask = await asyncio.to_thread(opened, "auto", shipped.CARD)
    say(f"{detector.card.name} {detector.card.sha256[:12]}; rules as they come; {len(clips)} clips, in recorded time")
    wrong, missed, hazards, fire_seconds, unlearnt_fire_seconds = 0, 0, 0, list[float](), list[float]()
    negative_seconds, negatives = 0.0, 0
    for clip in clips:
        once = await try_rules(clip.path, DEFAULT_RULES, ask, detector.card)
        false = sorted({alert.hazard for alert in once.alerts if alert.hazard != clip.hazard})
        wrong += bool(false)
        if clip.hazard is None:
            negatives, negative_seconds = negatives + 1, negative_seconds + clip.seconds
            say(f"{clip.path.stem:30} {clip.seconds:6.1f} s  wrongly raised: {false or 'nothing'}")
            continue
        hazards += 1
        delays = await delays_of(clip, ask, detector.card)
        missed += None in delays
        if clip.hazard == "fire":
            seconds = [delay if delay is not None else math.inf for delay in delays]
            fire_seconds += seconds
            unlearnt_fire_seconds += [] if clip.learnt else seconds
        known = " (its scene was trained on)" if clip.learnt else ""
        say(f"{clip.path.stem:30} {clip.hazard} told after {delays} s; wrongly raised: {false or 'nothing'}{known}")
    days = negative_seconds / SECONDS_A_DAY
    figures: dict[str, float | None] = {
        "negative_minutes": round(negative_seconds / 60, 2),
        "scenes": float(len(clips)),
        "negative_scenes": float(negatives),
        "scenes_with_false_alert": float(wrong),
        "upper_bound_per_camera_day": round(upper_bound(wrong) / days, 1) if days else None,
        "hazards": float(hazards),
        "hazards_missed": float(missed),
        "hazards_of_learnt_scenes": float(sum(clip.learnt and clip.hazard is not None for clip in clips)),
        "fire_alert_p95_s": _p95(fire_seconds),
        "fire_alert_p95_s_without_learnt_scenes": _p95(unlearnt_fire_seconds),
        "stall_hazards": float(sum(clip.hazard == "stall" for clip in clips)) or None,
    }
    return Result("false_alarms", figures, TARGETS)


def clips_of(folder: Path) -> list[Clip]:
    """The films of a folder, each once, with what it shows."""
    told: Mapping[str, float] = BEGINS
    if (folder / "begins.json").is_file():
        told = json.loads((folder / "begins.json").read_text())
    learnt = learnt_films(folder.parent / "MANIFEST.tsv")
    found = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in FILMS:
            hazard = next((name for name in HAZARDS if path.stem.startswith(name)), None)
            last = max((at for at, _ in frames(path)), default=0.0)
            found.append(Clip(path, hazard, float(told.get(path.stem, 0.0)), last, path.name in learnt))
    return found


def learnt_films(manifest: Path) -> frozenset[str]:
    """Names of the films of whose scene the manifest has a picture in train or val; none without a manifest."""
    if not manifest.is_file():
        return frozenset()
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = [(Path(row["file"]), row["split"], row["scene"]) for row in csv.DictReader(file, delimiter="\t")]
    learnt = {scene for _, split, scene in rows if split in ("train", "val")}
    return frozenset(place.name for place, _, scene in rows if place.parts[0] == "video" and scene in learnt)


async def delays_of(clip: Clip, ask: Asks, card: Card) -> list[float | None]:
    """Seconds from the hazard's beginning to its alert; None: never. A fire from several moments between two looks."""
    delays: list[float | None] = []
    hazard = clip.hazard or ""
    for phase in PHASES if hazard == "fire" else PHASES[:1]:
        trial = await try_rules(
            clip.path,
            DEFAULT_RULES,
            ask,
            card,
            repeat_until=SHOWN_FOR[hazard],
            first_look=clip.begins + phase,
            until_raised=hazard,
        )
        raised = [alert.raised_at for alert in trial.alerts if alert.hazard == hazard]
        delays.append(round(min(raised) - clip.begins, 1) if raised else None)
    return delays


def upper_bound(events: int) -> float:
    """Of a Poisson mean, one-sided, where so many events were seen (by bisection; 3.0 for none)."""

    def chance_of_so_few(mean: float) -> float:
        return sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(events + 1))

    low, high = 0.0, 10.0 + 5 * events
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if chance_of_so_few(middle) > 1 - CONFIDENCE else (low, middle)
    return high


def _p95(seconds: list[float]) -> float | None:
    if not seconds or math.inf in seconds:
        return None
    return round(quantiles(seconds, n=20, method="inclusive")[-1], 1) if len(seconds) > 1 else seconds[0]
