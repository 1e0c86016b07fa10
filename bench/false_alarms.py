"""Every distinct real clip as a camera: what is wrongly raised, what is missed, how soon a fire is told.

The clips go through the product's own looks, rules and alert life cycle in the clips' recorded time (as ``gateway
try`` does), with the domain's first values: this measures the rules and the weights, not how fast this machine is.
Live, a look waits for a keyframe or for the camera to be woken besides; `load` measures that.

Negative footage is shown once: what is repeated is no evidence. Its minutes are those that were watched: not what lay
between looks too far apart, nor a frozen picture. The bound is by the alerts raised in it, each counted. A rule that
waits for minutes is not tried by a clip of seconds: for how long each could have fired is given beside it.
A clip with a hazard is repeated until its rule's dwell is over, for few clips last so long. ``DATA=DIR`` judges other
footage: films whose names begin with the hazard they show (``fire_``, ``crowd_``, ``stall_``; anything else shows
none), and where the hazard begins later than the film ``video/begins.json``, ``{"name without ending": seconds}``;
what is raised before then is wrong. A film of whose scene there are pictures in the train or val part (by the folder's
manifest) is judged, and the time to a fire is given without it, too. One that cannot be read is left out, and counted.
"""

from __future__ import annotations

import asyncio
import math
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import gamma

from bench.footage import HAZARDS, Clip, FootageUnusable, clips_of
from bench.nearest_rank import p95
from bench.result import Figures, Result
from detectors.card import Card
from detectors.rules.config import DEFAULT_RULES
from gateway.refusals import Refusal
from gateway.workers.camera.sight import Asks
from gateway.workers.trial.engine import opened
from gateway.workers.trial.trial import Trial, try_rules
from models import shipped
from models.refusals import DataRefused

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
class Judged:
    """A clip, what was wrongly raised in it (hazards, one for each alert), the seconds that were watched, and of those
    for each hazard the ones in which its rule could have fired. ``delays``: from where a hazard begins until it is
    told; infinite where it never is."""

    clip: Clip
    false: tuple[str, ...]
    watched: float
    could_fire: Mapping[str, float]
    delays: tuple[float, ...] = ()


async def false_alarms() -> Result:
    """See the head of this module. Figures are None where there is no footage."""
    folder = os.environ.get("DATA") or os.environ.get("GATEWAY_SAMPLE_DATA")
    if not folder or not (Path(folder) / "video").is_dir():
        say("no footage: set GATEWAY_SAMPLE_DATA, or DATA=DIR with a folder video/")
        return Result("false_alarms", dict.fromkeys(TARGETS), TARGETS)
    try:
        clips = await asyncio.to_thread(clips_of, Path(folder) / "video")
    except (FootageUnusable, DataRefused) as unusable:
        say(str(unusable))
        return Result("false_alarms", dict.fromkeys(TARGETS), TARGETS)
    detector, ask = await asyncio.to_thread(opened, "auto", shipped.CARD)
    say(f"{detector.card.name} {detector.card.sha256[:12]}; rules as they come; {len(clips)} clips, in recorded time")
    judged = list[Judged]()
    for clip in clips:
        try:
            judged.append(await _judged(clip, ask, detector.card))
        except Refusal as refusal:
            say(f"{clip.path.name}: left out: {refusal.en}")
        else:
            say(_told(judged[-1]))
    return Result("false_alarms", figures(judged, left_out=len(clips) - len(judged)), TARGETS)


