"""What an operator says of a rule: zone, hours, thresholds, dwell; and the first values of the domain.

Times are wall-clock seconds, coordinates normalised to the picture. Checked before it is kept: a rule that
could never fire is refused.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from detectors.rules import zones
from detectors.rules.ground import Matrix, ground_plane
from detectors.rules.schedule import Hours, fault_of_hours
from detectors.rules.zones import WHOLE, Polygon

Kind = Literal["fire", "crowd", "stall"]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Values(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)


class PermittedPoint(_Values):
    """A place where a stall is allowed, always or in its hours (a breakfast cart until nine)."""

    x: Share
    y: Share
    hours: tuple[Hours, ...] = Field(default=(), max_length=8, description="Hours of the permit; none: always.")

    @field_validator("hours")
    @classmethod
    def _are_hours(cls, value: tuple[Hours, ...]) -> tuple[Hours, ...]:
        return _checked_hours(value)


class _Rule(_Values):
    zone: str = Field(default="全画面", min_length=1, max_length=50, description="Name of the zone.")
    polygon: Polygon = Field(default=WHOLE, description="The zone's corners, normalised; default the whole picture.")
    exclusions: tuple[Polygon, ...] = Field(default=(), max_length=16, description="Parts that do not count.")
    hours: tuple[Hours, ...] = Field(
        default=(), max_length=8, description="Daily hours in Asia/Shanghai time, such as 22:00–06:00; none: always on."
    )
    min_score: float = Field(default=0.0, ge=0, le=0.95, description="Least score; 0: the weights' own threshold.")
    enabled: bool = True

    @field_validator("polygon")
    @classmethod
    def _is_zone(cls, value: Polygon) -> Polygon:
        if len(value) > 3 and value[0] == value[-1]:
            value = value[:-1]  # a closed ring, as GeoJSON writes it
        why = zones.fault(value)
        if why is not None:
            raise refusal("zone_invalid", *why)
        return value

    @field_validator("exclusions")
    @classmethod
    def _are_zones(cls, value: tuple[Polygon, ...]) -> tuple[Polygon, ...]:
        return tuple(cls._is_zone(polygon) for polygon in value)

    @field_validator("hours")
    @classmethod
    def _are_hours(cls, value: tuple[Hours, ...]) -> tuple[Hours, ...]:
        return _checked_hours(value)

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        if zones.leaves_nothing(self.polygon, self.exclusions):
            raise refusal(
                "never_fires",
                "排除区域盖住了整个区域，规则永远不会触发",
                "the exclusions cover the whole zone: the rule could never fire",
                field="exclusions",
            )
        return self


class FireRuleConfig(_Rule):
    """烟火: seen for ``seen_seconds`` out of ``window_seconds`` at one place, flickering or growing.

    What neither flickers nor grows (a lamp) is asked for ``steady_seconds``: more proof, never silence.
    """

    kind: Literal["fire"] = "fire"
    seen_seconds: Seconds = 3.0
    window_seconds: Annotated[float, Field(gt=0, le=30)] = 5.0
    steady_seconds: Annotated[float, Field(ge=0, le=30)] = 12.0
    release_seconds: Annotated[float, Field(gt=0, le=600)] = 5.0
    smoke: bool = Field(default=True, description="Smoke counts too.")

    @model_validator(mode="after")
    def _can_fire(self) -> Self:
        if self.seen_seconds > self.window_seconds:
            raise refusal(
                "never_fires",
                "可见时长超过观察窗口，规则永远不会触发",
                "seen_seconds is longer than window_seconds: the rule could never fire",
                field="seen_seconds",
            )
        return self


class GroundPoint(_Values):
    """A point of the picture and where it lies on the ground, in metres from any fixed point."""

    x: Share
    y: Share
    east: Annotated[float, Field(ge=-1000, le=1000)]
    north: Annotated[float, Field(ge=-1000, le=1000)]


class CrowdRuleConfig(_Rule):
    """人员聚集: at least ``people`` for ``dwell_seconds``; over when fewer than ``release_share`` of them are left.

    With ``ground`` the camera is calibrated: people gather who stand within ``spacing_metres`` of one another, and many
    who cross a square far apart are no gathering.
    """

    kind: Literal["crowd"] = "crowd"
    people: int = Field(default=15, ge=2, le=300, description="The detector counts up to 300 in a picture.")
    dwell_seconds: Seconds = 60.0
    release_share: float = Field(default=0.7, gt=0, le=1)
    release_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    ground: tuple[GroundPoint, ...] = Field(
        default=(), max_length=4, description="Four points, no three on a line, or none: not calibrated."
    )
    spacing_metres: Annotated[float, Field(gt=0.2, le=50)] = 3.0

    @field_validator("ground")
    @classmethod
    def _is_calibration(cls, value: tuple[GroundPoint, ...]) -> tuple[GroundPoint, ...]:
        if value and ground_plane(tuple(((one.x, one.y), (one.east, one.north)) for one in value)) is None:
            raise refusal(
                "calibration_invalid",
                "标定需要四个地面上的点，任意三点不在一条直线上，且位置与距离相符",
                "a calibration has four points of the ground, no three on a line, whose distances fit the picture",
            )
        return value

    @property
    def plane(self) -> Matrix | None:
        """The ground plane; None: not calibrated."""
        return ground_plane(tuple(((one.x, one.y), (one.east, one.north)) for one in self.ground))


class StallRuleConfig(_Rule):
    """占道经营: a stall that stands still for ``dwell_seconds``; ``occlusion_seconds``: how long it may be hidden."""

    kind: Literal["stall"] = "stall"
    dwell_seconds: Seconds = 300.0
    occlusion_seconds: Annotated[float, Field(gt=0, le=600)] = 20.0
    attended_only: bool = Field(default=False, description="Counts only with somebody standing at it.")
    permitted: tuple[PermittedPoint, ...] = Field(
        default=(), max_length=64, description="A stall whose box covers one of these points is allowed."
    )


RuleConfig = Annotated[FireRuleConfig | CrowdRuleConfig | StallRuleConfig, Field(discriminator="kind")]


def default_rules(
    *,
    fire_seconds: float = 3.0,
    crowd_people: int = 15,
    crowd_dwell: float = 60.0,
    stall_dwell: float = 300.0,
) -> tuple[RuleConfig, ...]:
    """The rules of a camera that has been given none, with an installation's own first values."""
    return (
        FireRuleConfig(seen_seconds=fire_seconds, window_seconds=min(30.0, max(5.0, fire_seconds / 0.6))),
        CrowdRuleConfig(people=crowd_people, dwell_seconds=crowd_dwell),
        StallRuleConfig(dwell_seconds=stall_dwell),
    )


DEFAULT_RULES: tuple[RuleConfig, ...] = default_rules()
"""The domain's first values: fire seen 3 s of 5, 15 people for 60 s, a stall for 5 min, anywhere in the picture."""


def refusal(reason: str, zh: str, en: str, field: str = "") -> PydanticCustomError:
    """A validator's refusal in both languages. ``field``: where the model as a whole is at fault, its field to name."""
    return PydanticCustomError("rule_refused", "{en}", {"reason": reason, "zh": zh, "en": en, "field": field})


def _checked_hours(value: tuple[Hours, ...]) -> tuple[Hours, ...]:
    for hours in value:
        why = fault_of_hours(hours)
        if why is not None:
            raise refusal("hours_invalid", *why)
    return value
