"""A log of looks: written, read, replayed to the same verdicts."""

from __future__ import annotations

import json

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
