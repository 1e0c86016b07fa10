"""Warnings are read as a feed, by those who see their events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
from lxml import etree

from gateway.api.services import Services
from gateway.storage.tables.grid import Platform

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
ATOM = {"a": "http://www.w3.org/2005/Atom"}


async def test_the_feed_leads_to_each_message(client_as: ClientAs, raise_alert: RaiseAlert, services: Services) -> None:
    officer = await client_as("duty_officer")
    empty = await officer.get("/api/v1/warnings")
    assert empty.headers["content-type"].startswith("application/atom+xml")
    assert etree.fromstring(empty.content).findall("a:entry", ATOM) == []
    await raise_alert("fire")
    [entry] = etree.fromstring((await officer.get("/api/v1/warnings")).content).findall("a:entry", ATOM)
    link = entry.find("a:link", ATOM)
    assert link is not None
    message = await officer.get(link.attrib["href"])
    assert message.headers["content-type"] == "application/cap+xml"
    assert etree.fromstring(message.content).tag == "{urn:oasis:names:tc:emergency:cap:1.2}alert"
    async with services.db.transaction() as session:
        session.add(Platform(code="town", name="测试镇", kind="town", parent="hub", platform="town"))
    elsewhere = await client_as("duty_officer", platform="town")
    assert etree.fromstring((await elsewhere.get("/api/v1/warnings")).content).findall("a:entry", ATOM) == []
    assert (await elsewhere.get(link.attrib["href"])).status_code == 404
    assert (await officer.get("/api/v1/warnings/none")).status_code == 404
