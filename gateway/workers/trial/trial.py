"""Tries rules on a film, or on the log of what was seen at a camera: the same rules and alert life cycle as live, in
the film's or log's own time.

Pictures come exactly when the rules want them (live they wait for a keyframe, or for the camera to be woken), and the
engine is asked as often as needed, so that none is dropped. Rules that are off are tried as if they were on: it is
before it is armed that a rule is tried. Officers' rejections hold back what they would hold back of the camera now.
While the picture stands frozen fire alone is watched for. Where a rule did not watch, and what was held back, the
result says. In a log the looks are those that were taken: where the camera was away, or asleep, there is none, as there
was none live, and of a camera that turns those of the rules' own view count alone. People were counted with care, and
parts of stalls looked for, where rules of that time wanted it: for how long a tried rule needs more is said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, Literal

from detectors.asked import falls_short
from detectors.card import Card
from detectors.observation import Look
from detectors.rules.config import RuleConfig
from detectors.rules.parsing import UnusableRule
from detectors.rules.rule import LONGEST_GAP, Phase, Verdict
from detectors.rules.schedule import CITY_TIME, seconds_off
from detectors.sees import can_fire
from detectors.suppression import Suppression
from detectors.watch import CameraWatch, RuleKey
from gateway.refusals import Refusal
from gateway.streams.upright import upright
from gateway.workers.camera.glimpse import of_decoded
from gateway.workers.camera.incident import Incident, Raise, advance, end_lapsed, holds
from gateway.workers.camera.look_log import logged_looks, reach
from gateway.workers.camera.look_plan import is_due
from gateway.workers.camera.looks import AT_LEAST_EVERY
from gateway.workers.camera.sight import Asks, Sight
from gateway.workers.trial.film import frames
from gateway.workers.trial.stillness import Stillness

LONGEST = 4 * 3600.0
"""Seconds of a film that are tried; that more came, which was left out, is said."""
LOOKS_HOURS = 24.0
"""Of a log, those that are tried where nobody says how many: last night is among the newest, whenever one asks."""
MOST_ALERTS, MOST_STRETCHES = 100, 3000
"""A trial that has told so many ends: whoever reads it knows enough, and the answer stays within bounds."""
END_AFTER: Mapping[str, float] = {"fire": 60.0, "crowd": 60.0, "stall": 600.0}
Progress = Callable[[float], None]
"""Told the seconds of the film that have been gone through."""
Shown = Literal["well", "frozen", "other_view"]
"""How a camera's picture is: as it should be, the same again and again, or of a view that the rules are not for."""


