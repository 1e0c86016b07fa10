"""A film gone through as a camera's pictures: what the rules would have raised, when, and why."""

from __future__ import annotations

import io
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray
from rich.console import Console

from detectors.answers import AnswerUnusable
from detectors.asked import NOTHING_MORE, Asked
from detectors.card import Card, Counting, Cues
from detectors.networks import Networks
from detectors.observation import Box, Detection, Look
from detectors.rules.config import CrowdRuleConfig, FireRuleConfig, StallRuleConfig
from detectors.rules.replay import to_line
from detectors.rules.schedule import CITY_TIME
from gateway.refusals import Refusal
from gateway.storage.look_files import newer
from gateway.workers.camera.look_log import LookLog
from gateway.workers.camera.rejections import rejections_of
from gateway.workers.camera.sight import Answer
from gateway.workers.trial.command import show
from gateway.workers.trial.engine import asking
from gateway.workers.trial.trial import MOST_ALERTS, RuleTried, Trial, try_rules, try_rules_on_looks
from tests.gateway.film_parts import A_QUARTER_LEFT, A_QUARTER_RIGHT, UPSIDE_DOWN, to_be_turned

Picture = NDArray[np.uint8]
FPS, WIDTH, HEIGHT = 5, 320, 180
ROUND_IT = ((0.2, 0.25), (0.6, 0.25), (0.6, 0.75), (0.2, 0.75))
CARD = Card("made", "ab" * 32, ("person", "fire"), (96, 160), 32, {"person": 0.5, "fire": 0.5}, "fp32", "")


def film(
    path: Path,
    seconds: float,
    fire_from: float = 1e9,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    frozen: tuple[float, float] = (1e9, 1e9),
) -> Path:
    """A grey street with a sensor's noise, and from some time on a red square that flickers. ``frozen``: seconds from
    and to which it is the same picture again and again."""
    noise, hung = np.random.default_rng(7), None
    options = {"crf": "10", "preset": "ultrafast", "g": str(2 * FPS)}
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=Fraction(FPS), options=options)
        assert isinstance(stream.codec_context, VideoCodecContext)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(int(seconds * FPS)):
            picture = np.full((size[1], size[0], 3), 90, np.uint8)
            picture[:40] = 180
            picture[40:, ::20] = picture[40:, 1::20] = 60
            if number / FPS >= fire_from:
                picture[60:120, 80:160, 2] = 255 if number % 3 else 200
            picture = (picture + noise.integers(-12, 12, picture.shape)).clip(0, 255).astype(np.uint8)
            if frozen[0] <= number / FPS < frozen[1]:
                picture = hung if hung is not None else picture
                hung = picture
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts = number
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return path


class RedIsFire:
    """An engine that takes what is red for fire; remembers which parts it was asked about. ``crop`` and ``whole``: how
    far its judge believes it there."""

    def __init__(self, people: int = 0, crop: float = 0.75, whole: float = 0.75, card: Card = CARD) -> None:
        self.card = card
        self.parts: list[str] = []
        self._people = people
        self._judged = {"crop-0": {"fire": crop}, "whole": {"fire": whole}}

    async def __call__(self, picture: Picture, part: str) -> Answer | None:
        self.parts.append(part)
        found = [Detection("person", 0.9, Box(0.1 * n, 0.5, 0.1 * n + 0.05, 0.8)) for n in range(self._people)]
        red = (picture[:, :, 2].astype(int) - picture[:, :, 1]) > 60
        if red.any():
            rows, columns = np.nonzero(red.any(axis=1))[0], np.nonzero(red.any(axis=0))[0]
            height, width = red.shape
            box = Box(columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)
            found.append(Detection("fire", 0.8, box))
        return Answer(tuple(found), self.card, self._judged.get(part, {}))


async def tried(path: Path, ask: RedIsFire, **more: float) -> Trial:
    return await try_rules(path, [FireRuleConfig()], ask, CARD, **more)  # type: ignore[arg-type]


