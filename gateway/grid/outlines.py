"""Grids read from GeoJSON: pure, row by row, each fault with its row and reason.

A row is one Feature with properties ``code``, ``name``, ``kind`` and, optionally, ``platform``. Coordinates are WGS-84
longitude and latitude (RFC 7946). The code is the 12-digit statistical division code and a 3-digit serial; its
pattern is an argument, since cities differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import category

from shapely import get_num_coordinates, is_valid_reason
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape

from gateway.refusals import Refusal

CODE_PATTERN = re.compile(r"(?P<division>[0-9]{12})[0-9]{3}")
_WGS_84 = re.compile(r"CRS:?84|EPSG:{1,2}(4326|4490)\b|WGS ?84|CGCS2000$", re.IGNORECASE)
_NO_TEXT = frozenset({"Cc", "Cs"})  # control characters and lone surrogates, which no database keeps
KINDS = frozenset({"urban", "rural", "dedicated"})
MOST_ROWS = 20_000
MOST_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class GridRow:
    """A grid as it stands in a file. ``platform`` is empty where the file names none."""

    row: int
    code: str
    name: str
    kind: str
    division: str
    platform: str
    outline: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a row was left out. ``row`` counts features from 1; ``code`` is what the row called itself."""

    row: int
    code: str
    field: str
    reason: str
    zh: str
    en: str
    where: Mapping[str, Any] | None = None
    """GeoJSON of the spot at fault, where there is one to draw."""


def read_features(document: object, code_pattern: re.Pattern[str] = CODE_PATTERN) -> Iterator[GridRow | RowFault]:
    """Each feature of a FeatureCollection as a grid or a fault; a document of another form is refused as a whole."""
    features = document.get("features") if isinstance(document, dict) else None
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection" or not isinstance(features, list):
        raise Refusal(
            "invalid",
            "not_a_feature_collection",
            "文件应为 GeoJSON FeatureCollection。",
            "The document is not a GeoJSON FeatureCollection.",
            field="type",
        )
    _check_crs(document.get("crs"))
    if len(features) > MOST_ROWS:
        raise Refusal(
            "too_large",
            "too_many_rows",
            f"一次最多导入 {MOST_ROWS} 个网格。",
            f"At most {MOST_ROWS} grids can be imported at once.",
            field="features",
        )
    seen: dict[str, int] = {}
    for number, feature in enumerate(features, start=1):
        read = _read(number, feature, code_pattern)
        if isinstance(read, GridRow):
            if read.code in seen:
                yield RowFault(
                    number,
                    read.code,
                    "code",
                    "code_repeated",
                    f"编码与第 {seen[read.code]} 行重复。",
                    f"The code already stands in row {seen[read.code]}.",
                )
                continue
            seen[read.code] = number
        yield read


def _check_crs(crs: object) -> None:
    """RFC 7946 knows WGS-84 alone; older files name another system in a member ``crs``."""
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else crs
    if crs is None or (isinstance(name, str) and _WGS_84.search(name)):
        return
    raise Refusal(
        "invalid",
        "crs_unsupported",
        f"坐标系“{str(name)[:60]}”不受支持，请转换为 WGS-84 或 CGCS2000 经纬度。",
        f"The coordinate system {str(name)[:60]!r} is not supported; convert to WGS-84 or CGCS2000 degrees.",
        field="crs",
    )