@dataclass(frozen=True, slots=True)
class TrialAlert:
    """An alert that would have been raised. Seconds since the film's beginning; ``why`` as a live alert carries it."""

    hazard: str
    zone: str
    hazard_from: float
    raised_at: float
    score: float
    why: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A run of looks in which a rule said the same; ``progress`` is the nearest it came to firing. ``held_back``: the
    ids of the rejections without which it would have fired, however near it came with them."""

    hazard: str
    zone: str
    phase: Phase
    start: float
    end: float
    progress: float
    score: float
    held_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleTried:
    """How far a rule watched. ``off``: it is turned off, and was tried as if it were on. ``off_hours_seconds``: of the
    film, those outside the rule's hours. ``needs_seconds``: how long a hazard must be in sight before it fires.
    ``blind``: the weights cannot tell what it waits for at all. ``unasked_seconds``: of a log, those in which what the
    rule needs was not asked, no rule of that time having wanted it (``detectors.asked``): what it says then is by less
    than it would have seen."""

    hazard: str
    zone: str
    off: bool
    off_hours_seconds: float
    needs_seconds: float
    blind: bool
    unasked_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class UnusableTried:
    """A rule of the camera that cannot be used as it is: it does not watch, and was not tried. ``zh``, ``en``: why."""

    hazard: str
    zone: str
    zh: str
    en: str

    @classmethod
    def of(cls, one: UnusableRule) -> UnusableTried:
        said = one.rule if isinstance(one.rule, Mapping) else {}
        return cls(str(said.get("kind", "")), str(said.get("zone", "")), one.why.zh, one.why.en)


@dataclass(slots=True)
class Trial:
    """``seconds`` of a film that began at ``starts_at`` (since the epoch), gone through in ``looks`` looks by the
    weights of ``weights_sha256``. ``cut``: the film goes on; what comes after ``LONGEST``, or after so much was told,
    was not tried. ``unseen_seconds``: of all, those between looks too far apart for a rule to know what lay between;
    ``frozen_seconds``: those in which the picture was known to stand frozen, so that fire alone was watched for;
    ``other_view_seconds``: those in which the camera looked elsewhere, where other rules hold.
    ``log_from``: since when the log goes back, seconds since the epoch; None: of a film.
    ``rejections``: how many of officers' were heeded; None: the rules were tried for no camera, none are known."""

    starts_at: float = 0.0
    seconds: float = 0.0
    looks: int = 0
    unseen_seconds: float = 0.0
    frozen_seconds: float = 0.0
    other_view_seconds: float = 0.0
    weights_sha256: str = ""
    cut: bool = False
    log_from: float | None = None
    rejections: int | None = None
    rules: list[RuleTried] = field(default_factory=list)
    unusable: list[UnusableTried] = field(default_factory=list)
    alerts: list[TrialAlert] = field(default_factory=list)
    timeline: list[Stretch] = field(default_factory=list)

    @property
    def watched_throughout(self) -> bool:
        """Whether every rule watched all that was gone through, and that was long enough to fire: only then does no
        alert say anything of them."""
        unwatched = self.unseen_seconds or self.frozen_seconds or self.other_view_seconds
        return bool(self.looks and self.rules and not self.unusable and not unwatched) and not any(
            one.blind or one.off_hours_seconds or one.unasked_seconds or one.needs_seconds > self.seconds
            for one in self.rules
        )

    @property
    def told_enough(self) -> bool:
        return len(self.alerts) >= MOST_ALERTS or len(self.timeline) >= MOST_STRETCHES

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def try_rules(
    film: Path,
    rules: Sequence[RuleConfig],
    ask: Asks,
    card: Card,
    *,
    rejections: Sequence[Suppression] | None = None,
    starts_at: float = 0.0,
    repeat_until: float = 0.0,
    first_look: float = 0.0,
    until_raised: str | None = None,
    end_after: Mapping[str, float] = END_AFTER,
    seen: Callable[[Look], None] = lambda _look: None,
    progress: Progress = lambda _seconds: None,
) -> Trial:
    """``rejections``: officers', of the camera and view that the rules are for; None: they are for none.
    ``first_look``: seconds of the film that pass before it is looked at. ``until_raised``: end with the first alert of
    this hazard. ``starts_at``: seconds since the epoch at which the film began, by which a rule's hours count. ``seen``
    hears of each look (a log of them can be replayed). Raises ``Refusal`` for a film that cannot be read."""
    watch, sight = CameraWatch([_armed(rule) for rule in rules], rejections or ()), Sight()
    stillness = Stillness()
    trial = Trial(starts_at, rejections=None if rejections is None else len(rejections))
    telling = _Telling(trial, watch, starts_at, end_after)
    last = -1e9
    for at, frame in frames(film, repeat_until=repeat_until):
        if at > LONGEST:
            trial.cut = True
            break
        trial.seconds = at
        stillness.came(frame)
        if at < first_look or not is_due(at, last, min(watch.next_look_within, AT_LEAST_EVERY), at):
            continue
        last = at
        glimpse = of_decoded(upright(frame), card.input_size, starts_at + at, "main")
        watch.frozen = stillness.frozen
        stillness.judge(glimpse)
        progress(at)
        if not watch.keys:
            telling.unwatched(at, "frozen" if watch.frozen else "well")
            continue
        counts, stalls = watch.counts_people(starts_at + at), watch.stalls_within(starts_at + at)
        look = await sight.look(glimpse, ask, count=counts, stalls=stalls)
        if look is None:
            continue
        trial.weights_sha256 = look.weights
        seen(look)
        telling.looked(look)
        if trial.told_enough:
            trial.cut = True
            break
        if until_raised is not None and any(alert.hazard == until_raised for alert in trial.alerts):
            break
    telling.end()
    trial.rules = [_tried(rule, card, starts_at, starts_at + trial.seconds) for rule in rules]
    return trial


