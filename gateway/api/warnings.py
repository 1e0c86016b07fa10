"""``/api/v1/warnings``: red and orange warnings as a feed (Atom, RFC 4287) of CAP 1.2 messages."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from lxml import etree
from sqlalchemy import ColumnElement, or_, select

from gateway.access.caller import Caller
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.events.outward import cap
from gateway.refusals import Refusal
from gateway.storage.tables.outward import WarningRow

router = APIRouter(tags=["warnings"])
ATOM = "http://www.w3.org/2005/Atom"
_DEFAULT: dict[str, str] = {None: ATOM}  # type: ignore[dict-item]  # lxml names the default namespace None
Reader = Annotated[Caller, Depends(permit("warnings.read"))]
_FEED: dict[int | str, dict[str, Any]] = {200: {"content": {"application/atom+xml": {"schema": {"type": "string"}}}}}
_MESSAGE: dict[int | str, dict[str, Any]] = {200: {"content": {cap.MEDIA_TYPE: {"schema": {"type": "string"}}}}}


@router.get("/warnings", response_class=Response, responses=_FEED)
async def feed(
    caller: Reader,
    doors: Doors,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    expired: Annotated[bool, Query(description="Also those whose time has run out.")] = False,
) -> Response:
    """The messages in the caller's scope, the newest first."""
    conditions = [_visible(caller)]
    if not expired:
        conditions.append(WarningRow.expires > doors.clock())
    async with doors.db.reading() as session:
        query = select(WarningRow).where(*conditions).order_by(WarningRow.sent.desc(), WarningRow.identifier.desc())
        rows = list(await session.scalars(query.limit(limit)))
    links = doors.settings.receivers.links
    root = etree.Element(f"{{{ATOM}}}feed", nsmap=_DEFAULT)
    _add(root, "id", f"urn:gateway:{caller.platform}:warnings")
    _add(root, "title", "预警 Warnings")
    _add(root, "updated", cap.as_cap_time(rows[0].sent if rows else doors.clock()))
    _add(root, "link", "", rel="self", href=f"{links}/api/v1/warnings", type="application/atom+xml")
    for row in rows:
        entry = _add(root, "entry", "")
        _add(entry, "id", f"urn:gateway:warning:{row.identifier}")
        _add(entry, "title", ("【演练】" if row.drill else "") + row.headline)
        _add(entry, "updated", cap.as_cap_time(row.sent))
        _add(_add(entry, "author", ""), "name", cap.sender_of(row.platform))
        _add(entry, "category", "", term=row.colour)
        _add(entry, "category", "", term=row.msg_type)
        _add(entry, "link", "", href=f"{links}/api/v1/warnings/{row.identifier}", type=cap.MEDIA_TYPE)
    body = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return Response(body, media_type="application/atom+xml")


@router.get("/warnings/{identifier}", response_class=Response, responses=_MESSAGE)
async def message(identifier: str, caller: Reader, doors: Doors) -> Response:
    """One CAP message as it was sent."""
    async with doors.db.reading() as session:
        query = select(WarningRow.document).where(WarningRow.identifier == identifier, _visible(caller))
        document = await session.scalar(query)
    if document is None:
        raise Refusal("not_found", "warning_unknown", "没有这条预警信息。", "There is no such warning.")
    return Response(document.encode(), media_type=cap.MEDIA_TYPE)


def _visible(caller: Caller) -> ColumnElement[Any]:
    return or_(caller.visible(WarningRow.platform), caller.visible(WarningRow.department))


def _add(parent: etree._Element, name: str, text: str, **attributes: str) -> etree._Element:
    made = etree.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    made.text = text or None
    return made
