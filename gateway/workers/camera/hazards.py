"""The hazards of one camera: each look goes to the rules, each rule's verdicts become clips and alerts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from detectors.observation import Box, Look
from detectors.rules.config import RuleConfig
from detectors.rules.rule import Phase, Verdict
from detectors.suppression import Suppression
from detectors.watch import CameraWatch, RuleKey
from gateway.processes.messages import AlertRaised, HeldBack, Message
from gateway.storage.ids import new_id
from gateway.workers.camera.evidence import LEAD, CameraEvidence
from gateway.workers.camera.incident import BeginClip, DropClip, End, Incident, Raise, Seen, advance, end_lapsed, holds
from gateway.workers.camera.look_plan import Wish

JPEG = Callable[[], bytes]
FIRST_LOOK = 2.0
"""Seconds between two looks while no rule has been answered: without an engine no camera is woken for nothing."""
HELD_BACK_EVERY = 60.0
"""Seconds between two reports of what a rejection holds back."""
IN_SIGHT = frozenset({"candidate", "half_way"})
"""Phases of what is in sight and not told yet: its camera comes first where not all can be awake."""


class CameraHazards:
    """``end_after``: seconds until the alert of a released hazard ends, by hazard. ``ring_seconds``: how far the ring
    reaches back; a clip begins before that much of a hazard has passed, though the rule is not half way yet."""

    def __init__(
        self,
        code: str,
        rules: Sequence[RuleConfig],
        evidence: CameraEvidence,
        *,
        end_after: Mapping[str, float],
        ring_seconds: float,
        suppressions: Sequence[Suppression] = (),
        view: str | None = "",
        tell: Callable[[Message], None] = lambda _message: None,
    ) -> None:
        self._tell = tell
        self._view = view
        self.raised = 0
        self._told_held_back: dict[str, float] = {}
        self._code = code
        self._watch = CameraWatch(rules, suppressions)
        self._evidence = evidence
        self._end_after = end_after
        self._ring_seconds = ring_seconds
        self._incidents: dict[RuleKey, Incident] = {}
        self._in_sight: frozenset[RuleKey] = frozenset()

    def picture_is(self, *, frozen: bool) -> None:
        """Whether the camera sends the same picture again and again. Only a fire is then watched for; what has been
        raised is not taken to be seen: if the picture stands still for as long as an alert lasts, it has ended."""
        self._watch.frozen = frozen

    @property
    def watching(self) -> bool:
        """Whether any rule wants a look at the pictures as they are now."""
        return bool(self._watch.keys)

    @property
    def wish(self) -> Wish:
        """How soon the rules want to look again, and whether that is because one of them has something in sight."""
        in_sight = self._in_sight.intersection(self._watch.keys)
        return Wish(
            self._watch.next_look_within or FIRST_LOOK,
            urgent=bool(in_sight),
            fire=any(key.kind == "fire" for key in in_sight),
        )

    @property
    def urgency(self) -> float:
        """How many times as bad as an idle camera's it would be to leave its next picture out."""
        return self._watch.urgency

    def counts_people(self, at: float) -> bool:
        """Whether a rule counts people at that time, so that a gathering is worth counting with care."""
        return self._watch.counts_people(at)

    def stalls_within(self, at: float) -> Box | None:
        """Where parts of a stall are looked for at that time; None: no rule watches for stalls."""
        return self._watch.stalls_within(at)

    def observe(self, look: Look, jpeg: JPEG) -> None:
        """``jpeg`` makes the snapshot of the picture looked at; it blocks, and is called in a thread."""
        for lapsed in end_lapsed(self._incidents, self._watch, look.at, self._end_after):
            self._evidence.ended(lapsed.alert_id, lapsed.at)
        said = self._watch.observe(look)
        self._in_sight = frozenset(key for key, verdict in said if verdict.phase in IN_SIGHT)
        for key, verdict in said:
            self._advance(key, verdict, look, jpeg)
            for name in verdict.held_back:
                self._say_held_back(name, look.at)

    def replace(
        self, rules: Sequence[RuleConfig], at: float, suppressions: Sequence[Suppression] = (), view: str | None = ""
    ) -> None:
        """Run these rules from now on in this view, heeding these rejections. The alerts of rules that are gone end,
        and those that were rejected: what fires then is another hazard, of which nobody has heard. In another view
        everything begins anew: what was seen at a place says nothing of what lies there now."""
        gone = self._watch.replace(()) if view != self._view else ()
        self._view = view
        for key in (*gone, *self._watch.replace(rules, suppressions)):
            incident = self._incidents.pop(key, Incident())
            if incident.alert_id is not None:
                self._leave(incident.alert_id, incident.raised, at)
        rejected = {alert_id for one in suppressions for alert_id in one.alerts}
        for key, incident in self._incidents.items():
            if incident.alert_id is not None and incident.raised and incident.alert_id in rejected:
                self._watch.dismiss(key, at)
                self._evidence.ended(incident.alert_id, at)
                self._incidents[key] = Incident()

    def over(self, alert_id: str) -> None:
        """Control has ended the alert long ago, having heard nothing of it: what fires on is raised anew."""
        for key, incident in self._incidents.items():
            if incident.raised and incident.alert_id == alert_id:
                self._incidents[key] = Incident()

    def _advance(self, key: RuleKey, verdict: Verdict, look: Look, jpeg: JPEG) -> None:
        at = look.at
        before = self._incidents.get(key, Incident())
        if holds(before, self._watch):
            return
        incident, steps = advance(
            before,
            self._phase(verdict, at),
            at,
            end_after=self._end_after[key.kind],
            new_id=new_id,
        )
        self._incidents[key] = incident
        hazard_from = verdict.hazard_from if verdict.hazard_from is not None else at
        for step in steps:
            match step:
                case BeginClip(alert_id):
                    self._evidence.begin_clip(alert_id, hazard_from)
                case DropClip(alert_id):
                    self._evidence.drop_clip(alert_id)
                case Raise(alert_id):
                    self.raised += 1
                    self._evidence.raise_alert(self._alert(alert_id, key, verdict, hazard_from, look), jpeg)
                case Seen(alert_id):
                    self._evidence.seen(alert_id, at, verdict.score, partial(self.over, alert_id))
                case End(alert_id, ended_at):
                    self._evidence.ended(alert_id, ended_at)

    def _say_held_back(self, name: str, at: float) -> None:
        if not 0 <= at - self._told_held_back.get(name, -HELD_BACK_EVERY) < HELD_BACK_EVERY:
            self._told_held_back[name] = at
            self._tell(HeldBack(self._code, name, at))

    def _phase(self, verdict: Verdict, at: float) -> Phase:
        """A long dwell outlasts the ring: what would soon be lost is written though the rule is not half way yet."""
        if verdict.phase != "candidate" or verdict.hazard_from is None:
            return verdict.phase
        return "half_way" if at - verdict.hazard_from >= self._ring_seconds - 2 * LEAD else "candidate"

    def _leave(self, alert_id: str, raised: bool, at: float) -> None:
        if raised:
            self._evidence.ended(alert_id, at)
        else:
            self._evidence.drop_clip(alert_id)

    def _alert(self, alert_id: str, key: RuleKey, verdict: Verdict, hazard_from: float, look: Look) -> AlertRaised:
        return AlertRaised(
            alert_id=alert_id,
            code=self._code,
            zone=key.zone,
            hazard=key.kind,
            hazard_from=hazard_from,
            raised_at=look.at,
            score=verdict.score,
            why={**self._watch.reasons(key, verdict, look), "view": self._view},
            snapshot_path="",
            snapshot_sha256="",
        )