async def test_a_fire_in_a_film_is_told_with_its_time_and_reasons(tmp_path: Path) -> None:
    ask = RedIsFire()
    trial = await tried(film(tmp_path / "fire.mp4", 14, fire_from=4), ask)
    (alert,) = trial.alerts
    assert alert.hazard == "fire"
    assert 4 <= alert.hazard_from <= 6
    assert alert.raised_at == pytest.approx(alert.hazard_from + 3, abs=0.6)
    assert alert.why["confirmed_closer"] == alert.why["looked_at_closer"] > 0
    assert alert.why["box"] == pytest.approx([0.25, 1 / 3, 0.5, 2 / 3], abs=0.03)
    assert [one.phase for one in trial.timeline] == ["candidate", "half_way", "firing"]
    assert "crop-0" in ask.parts
    assert alert.why["judged"] == 0.75
    assert (alert.why["model"], alert.why["weights_sha256"]) == (CARD.name, CARD.sha256)
    assert alert.why["rule"]["seen_seconds"] == 3


@pytest.mark.parametrize(
    ("matrix", "box"),
    [
        (A_QUARTER_LEFT, (1 / 3, 0.5, 2 / 3, 0.75)),
        (UPSIDE_DOWN, (0.5, 1 / 3, 0.75, 2 / 3)),
        (A_QUARTER_RIGHT, (1 / 3, 0.25, 2 / 3, 0.5)),
    ],
)
async def test_a_film_on_its_side_is_turned_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], box: tuple[float, ...]
) -> None:
    """A phone stores what its sensor gave: people lay on their sides, and few of them were found."""
    path = to_be_turned(film(tmp_path / "phone.mp4", 30, fire_from=2, frozen=(6, 1e9)), matrix)
    trial = await tried(path, RedIsFire())
    assert trial.alerts[0].why["box"] == pytest.approx(box, abs=0.03)
    assert trial.frozen_seconds > 0


async def test_while_the_picture_stands_frozen_people_are_not_told_of_and_for_how_long_it_stood_is_said(
    tmp_path: Path,
) -> None:
    """Live only a fire is told then: how long people have been there cannot be read off a picture that hangs. A trial
    told of a gathering that nobody would have heard of."""
    gathering = CrowdRuleConfig(people=2, dwell_seconds=30)
    live, hung = film(tmp_path / "live.mp4", 44), film(tmp_path / "hung.mp4", 44, frozen=(2, 1e9))
    trial = await try_rules(live, [gathering], RedIsFire(people=3), CARD)
    assert (len(trial.alerts), trial.frozen_seconds, trial.unseen_seconds) == (1, 0, 0)
    ask = RedIsFire(people=3)
    trial = await try_rules(hung, [gathering, FireRuleConfig()], ask, CARD)
    assert trial.alerts == []
    assert trial.frozen_seconds == pytest.approx(44 - 20, abs=4), "known as late as of a camera"
    assert trial.unseen_seconds == 0
    assert not trial.watched_throughout
    assert [(one.hazard, one.phase) for one in trial.timeline] == [("crowd", "candidate"), ("crowd", "half_way")]
    assert trial.timeline[-1].end == pytest.approx(44 - trial.frozen_seconds, abs=2.1)
    looks, ask.parts = len(ask.parts), []
    alone = await try_rules(hung, [gathering], ask, CARD)
    assert (alone.alerts, alone.frozen_seconds) == ([], trial.frozen_seconds)
    assert len(ask.parts) < looks, "nothing is looked for then but fire"


async def test_once_a_frozen_picture_moves_again_all_rules_watch_as_before(tmp_path: Path) -> None:
    path = film(tmp_path / "hung.mp4", 70, frozen=(2, 30))
    gathering = CrowdRuleConfig(people=2, dwell_seconds=30)
    trial = await try_rules(path, [gathering], RedIsFire(people=3), CARD)
    assert trial.frozen_seconds == pytest.approx(34 - 16, abs=4)
    (alert,) = trial.alerts
    assert alert.raised_at > 30


