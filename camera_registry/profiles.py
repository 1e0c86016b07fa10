"""Which of a camera's media profiles to pull. Pure.

H.264 comes before H.265, whose streams do not play in every browser; among H.264 the main profile is the largest, the
sub profile the smallest that is still enough to see a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from camera_registry import reasons
from camera_registry.errors import CameraRefused

SMALLEST_WIDTH = 320
PULLABLE = ("H264", "H265")


@dataclass(frozen=True, slots=True)
class MediaProfile:
    """``encoding`` as ONVIF writes it: ``H264``, ``H265``, ``JPEG``, ``MPEG4``; pixels; frames a second.

    ``gop``: frames from one keyframe to the next, None where the camera does not tell.
    """

    token: str
    name: str
    encoding: str
    width: int
    height: int
    fps: float = 0.0
    gop: int | None = None

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class ProfileChoice:
    """``main`` is pulled for detection and evidence; ``sub`` is a smaller H.264 one, if there is one."""

    main: MediaProfile
    sub: MediaProfile | None = None


def choose(profiles: Sequence[MediaProfile]) -> ProfileChoice:
    """Raises ``CameraRefused``: ``no_profile``, or ``no_h264_profile`` where all are JPEG or MPEG-4."""
    seen = [profile for profile in profiles if profile.width > 0 and profile.height > 0]
    if not seen:
        raise CameraRefused(reasons.NO_PROFILE)
    for encoding in PULLABLE:
        fitting = sorted((p for p in seen if p.encoding == encoding), key=lambda p: (-p.pixels, p.token))
        if fitting:
            main = fitting[0]
            smaller = [p for p in seen if p.encoding == "H264" and p.width >= SMALLEST_WIDTH and p.pixels < main.pixels]
            return ProfileChoice(main, min(smaller, key=lambda p: (p.pixels, p.token), default=None))
    raise CameraRefused(reasons.NO_H264_PROFILE)


def told(
    token: str, name: str, encoding: str, width: object, height: object, fps: object, gop: object
) -> MediaProfile | None:
    """A profile as a device tells it; None where that makes no sense. Odd rates and lengths count as not told."""
    across, down = positive(width, 32_768), positive(height, 32_768)
    if not token or across is None or down is None:
        return None
    return MediaProfile(token, name, encoding.upper()[:16], across, down, _rate(fps), positive(gop, 100_000))


def positive(told: Any, most: int) -> int | None:
    """A count as a device tells it; None for anything that is none."""
    try:
        number = int(told)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 < number <= most else None


def _rate(told: Any) -> float:
    try:
        rate = float(told)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return rate if 0 < rate <= 1_000 else 0.0
