"""How a camera is shown: what is amiss is told in words an operator can act on, in both languages."""

from __future__ import annotations

from typing import get_args

import pytest

from camera_registry.health import WORDS
from gateway.api.camera_shown import words_of
from gateway.workers.camera.looks import Ailment


@pytest.mark.parametrize(
    "reason",
    [
        "rate_unmet",
        "looks_left_out",
        "rule_unusable",
        "evidence_unwritten",
        "quarantined",
        "patrolling",
        *get_args(Ailment),
    ],
)
def test_whatever_is_amiss_with_a_live_camera_has_words_of_its_own(reason: str) -> None:
    zh, en = words_of("live", reason)
    assert (zh, en) != WORDS["live"]
    assert zh.startswith(("正常", "该视频流"))
    assert zh.endswith("。")
    assert en.endswith(".")