async def test_what_was_seen_is_tried_again_without_any_network_and_says_the_same(tmp_path: Path) -> None:
    """Rules are pure: a log of looks answers what they would have said, and what others would."""
    log = LookLog(tmp_path / "looks", "camera", 1_000_000)
    begun = 1_764_201_600.0
    film_tried = await try_rules(
        film(tmp_path / "fire.mp4", 14, fire_from=4),
        [FireRuleConfig()],
        RedIsFire(),
        CARD,
        starts_at=begun,
        seen=log.note,
    )
    await log.close()
    path = newer(tmp_path / "looks", "camera")
    again = try_rules_on_looks(path, [FireRuleConfig()], CARD)
    assert again.alerts == film_tried.alerts
    assert again.timeline == film_tried.timeline
    assert (again.starts_at, again.looks) == (begun, film_tried.looks)
    slower = try_rules_on_looks(path, [FireRuleConfig(seen_seconds=4.5)], CARD)
    assert slower.alerts[0].raised_at > film_tried.alerts[0].raised_at
    assert try_rules_on_looks(path, [FireRuleConfig(exclusions=(ROUND_IT,))], CARD).alerts == []


async def test_a_rule_that_would_cry_all_night_is_told_to_do_so_within_bounds(tmp_path: Path) -> None:
    """The answer goes over one line: it grew with every alert until the line broke, and nothing was told."""
    log = LookLog(tmp_path, "camera", 10_000_000)
    people = tuple(Detection("person", 0.9, Box(x, 0.5, x + 0.05, 0.8)) for x in (0.2, 0.4, 0.6))
    for n in range(12_000):
        log.note(Look(n * 2.0, people if n % 50 < 10 else (), "a" * 64))
        if n % 400 == 0:
            await log.close()
    await log.close()
    trial = try_rules_on_looks(newer(tmp_path, "camera"), [CrowdRuleConfig(people=2, dwell_seconds=10)], CARD)
    assert len(trial.alerts) == MOST_ALERTS
    assert trial.cut
    assert trial.seconds < 12_000, "what was not tried is not claimed to have been"


@pytest.mark.parametrize("away", [0.0, 3600.0])
async def test_for_how_long_nobody_looked_is_said_and_silence_then_means_nothing(tmp_path: Path, away: float) -> None:
    """A camera that was off all night raised nothing, as if somebody had watched."""
    log = LookLog(tmp_path, "camera", 1_000_000)
    for n in range(20):
        log.note(Look(n * 10.0 + (away if n >= 10 else 0.0), (), "a" * 64))
    await log.close()
    trial = try_rules_on_looks(newer(tmp_path, "camera"), [FireRuleConfig()], CARD)
    assert trial.unseen_seconds == (away + 10 if away else 0)
    assert trial.watched_throughout is (not away)


PEOPLE = tuple(Detection("person", 0.9, Box(x, 0.5, x + 0.05, 0.8)) for x in (0.2, 0.4, 0.6))
GATHERING = CrowdRuleConfig(people=2, dwell_seconds=20)


async def test_what_was_seen_in_another_view_says_nothing_of_these_rules_and_for_how_long_it_was_so_is_said(
    tmp_path: Path,
) -> None:
    """A rule drawn for the square was tried on what the camera saw at the gate; and the gathering that was there before
    it turned counted as one with that which was there when it was back."""
    log = LookLog(tmp_path, "camera", 1_000_000)
    for n in range(40):
        log.note(Look(n * 2.0, PEOPLE, "a" * 64), view="3" if n < 8 or n >= 32 else None if n < 20 else "4")
    await log.close()
    path = newer(tmp_path, "camera")
    square = try_rules_on_looks(path, [GATHERING], CARD, view="3")
    assert (square.alerts, square.looks, square.seconds) == ([], 16, 78)
    assert square.other_view_seconds == 24 * 2
    assert not square.watched_throughout
    assert [(one.start, one.end) for one in square.timeline if one.phase == "half_way"] == [(10, 14), (74, 78)]
    (gate,) = try_rules_on_looks(path, [GATHERING], CARD, view="4").alerts
    assert gate.hazard_from == 40
    nowhere = try_rules_on_looks(path, [GATHERING], CARD, view="5")
    assert (nowhere.looks, nowhere.other_view_seconds, nowhere.alerts) == (0, 78, [])


async def test_what_an_older_version_wrote_down_counts_in_any_view(tmp_path: Path) -> None:
    (tmp_path / "camera.jsonl").write_text("".join(f"{to_line(Look(n * 2.0, PEOPLE))}\n" for n in range(20)))
    trial = try_rules_on_looks(tmp_path / "camera.jsonl", [GATHERING], CARD, view="3")
    assert (len(trial.alerts), trial.other_view_seconds) == (1, 0)


