"""A log of looks: written, read, replayed to the same verdicts."""

from __future__ import annotations

import json
import random

import pytest

from detectors.observation import Box, Detection, Look
from detectors.rules.config import DEFAULT_RULES
from detectors.rules.making import make_rule
from detectors.rules.replay import Judgement, from_line, hazards, replay, to_line
from detectors.rules.rule import Verdict

PERSON = Detection("person", 0.5, Box(0, 0, 0.5, 1))
LOOKS = [Look(float(at), (Detection("fire", 0.6, Box(0.4, 0.4 - 0.01 * at, 0.5, 0.6)), PERSON)) for at in range(12)]


@pytest.mark.parametrize("number", range(3))
def test_a_log_replays_to_the_verdicts_of_the_day(number: int) -> None:
    rule = make_rule(DEFAULT_RULES[number])
    assert list(replay(rule, LOOKS)) == list(replay(rule, [from_line(to_line(look)) for look in LOOKS]))


@pytest.mark.parametrize("number", range(3))
def test_what_a_line_rounds_away_changes_no_verdict(number: int) -> None:
    """Boxes to four places told one fire in 350 otherwise."""
    noise = random.Random(8)

    def detection(label: str, x: float, side: float, score: float) -> Detection:
        x1, y1, x2, y2 = (place + noise.gauss(0, 0.003) for place in (x, 0.3, x + side, 0.3 + side))
        return Detection(label, score + noise.gauss(0, 0.05), Box(x1, y1, x2, y2), stir=abs(noise.gauss(0.01, 0.01)))

    looks = []
    for at in range(400):
        standing = [("fire", 0.1, 0.05, 0.6)] * (at % 150 > 40) + [("smoke", 0.2, 0.2, 0.5)] * (at % 90 > 30)
        standing += [("stall", 0.4, 0.1, 0.7)] * (at > 100) + [
            ("person", 0.015 * n, 0.05, 0.7) for n in range(at % 200 // 4)
        ]
        looks.append(Look(2.1 * at + noise.random(), tuple(detection(*one) for one in standing)))
    rule = make_rule(DEFAULT_RULES[number])
    seen, read = ([one.verdict.phase for one in replay(rule, some)] for some in (looks, as_read(looks)))
    assert seen == read
    assert "firing" in seen


def as_read(looks: list[Look]) -> list[Look]:
    return [from_line(to_line(look)) for look in looks]


def test_a_person_takes_little_room_in_a_log() -> None:
    """It was 120 bytes a person: the room of a camera held an hour and a half of twenty."""
    noise = random.Random(8)
    boxes = [sorted(noise.random() for _ in range(4)) for _ in range(20)]
    people = tuple(Detection("person", 0.51234567, Box(x1, y1, x2, y2)) for x1, y1, x2, y2 in boxes)
    line = to_line(Look(1_800_000_000.123456, people, "a" * 64, "hazard_n"))
    assert len(line) < 20 * 50 + 140


def test_rules_carry_their_hazard_and_zone() -> None:
    assert [(rule.kind, rule.zone) for rule in map(make_rule, DEFAULT_RULES)] == [
        ("fire", "全画面"),
        ("crowd", "全画面"),
        ("stall", "全画面"),
    ]


def test_what_a_verdict_says_is_json() -> None:
    for rule in map(make_rule, DEFAULT_RULES):
        for judgement in replay(rule, LOOKS):
            json.dumps(dict(judgement.verdict.why))


def test_hazards_are_counted_once_each() -> None:
    firing, released, idle = Verdict("firing", 1, 1, 2.0), Verdict("released", 0, 1), Verdict("idle", 0, 1)
    said = [Judgement(float(at), verdict) for at, verdict in enumerate([idle, firing, firing, released, idle, firing])]
    first, second = hazards(said)
    assert (first.fired_at, first.released_at) == (1, 3)
    assert (second.fired_at, second.released_at) == (5, None)


def test_what_the_second_look_and_its_judge_said_is_in_the_log() -> None:
    look = Look(1.0, (Detection("smoke", 0.6, Box(0.4, 0.4, 0.5, 0.6), 0.5, 0.02, (3, 253), 0.25), PERSON))
    assert from_line(to_line(look)) == look


@pytest.mark.parametrize("line", ["", "{}", "[]", '{"at": 1, "seen": [["fire"]]}', '{"at": "noon", "seen": []}'])
def test_a_line_that_is_no_look_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a look"):
        from_line(line)
