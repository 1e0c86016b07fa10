"""Warnings in the Common Alerting Protocol (OASIS CAP 1.2), in Chinese and English. Pure: facts in, XML out.

http://docs.oasis-open.org/emergency/cap/v1.2/CAP-v1.2-os.html. The colours are those of the national warning signals
(红橙黄蓝); of events only red and orange ones are warnings. They are for the city's own systems: scope Restricted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal

from lxml import etree

from gateway.events.local_time import LOCAL_TIME

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"
COLOURS = frozenset({"red", "orange"})
LIFE = timedelta(hours=24)
"""How long a message counts that no other has followed."""
RADIUS_KM: Mapping[str, float] = MappingProxyType({"fire": 0.2, "crowd": 0.1})
OTHER_RADIUS_KM = 0.05
MOST_VERTICES = 400
RESTRICTION = "供本市社会治理平台及其接收方使用 For the city's governance platform and its receivers"

MsgType = Literal["Alert", "Update", "Cancel"]


@dataclass(frozen=True, slots=True)
class WarningFacts:
    """What a warning says about its event. ``polygon``: ``(lng, lat)`` of its grid's outline, where it has no point;
    ``confirmed``: a person has accepted it."""

    event_id: str
    no: str
    platform: str
    platform_name: str
    class_code: str
    class_name: str
    hazard: str
    category: str
    colour: str
    level: int
    state: str
    confirmed: bool
    drill: bool
    description: str
    seen_at: datetime
    place: str
    grid: str | None
    lng: float | None
    lat: float | None
    polygon: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message that was sent before of the same event."""

    identifier: str
    sent: datetime


_DEFAULT: dict[str, str] = {None: NAMESPACE}  # type: ignore[dict-item]  # lxml names the default namespace None
_SEVERITY = {"red": "Extreme", "orange": "Severe"}
_COLOUR_NAMES = {"red": ("红色", "Red"), "orange": ("橙色", "Orange")}
_HAZARDS = {"fire": "fire or smoke", "crowd": "gathering of people", "stall": "street stall"}
_CATEGORY = {"safety": "Safety", "eco": "Env"}
_END_NOTES = {
    "not_accepted": "不予受理 not accepted",
    "cancelled": "作废 cancelled",
    "closed": "办结 closed",
    "forced_closed": "强制结案 closed by order",
}


def sender_of(platform: str) -> str:
    return f"gateway-{platform}"


def identifier_of(event_id: str, number: int) -> str:
    return f"{event_id}.{number}"


def as_cap_time(moment: datetime) -> str:
    """``2030-01-07T17:00:00+08:00``: no fractions, and never Z (CAP 1.2, 3.3.2)."""
    return moment.astimezone(LOCAL_TIME).isoformat(timespec="seconds")


def document(
    facts: WarningFacts, msg_type: MsgType, identifier: str, sent: datetime, earlier: Sequence[Earlier]
) -> bytes:
    """The message as UTF-8 XML."""
    alert = etree.Element(f"{{{NAMESPACE}}}alert", nsmap=_DEFAULT)
    sender = sender_of(facts.platform)
    _add(alert, "identifier", identifier)
    _add(alert, "sender", sender)
    _add(alert, "sent", as_cap_time(sent))
    _add(alert, "status", "Exercise" if facts.drill else "Actual")
    _add(alert, "msgType", msg_type)
    _add(alert, "scope", "Restricted")
    _add(alert, "restriction", RESTRICTION)
    if msg_type == "Cancel":
        _add(alert, "note", _END_NOTES.get(facts.state, facts.state))
    elif facts.drill:
        _add(alert, "note", "演练，非真实事件 An exercise, no real event")
    if earlier:
        _add(alert, "references", " ".join(f"{sender},{one.identifier},{as_cap_time(one.sent)}" for one in earlier))
    _add(alert, "incidents", _one_word(facts.no))
    for language in ("zh-CN", "en"):
        _info(alert, facts, sent, language, ended=msg_type == "Cancel")
    return etree.tostring(alert, xml_declaration=True, encoding="UTF-8")