async def test_a_fire_after_the_picture_stood_frozen_for_longer_than_an_alert_lasts_is_told_anew_as_live(
    tmp_path: Path,
) -> None:
    log = LookLog(tmp_path, "camera", 10_000_000)
    burns = (Detection("fire", 0.9, Box(0.4, 0.4, 0.6, 0.7), closer=0.9, stir=0.05),)
    for n in range(200):
        log.note(Look(float(n), burns, "a" * 64), frozen=10 <= n < 180)
    await log.close()
    trial = try_rules_on_looks(newer(tmp_path, "camera"), [FireRuleConfig()], CARD)
    assert [one.raised_at for one in trial.alerts] == [3.0, 183.0]


async def test_what_was_seen_while_the_picture_stood_frozen_is_tried_for_fire_alone(tmp_path: Path) -> None:
    log = LookLog(tmp_path, "camera", 1_000_000)
    for n in range(40):
        log.note(Look(n * 2.0, PEOPLE, "a" * 64), frozen=n >= 5)
    await log.close()
    trial = try_rules_on_looks(newer(tmp_path, "camera"), [GATHERING, FireRuleConfig()], CARD)
    assert (trial.alerts, trial.looks) == ([], 40)
    assert trial.frozen_seconds == 34 * 2


CUES = Cues("cues.onnx", "ab" * 32, ("umbrella", "cart"), {"umbrella": 0.5, "cart": 0.5}, (96, 160))
WITH_PARTS = Card("made", "ab" * 32, ("person", "fire"), (96, 160), 32, {"person": 0.5}, "fp32", "", cues=CUES)


async def test_time_in_which_nobody_looked_for_what_a_tried_rule_needs_is_said_and_its_silence_then_means_nothing(
    tmp_path: Path,
) -> None:
    """Of a new rule for stalls it was said that it had watched and would have raised nothing: no parts had been looked
    for, but for two minutes in which an older rule watched elsewhere."""
    log, gate = LookLog(tmp_path, "camera", 1_000_000), StallRuleConfig(polygon=ROUND_IT)
    there, elsewhere = Asked(stalls=Box(0.15, 0, 0.65, 0.8)), Asked(stalls=Box(0.7, 0, 1, 1))
    for n in range(60):
        log.note(Look(n * 10.0, (), "a" * 64), asked=there if n < 20 else elsewhere if n < 32 else NOTHING_MORE)
    await log.close()
    trial = try_rules_on_looks(newer(tmp_path, "camera"), [FireRuleConfig(), gate], WITH_PARTS)
    assert [(one.hazard, one.unasked_seconds) for one in trial.rules] == [("fire", 0), ("stall", 390)]
    assert (trial.alerts, trial.unseen_seconds, trial.watched_throughout) == ([], 0, False)
    alone = try_rules_on_looks(newer(tmp_path, "camera"), [FireRuleConfig()], WITH_PARTS)
    assert alone.watched_throughout


async def test_people_that_no_rule_of_the_time_had_counted_may_have_been_more(tmp_path: Path) -> None:
    """A crowd in which boxes miss half was below the number of a rule that was tried on it, in green."""
    counting = Counting(2, 1, 0.1, from_people=3, threshold=0.5)
    card = Card("made", "ab" * 32, CARD.classes, CARD.input_size, 32, CARD.thresholds, "fp32", "", counting)
    log = LookLog(tmp_path, "camera", 1_000_000)
    for n in range(40):
        log.note(Look(n * 2.0, PEOPLE if n >= 10 else PEOPLE[:2], "a" * 64), asked=Asked(counted=n >= 30))
    await log.close()
    path = newer(tmp_path, "camera")
    many = try_rules_on_looks(path, [CrowdRuleConfig(people=6, dwell_seconds=20)], card)
    assert (many.alerts, many.rules[0].unasked_seconds, many.watched_throughout) == ([], 40, False)
    few = try_rules_on_looks(path, [CrowdRuleConfig(people=3, dwell_seconds=20)], card)
    assert (len(few.alerts), few.rules[0].unasked_seconds, few.watched_throughout) == (1, 0, True)


