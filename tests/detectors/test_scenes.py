"""The three rules on rendered scenes whose labels stand in for a detector that sees everything: each tells its own."""

from __future__ import annotations

import pytest

from detectors.observation import Box, Detection, Look
from detectors.rules.config import default_rules
from detectors.rules.making import make_rule
from detectors.rules.replay import hazards, replay
from models.scenes import Scene, SceneKind

# The demo's way: everything within a minute and a half.
SHORT = default_rules(fire_seconds=3, crowd_people=8, crowd_dwell=10, stall_dwell=20)
HAZARD_FROM = 8.0


def looks(kind: SceneKind, seed: int) -> list[Look]:
    scene = Scene(kind, seed, pieces="demo", size=(320, 180), hazard_from=HAZARD_FROM)
    return [
        Look(n / 2, tuple(Detection(label.name, 0.6, Box(*label.box)) for label in scene.labels(n / 2)))
        for n in range(140)
    ]


@pytest.mark.parametrize(("kind", "hazard"), [("fire", "fire"), ("gathering", "crowd"), ("stall", "stall")])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_scene_is_told_once_by_its_rule_and_by_no_other(kind: SceneKind, hazard: str, seed: int) -> None:
    told = {rule.kind: hazards(replay(rule, looks(kind, seed))) for rule in map(make_rule, SHORT)}
    (found,) = told.pop(hazard)
    assert found.hazard_from == pytest.approx(HAZARD_FROM, abs=4)
    assert found.fired_at - HAZARD_FROM < 40
    assert found.released_at is None
    assert set(told.values()) == {()}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_quiet_street_is_told_by_none(seed: int) -> None:
    assert not any(hazards(replay(rule, looks("quiet", seed))) for rule in map(make_rule, SHORT))


def test_a_rendered_fire_moves_as_flames_do_and_is_told_at_once() -> None:
    (found,) = hazards(replay(make_rule(SHORT[0]), looks("fire", 1)))
    assert found.fired_at - found.hazard_from <= 4
