"""An event's message in another platform's words: a list of fields, each with where its value comes from. Pure.

No code and no templates: a mapping is data that is checked when it is saved, kept in versions, and can only fail with
the name of the field at fault.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as Map
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.events.outward import paths
from gateway.events.outward.gcj02 import gcj02
from gateway.events.outward.standard_webhooks import compact

MOST_FIELDS = 200
MOST_BYTES = 256_000
JSON_TYPE = "application/json; charset=utf-8"
FORM_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
Scalar = str | int | float | bool | None

_TIME_PARTS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_TIME_FORM = re.compile(r"(yyyy|MM|dd|HH|mm|ss)|[-/:. T年月日时分秒_]")


class MappingFailed(Exception):
    """``field``: the target at fault."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def _path(text: str) -> str:
    paths.parsed(text)
    return text


def _time_form(text: str) -> str:
    if text not in ("iso", "epoch_s", "epoch_ms") and _TIME_FORM.sub("", text):
        raise ValueError("时间格式只能由 yyyy MM dd HH mm ss 与分隔符组成 use yyyy MM dd HH mm ss and separators")
    return text


PathText = Annotated[str, Field(min_length=1, max_length=paths.LONGEST), AfterValidator(_path)]


class MappedField(BaseModel):
    """One field of the target. Its value is ``from`` (a path in the CloudEvent), ``value`` (a constant), ``coordinate``
    (of the event) or ``evidence`` (links); then translated by ``table``, formed by ``time`` or ``as``."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    to: PathText
    source: PathText | None = Field(default=None, alias="from")
    value: Scalar = None
    coordinate: Literal["lng", "lat", "lng,lat", "lat,lng"] | None = None
    system: Literal["wgs84", "gcj02"] = "wgs84"
    decimals: int = Field(default=6, ge=0, le=9)
    evidence: Literal["snapshot", "clip", "before_photo", "after_photo"] | None = None
    every: bool = Field(default=False, description="All evidence of the kind, as a list; else the first.")
    table: dict[Annotated[str, Field(max_length=100)], Scalar] | None = Field(default=None, max_length=500)
    otherwise: Scalar = Field(default=None, description="Where the source is empty or not in the table.")
    time: Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_time_form)] | None = None
    zone: str = Field(default="+08:00", pattern=r"^[+-](0\d|1[0-4]):[0-5]\d$")
    kind: Literal["string", "integer", "number", "boolean"] | None = Field(default=None, alias="as")
    longest: int | None = Field(default=None, ge=1, le=10_000, description="A longer text is cut.")
    required: bool = Field(default=True, description="False: left out where it is empty.")

    @model_validator(mode="after")
    def _one_source(self) -> MappedField:
        constant = "value" in self.model_fields_set
        if sum((self.source is not None, constant, self.coordinate is not None, self.evidence is not None)) != 1:
            raise ValueError("from、value、coordinate、evidence 须恰有一个 exactly one of these names the source")
        if self.time is not None and (self.source is None or self.table is not None):
            raise ValueError("time 只用于 from，且不与 table 同用 time goes with from, and not with table")
        return self


class Mapping(BaseModel):
    """``form``: flat fields, urlencoded; else JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content_type: Literal["json", "form"] = "json"
    fields: tuple[MappedField, ...] = Field(min_length=1, max_length=MOST_FIELDS)

    @model_validator(mode="after")
    def _targets(self) -> Mapping:
        document: dict[str, Any] = {}
        for field in self.fields:
            try:
                paths.put(document, paths.parsed(field.to), None)
            except ValueError as error:
                raise ValueError(f"{field.to}: {error}") from None
            if self.content_type == "form" and field.every:
                raise ValueError(f"{field.to}: 表单没有列表 a form has no lists")
        return self


@dataclass(frozen=True, slots=True)
class Mapped:
    body: bytes
    media_type: str