def three_days(folder: Path) -> Path:
    """A log that ends at half past eight, in which each night at two a gathering is seen for a minute."""
    begun, lines = clock("2026-11-25 08:30:00"), []
    for n in range(3 * 8640 + 1):
        since_two = n * 10 % 86_400 - 63_000
        if 0 <= since_two < 600 or n % 60 == 0:
            lines.append(to_line(Look(begun + n * 10.0, PEOPLE if 0 <= since_two < 60 else ())))
    path = folder / "camera.jsonl"
    path.write_text("\n".join(lines))
    return path


def clock(said: str) -> float:
    return datetime.fromisoformat(said).replace(tzinfo=CITY_TIME).timestamp()


def test_of_a_log_the_newest_day_is_tried_or_the_hours_that_are_asked_for(tmp_path: Path) -> None:
    """It began with the oldest look, and ended for what it had told before it came to last night."""
    path = three_days(tmp_path)

    def nights(*, starts_at: float | None = None, hours: float | None = None) -> tuple[list[str], bool]:
        trial = try_rules_on_looks(path, [GATHERING], CARD, starts_at=starts_at, hours=hours)
        assert trial.log_from == clock("2026-11-25 08:30:00")
        at = [datetime.fromtimestamp(trial.starts_at + one.raised_at, CITY_TIME) for one in trial.alerts]
        return [f"{one:%d %H:%M}" for one in at], trial.cut

    assert nights() == (["28 02:00"], False)
    assert nights(hours=6) == ([], False)
    assert nights(hours=168) == (["26 02:00", "27 02:00", "28 02:00"], False)
    assert nights(starts_at=clock("2026-11-25 20:00:00")) == (["26 02:00"], True)
    assert nights(starts_at=clock("2026-11-26 20:00:00"), hours=48) == (["27 02:00", "28 02:00"], False)
    with pytest.raises(Refusal, match=r"from 2026-11-25 08:30 to 2026-11-28 08:30") as refused:
        nights(starts_at=clock("2026-11-29 00:00:00"))
    assert refused.value.reason == "looks_not_of_then"


def test_a_log_without_a_look_is_refused(tmp_path: Path) -> None:
    (tmp_path / "camera.jsonl").write_text("no look\n")
    with pytest.raises(Refusal, match=r"no look") as refused:
        try_rules_on_looks(tmp_path / "camera.jsonl", [FireRuleConfig()], CARD)
    assert refused.value.reason == "looks_missing"


async def test_what_the_judge_believes_neither_in_the_crop_nor_in_the_picture_is_not_told_and_in_one_of_them_it_is(
    tmp_path: Path,
) -> None:
    path = film(tmp_path / "lamp.mp4", 20, fire_from=4)
    doubted = RedIsFire(crop=0.001, whole=0.001)
    assert (await tried(path, doubted)).alerts == []
    assert "crop-0" in doubted.parts
    assert [one.hazard for one in (await tried(path, RedIsFire(crop=0.98, whole=0.01))).alerts] == ["fire"]


async def test_a_quiet_film_raises_nothing_and_is_looked_at_every_two_seconds(tmp_path: Path) -> None:
    ask = RedIsFire()
    trial = await tried(film(tmp_path / "quiet.mp4", 10), ask)
    assert trial.alerts == trial.timeline == []
    assert ask.parts == ["whole"] * trial.looks
    assert 4 <= trial.looks <= 7


async def test_a_rule_that_is_turned_off_is_tried_as_if_it_were_on_and_that_is_said(tmp_path: Path) -> None:
    """It answered that nothing would have been raised, and was armed on the strength of that."""
    path = film(tmp_path / "fire.mp4", 14, fire_from=4)
    trial = await try_rules(path, [FireRuleConfig(enabled=False), CrowdRuleConfig()], RedIsFire(), CARD)
    assert [one.hazard for one in trial.alerts] == ["fire"]
    assert [(one.hazard, one.off) for one in trial.rules] == [("fire", True), ("crowd", False)]