def figures(judged: Sequence[Judged], left_out: int = 0) -> Figures:
    """Of all clips together; None where there are none to say it by."""
    negative = [one for one in judged if one.clip.hazard is None]
    hazards = [one for one in judged if one.clip.hazard is not None]
    fires = [one for one in hazards if one.clip.hazard == "fire"]
    seconds = sum(one.watched for one in negative)
    alerts = sum(len(one.false) for one in negative)
    return {
        "negative_minutes": round(seconds / 60, 2),
        **{
            f"negative_minutes_{hazard}_could_fire": round(sum(one.could_fire[hazard] for one in negative) / 60, 2)
            for hazard in HAZARDS
        },
        "scenes": float(len(judged)),
        "films_left_out": float(left_out),
        "negative_scenes": float(len(negative)),
        "false_alerts_in_negative_scenes": float(alerts) if negative else None,
        "scenes_with_false_alert": float(sum(bool(one.false) for one in judged)) if judged else None,
        "upper_bound_per_camera_day": round(upper_bound(alerts) * SECONDS_A_DAY / seconds, 1) if seconds else None,
        "hazards": float(len(hazards)),
        "hazards_missed": float(sum(math.inf in one.delays for one in hazards)) if hazards else None,
        "hazards_of_learnt_scenes": float(sum(one.clip.learnt for one in hazards)),
        "fire_alert_p95_s": p95([delay for one in fires for delay in one.delays]),
        "fire_alert_p95_s_without_learnt_scenes": p95(
            [delay for one in fires if not one.clip.learnt for delay in one.delays]
        ),
        "stall_hazards": float(sum(one.clip.hazard == "stall" for one in hazards)) or None,
    }


async def _judged(clip: Clip, ask: Asks, card: Card) -> Judged:
    """Raises ``Refusal`` for a film that cannot be read, or shows its hazard at no time."""
    once = await try_rules(clip.path, DEFAULT_RULES, ask, card)
    if not once.looks:
        raise _useless(clip, "未解码出画面", "no picture could be made of it")
    if once.cut:
        say(f"{clip.path.name}: judged until {once.seconds:.0f} s; the rest is left out")
    if clip.hazard is not None and clip.begins > once.seconds:
        raise _useless(
            clip, f"险情在录像结束后才开始（{clip.begins} 秒）", f"its hazard begins after it, {clip.begins} s"
        )
    delays = await delays_of(clip, ask, card) if clip.hazard is not None else ()
    watched = watched_seconds(once)
    could_fire = dict.fromkeys(HAZARDS, 0.0)
    for rule in once.rules:
        if not rule.blind:
            could_fire[rule.hazard] += max(0.0, watched - rule.off_hours_seconds - rule.needs_seconds)
    return Judged(clip, false_alerts(clip, once), watched, could_fire, delays)


def false_alerts(clip: Clip, once: Trial) -> tuple[str, ...]:
    """The hazard of each alert in a clip that shows another, none, or this one only later."""
    return tuple(alert.hazard for alert in once.alerts if alert.hazard != clip.hazard or alert.raised_at < clip.begins)


def watched_seconds(once: Trial) -> float:
    """Seconds of a film in which every rule watched."""
    return max(0.0, once.seconds - once.unseen_seconds - once.frozen_seconds)


async def delays_of(clip: Clip, ask: Asks, card: Card) -> tuple[float, ...]:
    """Seconds from the hazard's beginning to its alert; infinite: never. A fire from several moments between two
    looks."""
    delays: list[float] = []
    hazard = clip.hazard or ""
    for phase in PHASES if hazard == "fire" else PHASES[:1]:
        trial = await try_rules(
            clip.path,
            DEFAULT_RULES,
            ask,
            card,
            repeat_until=clip.begins + SHOWN_FOR[hazard],
            first_look=clip.begins + phase,
            until_raised=hazard,
        )
        raised = [alert.raised_at for alert in trial.alerts if alert.hazard == hazard]
        delays.append(round(min(raised) - clip.begins, 1) if raised else math.inf)
    return tuple(delays)


def upper_bound(events: int) -> float:
    """Of a Poisson mean, one-sided, where so many events were seen (Garwood 1936; 3.0 for none)."""
    return float(gamma.ppf(CONFIDENCE, events + 1))


def _told(one: Judged) -> str:
    wrongly = f"wrongly raised: {dict(Counter(one.false)) or 'nothing'}"
    if one.clip.hazard is None:
        return f"{one.clip.path.stem:30} {one.watched:6.1f} s watched; {wrongly}"
    known = " (its scene was trained on)" if one.clip.learnt else ""
    delays = ", ".join("never" if math.isinf(delay) else f"{delay}" for delay in one.delays)
    return f"{one.clip.path.stem:30} {one.clip.hazard} told after {delays} s; {wrongly}{known}"


def _useless(clip: Clip, zh: str, en: str) -> Refusal:
    return Refusal("invalid", "footage_unusable", f"录像 {clip.path.name}：{zh}。", f"the film {clip.path.name}: {en}")
