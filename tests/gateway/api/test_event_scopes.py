"""Who sees which event, at every door that shows one: the hub all, a town its subtree, a community its own, a
department what was dispatched to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from gateway.api.services import Services
from gateway.grid.platforms import add_sub_platform

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
API = "/api/v1"


async def reported(client: httpx.AsyncClient) -> str:
    body = {"class_code": "04-96", "description": "消防通道被堵", "lng": 120.5, "lat": 30.25}
    answer = await client.post(f"{API}/events", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["no"])


async def step(client: httpx.AsyncClient, no: str, action: str, **asked: Any) -> None:
    seen = (await client.get(f"{API}/events/{no}")).json()
    body = {"revision": seen["revision"], "opinion": "理由", **asked}
    answer = await client.post(f"{API}/events/{no}/actions/{action}", json=body)
    assert answer.status_code == 200, answer.text


async def seen_by(client: httpx.AsyncClient, numbers: list[str]) -> set[str]:
    """The events that every door agrees on showing to the client."""
    listed = {item["no"] for item in (await client.get(f"{API}/events")).json()["items"]}
    box = {"bbox": "120,30,121,31", "until": "2030-01-07T10:00:00Z"}
    mapped = {point["no"] for point in (await client.get(f"{API}/events/map", params=box)).json()["points"]}
    opened = {no for no in numbers if (await client.get(f"{API}/events/{no}")).status_code == 200}
    alike = {no for no in numbers if (await client.get(f"{API}/events/{no}/similar")).status_code == 200}
    near = [(await client.get(f"{API}/events/{no}/similar")).json()["items"] for no in sorted(opened)]
    photographed = set()
    for no in numbers:
        answer = await client.post(f"{API}/events/{no}/photos", content=b"no photograph")
        assert answer.json()["reason"] in ("photo_unreadable", "event_unknown")
        photographed |= {no} if answer.json()["reason"] == "photo_unreadable" else set()
    until = {"until": "2030-01-07T10:00:00Z"}
    counted = (await client.get(f"{API}/statistics/summary", params=until)).json()["events_by_state"]
    grouped = (await client.get(f"{API}/statistics/rates", params=until | {"by": "class"})).json()["items"]
    assert listed == mapped == opened == alike == photographed
    assert all(item["no"] in listed for items in near for item in items)
    assert sum(counted.values()) == sum(item["reported"] for item in grouped) == len(listed)
    return listed


async def test_every_door_shows_each_platform_its_own_and_each_department_what_is_its_to_do(
    client_as: ClientAs, services: Services
) -> None:
    async with services.db.transaction() as session:
        for code, kind, parent in (
            ("town-a", "town", "hub"),
            ("town-b", "town", "hub"),
            ("village", "key_community", "town-a"),
            ("urban", "city_department", "hub"),
        ):
            await add_sub_platform(session, code, code, kind, parent)  # type: ignore[arg-type]  # kinds as written
    roles = ("duty_officer", "dispatcher", "department")
    who = {code: await client_as(*roles, platform=code) for code in ("hub", "town-a", "town-b", "village", "urban")}
    numbers = {code: await reported(who[code]) for code in ("hub", "town-a", "village")}
    every = list(numbers.values())
    own, town, village = every

    assert await seen_by(who["hub"], every) == {own, town, village}
    assert await seen_by(who["town-a"], every) == {town, village}
    assert await seen_by(who["village"], every) == {village}
    assert await seen_by(who["town-b"], every) == await seen_by(who["urban"], every) == set()

    await step(who["hub"], village, "accept")
    async with services.live.listen() as listener:
        await step(who["hub"], village, "dispatch", department="urban")
        notice = listener.queue.get_nowait()
    assert await seen_by(who["urban"], every) == {village}
    assert await seen_by(who["town-b"], every) == set()
    assert (notice.platform, notice.department) == ("village", "urban")