async def test_for_how_much_of_the_film_a_rule_was_outside_its_hours_is_said_and_its_silence_there_means_nothing(
    tmp_path: Path,
) -> None:
    """A rule of the night market, tried on a film as if of the day, raised nothing, in green."""
    path = film(tmp_path / "fire.mp4", 14, fire_from=0)
    night = FireRuleConfig(hours=(("22:00", "06:00"),))
    spans = {"2026-11-27 12:00:00": (14, 0), "2026-11-27 21:59:56": (4, 1), "2026-11-28 01:00:00": (0, 1)}
    for begun, (off_hours, alerts) in spans.items():
        at = datetime.fromisoformat(begun).replace(tzinfo=CITY_TIME).timestamp()
        trial = await try_rules(path, [night], RedIsFire(), CARD, starts_at=at)
        assert (trial.starts_at, len(trial.alerts)) == (at, alerts)
        assert trial.rules[0].off_hours_seconds == pytest.approx(off_hours, abs=0.3)
        assert trial.watched_throughout is (off_hours == 0)


async def test_what_a_rejection_holds_back_is_marked_in_the_timeline_and_no_alert(tmp_path: Path) -> None:
    """The trial told of an alert that a rejection in force would have held back, and nothing of the rejection."""
    path = film(tmp_path / "lamp.mp4", 9, fire_from=3)
    free = await tried(path, RedIsFire())
    (alert,) = free.alerts
    assert (free.rejections, {one.held_back for one in free.timeline}) == (None, {()})
    seen = {"id": "lamp", "hazard": "fire", "zone": alert.zone, "until": 1e12}
    (rejection,) = rejections_of("camera", [seen | {key: alert.why[key] for key in ("box", "appearance")}], "")
    rules = [FireRuleConfig()]
    trial = await try_rules(path, rules, RedIsFire(), CARD, rejections=[rejection])
    assert (trial.alerts, trial.rejections) == ([], 1)
    (held,) = [one for one in trial.timeline if one.held_back]
    assert (held.held_back, held.start) == (("lamp",), pytest.approx(alert.raised_at, abs=0.6))
    assert held.end == pytest.approx(trial.seconds, abs=2.1)


async def test_a_rule_for_what_the_weights_cannot_tell_did_not_watch(tmp_path: Path) -> None:
    trial = await try_rules(film(tmp_path / "quiet.mp4", 4), [FireRuleConfig(), StallRuleConfig()], RedIsFire(), CARD)
    assert [(one.hazard, one.blind) for one in trial.rules] == [("fire", False), ("stall", True)]
    assert not trial.watched_throughout


async def test_a_film_shorter_than_a_rule_needs_to_fire_says_nothing_of_it(tmp_path: Path) -> None:
    """A clip of seconds raised no stall that stands for five minutes."""
    path = film(tmp_path / "quiet.mp4", 4)
    for needs, counts in ((3.0, True), (5.0, False)):
        trial = await try_rules(path, [FireRuleConfig(seen_seconds=needs)], RedIsFire(), CARD)
        assert (trial.rules[0].needs_seconds, trial.watched_throughout) == (needs, counts)


@pytest.mark.parametrize(
    ("tried_rule", "said"),
    [
        (RuleTried("fire", "桥下", off=False, off_hours_seconds=0.0, needs_seconds=3.0, blind=False), "不会产生预警"),
        (RuleTried("fire", "桥下", off=True, off_hours_seconds=0.0, needs_seconds=3.0, blind=False), "不会产生预警"),
        (RuleTried("fire", "桥下", off=False, off_hours_seconds=14.0, needs_seconds=3.0, blind=False), "14 s / 14 s"),
        (RuleTried("fire", "桥下", off=False, off_hours_seconds=0.0, needs_seconds=3.0, blind=True), "永远不会触发"),
        (
            RuleTried("stall", "桥下", off=False, off_hours_seconds=0.0, needs_seconds=300.0, blind=False),
            "300 s > 14 s",
        ),
        (RuleTried("crowd", "桥下", False, 0.0, 3.0, False, unasked_seconds=9.0), "当时未细数"),
        (RuleTried("stall", "桥下", False, 0.0, 3.0, False, unasked_seconds=9.0), "9 s / 14 s"),
    ],
)
def test_that_nothing_would_be_raised_is_said_only_of_rules_that_watched_all_the_time(
    tried_rule: RuleTried, said: str
) -> None:
    out = Console(record=True, width=200, file=io.StringIO())
    show(Trial(seconds=14.0, looks=7, rules=[tried_rule]), out)
    words = out.export_text()
    assert said in words
    assert ("不会产生预警" in words) is (said == "不会产生预警")