def try_rules_on_looks(
    log: Path,
    rules: Sequence[RuleConfig],
    card: Card,
    *,
    view: str | None = "",
    rejections: Sequence[Suppression] | None = None,
    starts_at: float | None = None,
    hours: float | None = None,
    progress: Progress = lambda _seconds: None,
) -> Trial:
    """``log``: what was seen at a camera (``gateway.workers.camera.look_log``). ``card``: of the weights in force,
    which say what rules can be told at all. ``view``: that which the rules are for, as ``AssignCamera.preset``; looks
    that do not say of which view they are count as of this one. ``starts_at``: since when, seconds since the epoch, for
    so many ``hours`` (None: ``LOOKS_HOURS``); None: the newest hours. No network is asked: a night takes seconds.
    Raises ``Refusal`` for a log that holds no look, or none of then."""
    armed, rejected = [_armed(rule) for rule in rules], rejections or ()
    needing = {RuleKey(rule.kind, rule.zone): rule for rule in armed}
    watch, here = CameraWatch(armed, rejected), True
    trial, telling = Trial(rejections=None if rejections is None else len(rejections)), None
    span = 3600 * (LOOKS_HOURS if hours is None else hours)
    try:
        if (held := reach(log)) is None:
            raise Refusal("invalid", "looks_missing", "分析记录中没有任何画面。", "The log holds no look.")
        oldest, newest = (one.look.at for one in held)
        trial.log_from = oldest
        begun, ended = (newest - span, newest) if starts_at is None else (starts_at, starts_at + span)
        for one in logged_looks(log, unsaid=view):
            look = one.look
            if not begun <= look.at <= ended:
                trial.cut = trial.cut or (look.at > ended and starts_at is not None)
                continue
            if telling is None:
                trial.starts_at = look.at
                telling = _Telling(trial, watch, look.at, END_AFTER)
            trial.seconds = max(trial.seconds, look.at - trial.starts_at)
            if here != (one.view == view):
                here = not here
                watch.replace(armed if here else (), rejected)
                telling.turned()
            if here:
                watch.frozen = one.frozen
                trial.weights_sha256 = look.weights
                short = [key for key in watch.keys if falls_short(one.asked, needing[key], look, card)]
                telling.looked(look, unasked=short)
            else:
                telling.unwatched(look.at - trial.starts_at, "other_view")
            progress(trial.seconds)
            if trial.told_enough:
                trial.cut = True
                break
    except OSError as error:
        raise Refusal(
            "invalid", "looks_unreadable", f"分析记录无法读取：{error.strerror}", f"cannot be read: {error.strerror}"
        ) from error
    if telling is None:
        since, until = (f"{datetime.fromtimestamp(at, CITY_TIME):%Y-%m-%d %H:%M}" for at in (oldest, newest))
        raise Refusal(
            "invalid",
            "looks_not_of_then",
            f"该时段没有分析记录：记录自 {since} 至 {until}。",
            f"The log holds no look of then: it goes from {since} to {until}.",
            field="starts_at",
        )
    telling.end()
    ended = trial.starts_at + trial.seconds
    trial.rules = [
        replace(
            _tried(rule, card, trial.starts_at, ended), unasked_seconds=telling.unasked[RuleKey(rule.kind, rule.zone)]
        )
        for rule in rules
    ]
    return trial


def _armed(rule: RuleConfig) -> RuleConfig:
    return rule.model_copy(update={"enabled": True})


def _tried(rule: RuleConfig, card: Card, begun: float, ended: float) -> RuleTried:
    off_hours = seconds_off(rule.hours, begun, ended)
    needs = rule.seen_seconds if rule.kind == "fire" else rule.dwell_seconds
    return RuleTried(rule.kind, rule.zone, not rule.enabled, off_hours, needs, not can_fire(rule, card))


