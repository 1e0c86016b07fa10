"""Events as service requests of Open311 GeoReport v2: what other portals may show of them. Pure.

https://wiki.open311.org/GeoReport_v2/. No person is in it: of what people reported in their own words neither text nor
address is given, pictures never. Gatherings (restricted visibility) and drills are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from lxml import etree

from gateway.events.classes import EventClass
from gateway.events.event_states import ENDS, STATE_NAMES
from gateway.events.local_time import LOCAL_TIME
from gateway.events.outward.standard_webhooks import compact
from gateway.storage.tables.events import EventRow

Form = Literal["json", "xml"]
LEFT_OUT = frozenset({"crowd"})
"""Hazards whose events are not for other portals."""
MEDIA_TYPES: Mapping[Form, str] = {"json": "application/json; charset=utf-8", "xml": "text/xml; charset=utf-8"}

Item = Mapping[str, Any]


def service(kind: EventClass) -> Item:
    return {
        "service_code": kind.code,
        "service_name": kind.name,
        "description": kind.condition,
        "metadata": False,
        "type": "realtime",
        "keywords": kind.category,
        "group": kind.category,
    }


def request(row: EventRow, updated: datetime, agency: str) -> Item:
    by_camera = row.source == "camera"
    return {
        "service_request_id": row.no,
        "status": "closed" if row.state in ENDS else "open",
        "status_notes": STATE_NAMES.get(row.state, row.state),
        "service_name": row.class_name,
        "service_code": row.class_code,
        "description": row.description if by_camera else row.class_name,
        "agency_responsible": agency,
        "service_notice": "",
        "requested_datetime": _time(row.reported_at),
        "updated_datetime": _time(updated),
        "expected_datetime": _time(row.handle_due_at) if row.handle_due_at is not None else "",
        "address": (row.address or row.camera_name) if by_camera else "",
        "address_id": row.grid or "",
        "zipcode": "",
        "lat": row.lat,
        "long": row.lng,
    }


def written(form: Form, root: str, name: str, items: Sequence[Item]) -> bytes:
    """A list in the form asked for: a JSON array, or ``<root><name>…</name></root>``."""
    if form == "json":
        return compact(list(items))
    document = etree.Element(root)
    for item in items:
        _fill(etree.SubElement(document, name), item)
    return _xml(document)


def definition(form: Form, kind: EventClass) -> bytes:
    """A class asks for nothing beside the request itself."""
    if form == "json":
        return compact({"service_code": kind.code, "attributes": []})
    document = etree.Element("service_definition")
    _fill(document, {"service_code": kind.code})
    etree.SubElement(document, "attributes")
    return _xml(document)


def error(form: Form, code: int, description: str) -> bytes:
    return written(form, "errors", "error", [{"code": code, "description": description}])


def _fill(element: etree._Element, item: Item) -> None:
    for name, value in item.items():
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        made = etree.SubElement(element, name)
        made.text = "".join(mark for mark in text if mark in "\n\t" or mark.isprintable())


def _xml(document: etree._Element) -> bytes:
    return etree.tostring(document, xml_declaration=True, encoding="UTF-8")


def _time(moment: datetime) -> str:
    return moment.astimezone(LOCAL_TIME).isoformat(timespec="seconds")


def shown(classes: Iterable[EventClass]) -> list[EventClass]:
    return [kind for kind in classes if kind.hazard not in LEFT_OUT]