def mapped(mapping: Mapping, event: Map[str, Any], links: str) -> Mapped:
    """The body made of a CloudEvent's document; ``links``: the address before ``/api/v1/evidence/…``. Raises
    ``MappingFailed``."""
    document: dict[str, Any] = {}
    flat: list[tuple[str, str]] = []
    for field in mapping.fields:
        value = _value(field, event, links)
        if value is None and not field.required:
            continue
        if value is None and "value" not in field.model_fields_set:
            raise MappingFailed(field.to, "source_empty")
        if mapping.content_type == "form":
            flat.append((field.to, _text(value)))
            continue
        try:
            paths.put(document, _parsed(field.to), value)
        except ValueError:
            raise MappingFailed(field.to, "target_clashes") from None
    body = urlencode(flat).encode() if mapping.content_type == "form" else compact(document)
    if len(body) > MOST_BYTES:
        raise MappingFailed(mapping.fields[-1].to, "body_too_large")
    return Mapped(body, FORM_TYPE if mapping.content_type == "form" else JSON_TYPE)


@cache
def _parsed(text: str) -> paths.Path:
    return paths.parsed(text)


def _value(field: MappedField, event: Map[str, Any], links: str) -> Any:
    if "value" in field.model_fields_set:
        return field.value
    if field.coordinate is not None:
        found: Any = _coordinate(field, event)
    elif field.evidence is not None:
        found = _links(field, event, links)
    else:
        found = paths.found(event, _parsed(field.source or ""))
    if found is None or found == "" or found == []:
        return field.otherwise
    if field.table is not None:
        key = _text(found)
        if key not in field.table and field.otherwise is None:
            raise MappingFailed(field.to, f"not_in_table {key[:40]}")
        found = field.table.get(key, field.otherwise)
    if field.time is not None:
        found = _time(field, found)
    if field.kind is not None:
        found = _as(field, found)
    return found[: field.longest] if field.longest is not None and isinstance(found, str) else found


def _coordinate(field: MappedField, event: Map[str, Any]) -> float | str | None:
    data = event.get("data", {})
    lng, lat = data.get("lng"), data.get("lat")
    if not isinstance(lng, int | float) or not isinstance(lat, int | float):
        return None
    if field.system == "gcj02":
        lng, lat = gcj02(lng, lat)
    at = {"lng": round(float(lng), field.decimals), "lat": round(float(lat), field.decimals)}
    parts = [at[name] for name in (field.coordinate or "").split(",")]
    return parts[0] if len(parts) == 1 else ",".join(f"{part:.{field.decimals}f}" for part in parts)


def _links(field: MappedField, event: Map[str, Any], links: str) -> str | list[str] | None:
    evidence = event.get("data", {}).get("evidence") or []
    found = [f"{links}/api/v1/evidence/{one['id']}" for one in evidence if one.get("kind") == field.evidence]
    return found if field.every else found[0] if found else None


def _time(field: MappedField, found: Any) -> str | int:
    try:
        moment = datetime.fromisoformat(str(found))
        sign = -1 if field.zone.startswith("-") else 1
        hours, minutes = (int(part) for part in field.zone[1:].split(":"))
        local = moment.astimezone(timezone(sign * timedelta(hours=hours, minutes=minutes)))
    except (ValueError, OverflowError):
        raise MappingFailed(field.to, "not_a_time") from None
    if field.time == "epoch_s":
        return int(moment.timestamp())
    if field.time == "epoch_ms":
        return int(moment.timestamp() * 1000)
    if field.time == "iso":
        return local.isoformat(timespec="seconds")
    return _TIME_FORM.sub(lambda part: local.strftime(_TIME_PARTS.get(part[0], part[0])), field.time or "")


def _as(field: MappedField, found: Any) -> Scalar:
    if field.kind == "string":
        return _text(found)
    if field.kind == "boolean":
        if isinstance(found, bool):
            return found
        raise MappingFailed(field.to, "not_a_boolean")
    try:
        number = float(found)
        return int(number) if field.kind == "integer" else number
    except (TypeError, ValueError, OverflowError):
        raise MappingFailed(field.to, "not_a_number") from None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else "" if value is None else compact(value).decode()
