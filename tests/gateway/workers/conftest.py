"""Makes ``worker_parts`` importable by the tests of this folder, and connects a control to those that ask for one."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

_spec = importlib.util.spec_from_file_location("worker_parts", Path(__file__).with_name("worker_parts.py"))
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Any]:
    async with parts.control_peer(tmp_path) as peer:
        yield peer


@pytest.fixture(scope="session")
def footage_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("footage")
