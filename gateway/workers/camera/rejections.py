"""What officers rejected at a camera, as its rules heed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from detectors.suppression import Suppression, of_view, parse

log = structlog.get_logger(__name__)


def rejections_of(code: str, facts: Iterable[Mapping[str, Any]], view: str | None) -> tuple[Suppression, ...]:
    """Those of the view that the camera has, from their JSON form; one that cannot be read is left out: it alerts as
    ever."""
    found = []
    for one in facts:
        try:
            found.append(parse(one))
        except (KeyError, TypeError, ValueError) as error:
            log.error("suppression_unusable", camera=code, detail=repr(error))
    return of_view(found, view)
