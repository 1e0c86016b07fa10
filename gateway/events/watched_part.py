"""The part of a snapshot that a rule watched, by which alone a rejection says what is not there.

A furnace behind an exclusion, a cart outside the zone: nobody was asked of them, and a picture that shows them and says
there is none makes weights blind. They are painted over; what was told and rejected stays, however far it reaches out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from detectors.observation import Box
from detectors.rules.config import FireRuleConfig, RuleConfig, StallRuleConfig
from detectors.rules.parsing import parse_kept
from detectors.rules.zones import WHOLE, Polygon

GREY = 114
"""As Ultralytics fills what is no picture: networks have learnt that nothing is there."""
ROOM = 0.1
"""Share of its sides by which what was told is left free around."""
QUALITY = 95
"""Of the JPEG that is written anew."""


@dataclass(frozen=True, slots=True)
class WatchedPart:
    """What the rule watched, and the box of what it told (normalised)."""

    rule: RuleConfig
    told: Box

    @property
    def sees_smoke(self) -> bool:
        """Whether a fire's rejection speaks of smoke, too."""
        return not isinstance(self.rule, FireRuleConfig) or self.rule.smoke

    def of(self, jpeg: bytes) -> bytes:
        """The picture with all else painted over; as it is where all of it was watched. Raises ValueError."""
        if self.rule.polygon == WHOLE and not self.rule.exclusions:
            return jpeg
        try:
            picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error as error:
            raise ValueError("no picture") from error
        if picture is None:
            raise ValueError("no picture")
        height, width = picture.shape[:2]
        watched = np.zeros((height, width), np.uint8)
        cv2.fillPoly(watched, [_pixels(self.rule.polygon, width, height)], 1)
        for exclusion in self.rule.exclusions:
            cv2.fillPoly(watched, [_pixels(exclusion, width, height)], 0)
        dx, dy = ROOM * self.told.width, ROOM * self.told.height
        left, right = (round(x * width) for x in (max(0.0, self.told.x1 - dx), min(1.0, self.told.x2 + dx)))
        top, bottom = (round(y * height) for y in (max(0.0, self.told.y1 - dy), min(1.0, self.told.y2 + dy)))
        watched[top:bottom, left:right] = 1
        picture[watched == 0] = GREY
        return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def watched_part(rule: object, box: object) -> WatchedPart | None:
    """Of an alert's reasons. None where they do not tell it: no such rule or box, or one with permitted points, at
    which stalls stand of which nobody knows how large they are."""
    try:
        (config,) = parse_kept([rule]).usable
        told = _box(box)
    except (TypeError, ValueError):
        return None
    permits = isinstance(config, StallRuleConfig) and bool(config.permitted)
    return None if permits else WatchedPart(config, told)


def _box(sides: Any) -> Box:
    x1, y1, x2, y2 = (float(side) for side in sides)
    if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
        raise ValueError("no box of the picture")
    return Box(x1, y1, x2, y2)


def _pixels(polygon: Polygon, width: int, height: int) -> Any:
    corners: Sequence[tuple[float, float]] = polygon
    return np.array([(round(x * width), round(y * height)) for x, y in corners], np.int32)
