"""What tests of several rooms need."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import structlog

from models import shipped

# Unless told otherwise structlog paints a traceback with every variable in it, which takes seconds and stops the loop.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S"),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture
def shadow_card(tmp_path: Path) -> Path:
    """The shipped network with another description in it: other bytes, and it runs."""
    folder = tmp_path / "new"
    folder.mkdir()
    network = shipped.WEIGHTS.read_bytes() + b"\x32\x05newer"  # ModelProto.doc_string
    facts = json.loads(shipped.CARD.read_text(encoding="utf-8"))
    facts = {name: value for name, value in facts.items() if name not in ("density", "judge", "cues", "quantised")}
    facts |= {"name": "newer", "sha256": hashlib.sha256(network).hexdigest()}
    (folder / "newer.onnx").write_bytes(network)
    (folder / "newer.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder / "newer.json"
