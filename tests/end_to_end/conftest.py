"""Makes ``serve_parts`` importable by the tests of this folder."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("serve_parts", Path(__file__).with_name("serve_parts.py"))
assert _spec is not None
assert _spec.loader is not None
_parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _parts
_spec.loader.exec_module(_parts)
