"""Where a value stands in a message, and where it is put in another platform's document. Pure, and small on purpose.

A source is ``data.flow[-1].opinion`` or ``data.evidence[kind=snapshot].id``: names, an index, or the first item whose
field has a value. It always finds one value or none in as many steps as it has parts; richer languages (JMESPath,
templates) let a short text blow a message up without end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_PARTS = 12
LONGEST = 200
_NAME = r"[^\W\d][\w-]*"
_PART = re.compile(rf"\.?({_NAME})|\[(-?\d{{1,4}})\]|\[({_NAME})=([^\[\]=]{{1,64}})\]")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class _Name:
    name: str


@dataclass(frozen=True, slots=True)
class _Index:
    at: int


@dataclass(frozen=True, slots=True)
class _First:
    name: str
    value: str


Part = _Name | _Index | _First
Path = tuple[Part, ...]


def parsed(text: str) -> Path:
    """The parts of a path; raises ``ValueError`` for a text that is none."""
    parts: list[Part] = []
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or len(text) > LONGEST or (found[1] is not None and (at == 0) == text.startswith(".", at)):
            raise ValueError(f"路径有误 not a path: {text[:60]}")
        if found[1] is not None:
            parts.append(_Name(found[1]))
        elif found[2] is not None:
            parts.append(_Index(int(found[2])))
        else:
            parts.append(_First(found[3], found[4]))
        at = found.end()
    if not parts or len(parts) > MOST_PARTS or not isinstance(parts[0], _Name):
        raise ValueError(f"路径有误 not a path: {text[:60]}")
    return tuple(parts)


def found(document: Any, path: Path) -> Any:
    """The value at ``path``, or None where there is none."""
    for part in path:
        document = _step(document, part)
        if document is _MISSING:
            return None
    return document


def _step(value: Any, part: Part) -> Any:
    match part:
        case _Name(name):
            return value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING
        case _Index(at):
            return value[at] if isinstance(value, list) and -len(value) <= at < len(value) else _MISSING
        case _First(name, wanted):
            items = value if isinstance(value, list) else []
            for item in items:
                if isinstance(item, Mapping) and str(item.get(name)) == wanted:
                    return item
    return _MISSING


def put(document: dict[str, Any], path: Path, value: Any) -> None:
    """Set the value at a target path, making objects and lists on the way; raises ``ValueError`` where something else
    stands there, or a list would have a gap."""
    here: Any = document
    for part, after in zip(path, (*path[1:], None), strict=True):
        fresh: Any = value if after is None else [] if isinstance(after, _Index) else {}
        match part:
            case _Name(name) if isinstance(here, dict):
                if after is None and name in here:
                    raise ValueError("重复 set twice")
                here = here.setdefault(name, fresh)
            case _Index(at) if isinstance(here, list) and 0 <= at <= len(here):
                if at == len(here):
                    here.append(fresh)
                elif after is None:
                    raise ValueError("重复 set twice")
                here = here[at]
            case _:
                raise ValueError("与其他字段冲突 clashes with another field")