class _Telling:
    """Makes alerts and a timeline of what the rules say."""

    def __init__(self, trial: Trial, watch: CameraWatch, starts_at: float, end_after: Mapping[str, float]) -> None:
        self._trial = trial
        self._watch = watch
        self._starts_at = starts_at
        self._end_after = end_after
        self._incidents: dict[RuleKey, Incident] = {}
        self._open: dict[RuleKey, Stretch] = {}
        self._ids = count()
        self._past_at = 0.0
        self._shown: Shown = "well"
        self.unasked: defaultdict[RuleKey, float] = defaultdict(float)
        """Seconds of each rule in which it needed more than was asked."""
        self._unasked: Collection[RuleKey] = ()

    def looked(self, look: Look, unasked: Collection[RuleKey] = ()) -> None:
        """What the rules that watch say of it. ``unasked``: those of them that needed more than was asked."""
        self._trial.looks += 1
        self._past(look.at - self._starts_at, "frozen" if self._watch.frozen else "well", unasked)
        end_lapsed(self._incidents, self._watch, look.at, self._end_after)
        said = self._watch.observe(look)
        for key, verdict in said:
            self._said(key, verdict, look)
        self._close_all_but({key for key, _ in said})

    def unwatched(self, at: float, shown: Shown) -> None:
        """No rule watches the picture as it is now."""
        self._past(at, shown)
        self._close_all_but(())

    def turned(self) -> None:
        """To another view, or back: as live everything begins anew."""
        self._close_all_but(())
        self._incidents.clear()

    def end(self) -> None:
        self._past(self._trial.seconds, "well")
        self._close_all_but(())
        self._trial.timeline.sort(key=lambda one: (one.start, one.hazard, one.zone))

    def _past(self, at: float, shown: Shown, unasked: Collection[RuleKey] = ()) -> None:
        """Time has gone by until ``at``; ``shown``: how the picture is from then on; ``unasked``: of which rules."""
        gap = max(0.0, at - self._past_at)
        if gap > LONGEST_GAP:
            self._trial.unseen_seconds += gap
        elif self._shown == "frozen":
            self._trial.frozen_seconds += gap
        elif self._shown == "other_view":
            self._trial.other_view_seconds += gap
        else:
            for key in self._unasked:
                self.unasked[key] += gap
        self._past_at, self._shown, self._unasked = at, shown, unasked

    def _said(self, key: RuleKey, verdict: Verdict, look: Look) -> None:
        at = look.at - self._starts_at
        self._stretch(key, verdict, at)
        before = self._incidents.get(key, Incident())
        if holds(before, self._watch):
            return
        after, steps = advance(
            before, verdict.phase, look.at, end_after=self._end_after[key.kind], new_id=lambda: str(next(self._ids))
        )
        self._incidents[key] = after
        if any(isinstance(step, Raise) for step in steps):
            since = look.at if verdict.hazard_from is None else verdict.hazard_from
            self._trial.alerts.append(
                TrialAlert(
                    key.kind,
                    key.zone,
                    since - self._starts_at,
                    at,
                    verdict.score,
                    self._watch.reasons(key, verdict, look),
                )
            )

    def _stretch(self, key: RuleKey, verdict: Verdict, at: float) -> None:
        last = self._open.get(key)
        said = Stretch(
            key.kind, key.zone, verdict.phase, at, at, verdict.progress, verdict.score, tuple(verdict.held_back)
        )
        if last is not None and (last.held_back or last.phase) == (said.held_back or said.phase):
            said = replace(
                said,
                start=last.start,
                progress=max(last.progress, said.progress),
                score=max(last.score, said.score),
            )
        elif last is not None:
            self._close(last)
        self._open[key] = said

    def _close_all_but(self, keys: Collection[RuleKey]) -> None:
        for key in [one for one in self._open if one not in keys]:
            self._close(self._open.pop(key))

    def _close(self, stretch: Stretch) -> None:
        if stretch.phase != "idle" or stretch.held_back:
            self._trial.timeline.append(stretch)