def test_for_how_long_the_picture_stood_frozen_is_printed() -> None:
    out = Console(record=True, width=200, file=io.StringIO())
    rule = RuleTried("fire", "桥下", off=False, off_hours_seconds=0.0, needs_seconds=3.0, blind=False)
    show(Trial(seconds=60.0, looks=30, frozen_seconds=24.2, rules=[rule]), out)
    words = out.export_text()
    assert "画面冻结" in words
    assert "24 s" in words
    assert "不会产生预警" not in words


async def test_of_a_film_that_is_too_long_the_beginning_is_tried_and_that_it_goes_on_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended at four hours as if that were all of it."""
    long = film(tmp_path / "long.mp4", 14, fire_from=9)
    assert (await tried(long, RedIsFire())).cut is False
    monkeypatch.setattr("gateway.workers.trial.trial.LONGEST", 8.0)
    trial = await tried(long, RedIsFire())
    assert (trial.cut, trial.alerts) == (True, [])
    assert trial.seconds == pytest.approx(8, abs=0.3)


async def test_a_short_film_is_repeated_as_long_as_asked(tmp_path: Path) -> None:
    trial = await tried(film(tmp_path / "short.mp4", 4), RedIsFire(), repeat_until=11)
    assert trial.seconds == pytest.approx(12, abs=0.3)


async def test_a_gathering_in_the_making_is_counted_in_tiles_and_an_empty_street_is_not(tmp_path: Path) -> None:
    counting = Counting(2, 1, 0.1, from_people=3, threshold=0.5)
    card = Card("made", "ab" * 32, CARD.classes, CARD.input_size, 32, CARD.thresholds, "fp32", "", counting)
    rules, street = [CrowdRuleConfig(people=6, dwell_seconds=2)], film(tmp_path / "street.mp4", 8)
    few, many = RedIsFire(people=2, card=card), RedIsFire(people=4, card=card)
    assert (await try_rules(street, rules, few, card)).alerts == []
    assert {part for part in few.parts if part != "whole"} == set()
    (alert,) = (await try_rules(street, rules, many, card)).alerts
    assert alert.why["people"] > 4
    assert {"tile-0", "tile-1"} <= set(many.parts)


async def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "not.mp4").write_bytes(b"not a film")
    for name in ("not.mp4", "missing.mp4"):
        with pytest.raises(Refusal) as caught:
            await tried(tmp_path / name, RedIsFire())
        assert caught.value.reason == "footage_unreadable"


async def test_a_list_of_other_films_is_no_film(tmp_path: Path) -> None:
    """Whoever brought one was told what is to be seen in another's."""
    film(tmp_path / "other.mp4", 2)
    (tmp_path / "list").write_text("ffconcat version 1.0\nfile other.mp4\n")
    with pytest.raises(Refusal, match="footage_unreadable"):
        await tried(tmp_path / "list", RedIsFire())


async def test_a_film_whose_pictures_become_larger_than_any_may_be_is_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what it said of itself at its beginning was looked at."""
    small, large = film(tmp_path / "small.ts", 2, size=(160, 90)), film(tmp_path / "large.ts", 2)
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    monkeypatch.setattr("gateway.workers.trial.film.MOST_PIXELS", 200 * 120)
    assert (await tried(small, RedIsFire())).looks
    with pytest.raises(Refusal, match="footage_unreadable"):
        await tried(tmp_path / "both.ts", RedIsFire())


async def test_weights_that_answer_a_picture_with_nothing_usable_end_the_trial_with_the_reason(tmp_path: Path) -> None:
    class Unusable:
        card, at_once, precision = CARD, 1, "fp32"

        def detect(self, _picture: Picture, **_how: object) -> tuple[Detection, ...]:
            raise AnswerUnusable("含 NaN 或无穷大", "NaN or infinity")

    with pytest.raises(Refusal, match="weights_answer_nothing_usable") as caught:
        await try_rules(film(tmp_path / "quiet.mp4", 4), [FireRuleConfig()], asking(Networks(Unusable())), CARD)
    assert "NaN" in caught.value.zh
