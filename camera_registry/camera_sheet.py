"""A sheet of camera records (一机一档): its columns, each row checked by itself, and records written in the same form.

No login stands in a sheet: sheets are mailed about. A camera takes its login from the credential set that is bound to
its address. A row is known again by its code or, without one, by its address, so importing twice changes nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TypeVar

from camera_registry import reasons
from camera_registry.address_policy import AddressPolicy, host_of, literal_onvif, literal_stream
from camera_registry.codes import INDUSTRIES, NETWORKS, CameraCode
from camera_registry.errors import CameraRefused
from camera_registry.record import TABLES, Description
from camera_registry.sheet_files import Row, read_sheet

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "code": "编码", "name": "名称", "onvif_address": "ONVIF地址", "rtsp_url": "RTSP地址", "lng": "经度",
        "lat": "纬度", "grid": "网格", "platform": "所属平台", "address": "地址", "owner_unit": "所属单位",
        "division": "行政区划",
        "structure": "结构", "position_type": "位置类型", "room_type": "室内外", "use_type": "用途",
        "fill_light": "补光", "bearing": "朝向", "confidentiality": "涉密", "industry": "行业编码",
        "network": "网络标识", "vendor": "厂商", "model": "型号", "note": "备注",
    }
)  # fmt: skip
"""Field → its heading. A sheet may use either, in any order; of the rest only a name and one of code and address."""

T = TypeVar("T")

_SECRETS = re.compile(r"pass(word|wd)?|pwd|secret|口令|密码|用户名|user(name)?", re.IGNORECASE)
_LONGEST = {"name": 100, "address": 200, "note": 1000, "grid": 32, "platform": 32, "vendor": 200, "model": 200}
_DESCRIPTIVE = tuple(one.name for one in fields(Description))


@dataclass(frozen=True, slots=True)
class CameraLine:
    """A row that is right by itself. None: the cell is empty or its column not there, so nothing is said of it.

    ``onvif_address`` and ``rtsp_url`` have a literal, allowed host. ``described``: fields of ``record.Description``.
    """

    row: int
    code: str | None
    name: str | None
    onvif_address: str | None = None
    rtsp_url: str | None = None
    lng: float | None = None
    lat: float | None = None
    industry: str = "08"
    network: str = "2"
    texts: Mapping[str, str] = field(default_factory=dict)
    """Of ``address``, ``grid``, ``platform``, ``vendor``, ``model``, ``note``."""
    described: Mapping[str, str | float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LineFault:
    """A row that is left out, and why. ``code`` as it stands in the row."""

    row: int
    code: str
    field: str
    reason: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class CameraSheet:
    """The rows of a file; ``ignored``: headings that mean nothing here."""

    lines: tuple[CameraLine | LineFault, ...]
    ignored: tuple[str, ...] = ()


class _Wrong(Exception):
    def __init__(self, name: str, reason: str, zh: str, en: str) -> None:
        super().__init__(reason)
        self.name, self.reason, self.zh, self.en = name, reason, zh, en


def read_cameras(content: bytes, policy: AddressPolicy) -> CameraSheet:
    """Takes seconds for 10,000 rows: call it in a thread. Addresses must be literal, since no name is resolved here.

    Raises ``CameraRefused`` with field ``file`` where there is no sheet to read: ``sheet_unreadable``,
    ``sheet_too_large``, ``sheet_without_columns``, ``sheet_with_secrets``.
    """
    rows = read_sheet(content)
    head = next(rows, (0, ()))[1]
    columns, ignored = _columns(head)
    if "name" not in columns.values() and "code" not in columns.values():
        raise CameraRefused(reasons.SHEET_WITHOUT_COLUMNS, field="file")
    return CameraSheet(tuple(_lines(rows, columns, policy)), ignored)


def written(records: Sequence[Mapping[str, object]]) -> Iterator[list[str]]:
    """The heading, then a row for each record; what a record does not hold is empty."""
    yield list(COLUMNS.values())
    for record in records:
        yield [_cell(record.get(name)) for name in COLUMNS]


def _columns(head: Row) -> tuple[dict[int, str], tuple[str, ...]]:
    by_heading = {heading.lower(): name for name, heading in COLUMNS.items()} | {name: name for name in COLUMNS}
    found: dict[int, str] = {}
    ignored: list[str] = []
    for number, heading in enumerate(head):
        name = by_heading.get("".join(heading.split()).lower())
        if name is None and _SECRETS.fullmatch("".join(heading.split())):
            raise CameraRefused(reasons.SHEET_WITH_SECRETS, field="file")
        if name is None or name in found.values():
            ignored += [heading[:40]] if heading else []
        else:
            found[number] = name
    return found, tuple(ignored)


def _lines(
    rows: Iterator[tuple[int, Row]], columns: Mapping[int, str], policy: AddressPolicy
) -> Iterator[CameraLine | LineFault]:
    codes: dict[str, int] = {}
    addresses: dict[str, int] = {}
    for number, cells in rows:
        said = {name: cells[place] for place, name in columns.items() if place < len(cells) and cells[place]}
        try:
            line = _line(number, said, policy)
            _once(codes, line.code, number, "code")
            for name in ("onvif_address", "rtsp_url"):
                _once(addresses, getattr(line, name), number, name)
        except _Wrong as wrong:
            yield LineFault(number, said.get("code", "")[:20], wrong.name, wrong.reason, wrong.zh, wrong.en)
        else:
            yield line


def _line(number: int, said: Mapping[str, str], policy: AddressPolicy) -> CameraLine:
    for name, text in said.items():
        if len(text) > _LONGEST.get(name, 400):
            raise _Wrong(name, "too_long", f"不得超过 {_LONGEST.get(name, 400)} 字。", "The text is too long.")
        if not text.isprintable() and name != "note":
            raise _Wrong(name, "not_printable", "含有换行或控制字符。", "It holds line breaks or control characters.")
    if "\x00" in said.get("note", ""):
        raise _Wrong("note", "not_printable", "含有控制字符。", "It holds control characters.")
    code = said.get("code")
    if code is not None:
        _registry("code", lambda: CameraCode.parse(code))
    lng, lat = _degrees(said, "lng", 180), _degrees(said, "lat", 90)
    if (lng is None) != (lat is None):
        missing = "lat" if lat is None else "lng"
        raise _Wrong(missing, "point_incomplete", "经度与纬度须同时给出。", "Longitude and latitude go together.")
    if "onvif_address" in said and "rtsp_url" in said:
        raise _Wrong(
            "rtsp_url", "one_address_needed", "ONVIF 地址与 RTSP 地址只能填写一个。", "Give one address, not both."
        )
    industry, network = said.get("industry", "08"), said.get("network", "2")
    industry = industry.zfill(2)
    if industry not in INDUSTRIES:
        raise _Wrong("industry", "industry_unknown", f"没有行业编码“{industry}”。", f"No industry code {industry!r}.")
    if network not in NETWORKS:
        raise _Wrong("network", "network_unknown", f"没有网络标识“{network}”。", f"No network identifier {network!r}.")
    return CameraLine(
        row=number,
        code=code,
        name=said.get("name"),
        onvif_address=_address(said, "onvif_address", policy),
        rtsp_url=_address(said, "rtsp_url", policy),
        lng=lng,
        lat=lat,
        industry=industry,
        network=network,
        texts={name: said[name] for name in ("address", "grid", "platform", "vendor", "model", "note") if name in said},
        described=_described(said),
    )


def _address(said: Mapping[str, str], name: str, policy: AddressPolicy) -> str | None:
    if name not in said:
        return None
    text = said[name]

    def checked() -> str:
        url = literal_onvif(text) if name == "onvif_address" else literal_stream(text)
        if not policy.allows(host_of(url)):
            raise CameraRefused(reasons.ADDRESS_NOT_ALLOWED)
        return url

    return _registry(name, checked)


def _described(said: Mapping[str, str]) -> dict[str, str | float | None]:
    found: dict[str, str | float | None] = {}
    for name in _DESCRIPTIVE:
        if name not in said:
            continue
        text = said[name]
        if name == "bearing":
            found[name] = _number(name, text)
        else:
            by_word = {word: value for value, word in TABLES.get(name, {}).items()}
            found[name] = by_word.get(text, text)
    _registry(None, lambda: Description(**found))  # type: ignore[arg-type]  # it checks them itself
    return found


def _degrees(said: Mapping[str, str], name: str, most: int) -> float | None:
    if name not in said:
        return None
    value = _number(name, said[name])
    if abs(value) > most:
        raise _Wrong(name, f"{name}_invalid", f"应为 -{most} 至 {most} 度。", f"It lies between -{most} and {most}.")
    return value


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _Wrong(name, "not_a_number", f"“{text[:20]}”不是数字。", f"{text[:20]!r} is no number.")
    return value


def _registry(name: str | None, check: Callable[[], T]) -> T:
    """What the registry's own rules refuse, as a fault of this row."""
    try:
        return check()
    except CameraRefused as refused:
        raise _Wrong(refused.field or name or "", refused.reason, refused.zh, refused.en) from refused


def _once(seen: dict[str, int], value: str | None, number: int, name: str) -> None:
    if value is None:
        return
    first = seen.setdefault(value, number)
    if first != number:
        raise _Wrong(name, "twice_in_file", f"与第 {first} 行重复。", f"The same as in row {first}.")


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.7f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
