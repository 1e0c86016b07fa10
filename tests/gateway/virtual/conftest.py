"""Small, quickly prepared footage; one cache for the whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.virtual import RenderedFootage

SMALL = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))


@pytest.fixture(scope="session")
def footage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("footage")


@pytest.fixture
def small() -> RenderedFootage:
    return SMALL
