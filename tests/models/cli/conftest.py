from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_samples(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATEWAY_SAMPLE_DATA", str(tmp_path))
