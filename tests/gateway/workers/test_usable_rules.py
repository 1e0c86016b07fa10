"""Rules as control orders them: one that cannot be used takes no other's watch away."""

from __future__ import annotations

from gateway.processes.messages import AssignCamera
from gateway.workers.camera.owned_camera import usable_rules


def test_one_rule_that_cannot_be_used_leaves_the_others_watching() -> None:
    broken = {"kind": "crowd", "people": 0}
    armed_before = {"kind": "stall", "dwell_seconds": 1800, "hours": [["07:00", "07:10"]]}
    rules = [broken, {"kind": "fire"}, armed_before]
    order = AssignCamera("c", "c", "hub", 1, "rtsp://127.0.0.1/1", None, None, rules)
    assert [rule.kind for rule in usable_rules(order)] == ["fire", "stall"]
