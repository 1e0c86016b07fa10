"""Where the shipped weights lie: the detector, the networks that go along with it, their card and its page."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights" / "hazard_n.onnx"
DENSITY = WEIGHTS.with_name("crowd_density.onnx")
JUDGE = WEIGHTS.with_name("second_look.onnx")
CUES = WEIGHTS.with_name("stall_cues.onnx")
CARD = WEIGHTS.with_suffix(".json")
PAGE = WEIGHTS.with_suffix(".md")