def _read(number: int, feature: object, code_pattern: re.Pattern[str]) -> GridRow | RowFault:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(feature, dict) or not isinstance(properties, dict):
        return RowFault(number, "", "properties", "not_a_feature", "不是 GeoJSON Feature。", "Not a GeoJSON Feature.")
    code = str(properties.get("code", "")).strip()
    match = code_pattern.fullmatch(code)
    if match is None:
        return RowFault(
            number,
            code[:64],
            "code",
            "code_invalid",
            "网格编码应为 12 位区划代码加 3 位顺序号。",
            "A grid code is a 12-digit division code and a 3-digit serial.",
        )
    name = str(properties.get("name", "")).strip()
    if not 1 <= len(name) <= 100 or any(category(c) in _NO_TEXT for c in name):
        return RowFault(number, code, "name", "name_invalid", "请填写网格名称。", "A grid needs a printable name.")
    kind = str(properties.get("kind", "urban"))
    if kind not in KINDS:
        return RowFault(
            number,
            code,
            "kind",
            "kind_unknown",
            "网格类型应为 urban、rural 或 dedicated。",
            "A grid is urban, rural or dedicated.",
        )
    outline = _outline(feature.get("geometry"))
    if isinstance(outline, _Flaw):
        return RowFault(number, code, "geometry", outline.reason, outline.zh, outline.en, outline.where)
    division = match.groupdict().get("division") or code[:12]
    if code_pattern is CODE_PATTERN and division.endswith("000"):
        return RowFault(
            number,
            code,
            "code",
            "grid_straight_under_town",
            "网格须属于村或社区（区划代码末三位不为 000），不能直属镇街。",
            "A grid belongs to a village or community, never straight to a town: its division ends in 000.",
        )
    return GridRow(number, code, name, kind, division, str(properties.get("platform", "")).strip(), outline)


@dataclass(frozen=True, slots=True)
class _Flaw:
    reason: str
    zh: str
    en: str
    where: Mapping[str, Any] | None = None


def _outline(geometry: object) -> Mapping[str, Any] | _Flaw:
    if not isinstance(geometry, dict) or geometry.get("type") not in ("Polygon", "MultiPolygon"):
        return _Flaw(
            "outline_not_a_polygon", "边界应为面（Polygon）。", "The outline is not a Polygon or MultiPolygon."
        )
    try:
        outline = shape(geometry)
        points = int(get_num_coordinates(outline))
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return _Flaw("outline_unreadable", "边界坐标无法读取。", "The outline's coordinates cannot be read.")
    if outline.is_empty:
        return _Flaw("outline_empty", "边界为空。", "The outline is empty.")
    if points > MOST_POINTS:
        return _Flaw(
            "outline_too_fine", f"边界超过 {MOST_POINTS} 个点。", f"The outline has more than {MOST_POINTS} points."
        )
    west, south, east, north = outline.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        if -90 <= west <= east <= 90 and -180 <= south <= north <= 180:
            return _Flaw(
                "outline_axes_swapped",
                "纬度超出 ±90 度：经度与纬度可能颠倒，GeoJSON 先写经度。",
                "A latitude exceeds 90 degrees: the axes may be swapped; GeoJSON gives longitude first.",
            )
        return _Flaw(
            "outline_not_in_degrees",
            "坐标须为 WGS-84 经纬度（度），该值可能是投影坐标（米）。",
            "The coordinates are not WGS-84 degrees; they may be projected, in metres.",
        )
    if not outline.is_valid:
        fault = is_valid_reason(outline)
        if "Self-intersection" in fault:
            said = (f"边界自相交：{fault}", f"The outline crosses itself: {fault}")
            return _Flaw("outline_crosses_itself", *said, _spot(fault))
        return _Flaw("outline_invalid", f"边界无效：{fault}", f"The outline is not valid: {fault}", _spot(fault))
    if outline.area == 0:
        return _Flaw("outline_empty", "边界没有面积。", "The outline has no area.")
    # As JSON gives it back: lists, not tuples, so that an unchanged row is seen as such.
    return {"type": outline.geom_type, "coordinates": _lists(mapping(outline)["coordinates"])}


def _lists(value: object) -> object:
    return [_lists(part) for part in value] if isinstance(value, (list, tuple)) else value


def _spot(fault: str) -> Mapping[str, Any] | None:
    """The point that GEOS names at the end of its reason: ``Self-intersection[120.5 30.2]``."""
    found = re.search(r"\[(-?[0-9.e+-]+) (-?[0-9.e+-]+)\]$", fault)
    return {"type": "Point", "coordinates": [float(found[1]), float(found[2])]} if found else None