def _info(alert: etree._Element, facts: WarningFacts, sent: datetime, language: str, *, ended: bool) -> None:
    chinese = language.startswith("zh")
    info = _add(alert, "info", None)
    colour = _COLOUR_NAMES[facts.colour][0 if chinese else 1]
    hazard = _HAZARDS.get(facts.hazard, f"event of class {facts.class_code}")
    drill = ("【演练】" if chinese else "[EXERCISE] ") if facts.drill else ""
    _add(info, "language", language)
    _add(info, "category", "Fire" if facts.hazard == "fire" else _CATEGORY.get(facts.category, "Other"))
    _add(info, "event", facts.class_name if chinese else hazard.capitalize())
    _add(info, "responseType", "AllClear" if ended else "Assess")
    _add(info, "urgency", "Past" if ended else "Immediate")
    _add(info, "severity", _SEVERITY[facts.colour])
    _add(info, "certainty", "Observed" if facts.confirmed else "Likely")
    code = _add(info, "eventCode", None)
    _add(code, "valueName", "GB/T 30428")
    _add(code, "value", facts.class_code)
    _add(info, "effective", as_cap_time(sent))
    _add(info, "onset", as_cap_time(facts.seen_at))
    _add(info, "expires", as_cap_time(sent + LIFE))
    _add(info, "senderName", facts.platform_name)
    if chinese:
        ending = "解除" if ended else ""
        _add(info, "headline", f"{drill}{colour}预警{ending}：{facts.class_name}，{facts.place}"[:160])
        _add(info, "description", facts.description)
    else:
        seen = facts.seen_at.astimezone(LOCAL_TIME)
        ending = " ended" if ended else ""
        _add(info, "headline", f"{drill}{colour} warning{ending}: {hazard}, {facts.place}"[:160])
        _add(info, "description", f"Suspected {hazard} seen at {seen:%Y-%m-%d %H:%M:%S} (+08:00): {facts.place}.")
    if facts.hazard == "fire" and not ended:
        _add(
            info, "instruction", "请立即核实，必要时拨打119。" if chinese else "Verify at once; call 119 where needed."
        )
    for name, value in (("event_no", facts.no), ("state", facts.state), ("level", str(facts.level))):
        parameter = _add(info, "parameter", None)
        _add(parameter, "valueName", name)
        _add(parameter, "value", value)
    _area(info, facts)


def _area(info: etree._Element, facts: WarningFacts) -> None:
    area = _add(info, "area", None)
    _add(area, "areaDesc", facts.place)
    if facts.lng is not None and facts.lat is not None:
        radius = RADIUS_KM.get(facts.hazard, OTHER_RADIUS_KM)
        _add(area, "circle", f"{facts.lat:.6f},{facts.lng:.6f} {radius:g}")
    elif len(facts.polygon) >= 4:
        _add(area, "polygon", " ".join(f"{lat:.6f},{lng:.6f}" for lng, lat in facts.polygon))
    if facts.grid:
        code = _add(area, "geocode", None)
        _add(code, "valueName", "grid")
        _add(code, "value", facts.grid)


def ring(outline: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """The outer ring of a grid's GeoJSON outline (of several parts the longest), thinned to what a message may hold,
    closed again."""
    parts = [outline["coordinates"]] if outline.get("type") == "Polygon" else outline.get("coordinates", [])
    rings = [part[0] for part in parts if part]
    if not rings:
        return ()
    longest = max(rings, key=len)
    thinned = longest[:-1][:: max(1, -(-len(longest) // MOST_VERTICES))]
    closed = [*thinned, thinned[0]]
    return tuple((float(point[0]), float(point[1])) for point in closed)


def _add(parent: etree._Element, name: str, text: str | None) -> etree._Element:
    made = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if text is not None:
        made.text = text if text.isprintable() else "".join(mark for mark in text if mark == "\n" or mark.isprintable())
    return made


def _one_word(text: str) -> str:
    """References and incidents are lists of words."""
    return "".join("_" if mark in " ,<&\t\n" else mark for mark in text)
