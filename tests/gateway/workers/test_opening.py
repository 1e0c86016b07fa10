"""Weights that were in force before are opened in a process of their own before they are again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from detectors.refusals import WeightsRefused
from gateway.workers.inference.opening import refuse_unopened

CARD = Path("weights.json")


def opens(script: str) -> tuple[str, ...]:
    return sys.executable, "-c", script


def test_weights_that_open_are_well() -> None:
    with capture_logs() as logs:
        refuse_unopened("auto", CARD, opens=opens("""print("a word of a runtime\\n[1]\\n" + '{"opened": true}')"""))
    assert logs == []


def test_a_refusal_is_passed_on() -> None:
    said = """print('{"refused": {"reason": "weights_unusable", "zh": "无法加载", "en": "no"}}')"""
    with pytest.raises(WeightsRefused, match="weights_unusable: no"):
        refuse_unopened("auto", CARD, opens=opens(said))


@pytest.mark.parametrize(
    "script", ["import os; os.abort()", "raise RuntimeError", "print('{\"opened\": true}'); exit(1)"]
)
def test_weights_over_which_the_process_ends_otherwise_are_refused(script: str) -> None:
    with pytest.raises(WeightsRefused, match="weights_unusable"):
        refuse_unopened("auto", CARD, opens=opens(script))


@pytest.mark.parametrize("script", ["import time; time.sleep(60)", "import os; os.kill(os.getpid(), 9)"])
def test_what_a_busy_machine_does_not_find_out_is_held_against_no_weights_and_said(script: str) -> None:
    """Weights that keep a machine too busy are those that are to be taken back."""
    with capture_logs() as logs:
        refuse_unopened("auto", CARD, within=0.5, opens=opens(script))
    assert [one["event"] for one in logs] == ["weights_not_seen_to_open"]
