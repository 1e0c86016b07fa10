"""Which of a camera's media profiles to pull. Pure.

H.264 comes before H.265, whose streams do not play in every browser; among H.264 the main profile, for people, is the
largest. The sub profile, for detection, is the smallest that a detector sees enough in, H.265 where there is no H.264.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from camera_registry import reasons
from camera_registry.errors import CameraRefused

SMALLEST_WIDTH = 320
ENOUGH_WIDTH = 640
"""What a detector takes in; a smaller picture is taken only where there is none of this width."""
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
class RecordedProfile:
    """A media profile as it is kept in the camera's record. ``role``: ``main``, ``sub`` or empty.

    ``b_frames`` and ``parameter_sets`` (``stream_look.ParameterSets``) are seen, so they are known of the two in use.
    """

    token: str
    name: str
    role: str
    encoding: str
    width: int
    height: int
    fps: float
    gop: int | None
    b_frames: bool | None = None
    parameter_sets: str = ""


@dataclass(frozen=True, slots=True)
class ProfileChoice:
    """``main`` is for people and evidence; ``sub``, a smaller one, for detection, if there is one."""

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
            return ProfileChoice(main, _sub(seen, main))
    raise CameraRefused(reasons.NO_H264_PROFILE)


def _sub(seen: Sequence[MediaProfile], main: MediaProfile) -> MediaProfile | None:
    smaller = [p for p in seen if p.encoding in PULLABLE and p.width >= SMALLEST_WIDTH and p.pixels < main.pixels]
    enough = [p for p in smaller if p.width >= ENOUGH_WIDTH]
    if enough:
        return min(enough, key=lambda p: (p.encoding != "H264", p.pixels, p.token))
    return min(smaller, key=lambda p: (p.encoding != "H264", -p.pixels, p.token), default=None)


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
