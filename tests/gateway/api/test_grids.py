"""Platforms and grids over HTTP: import with its report, scope, and the grid at a point."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
DIVISION = "999001001001"


def square(west: float, south: float, size: float = 0.01) -> list[list[list[float]]]:
    east, north = west + size, south + size
    return [[[west, south], [east, south], [east, north], [west, north], [west, south]]]


def feature(serial: int, coordinates: list[Any], **properties: object) -> dict[str, Any]:
    named = {"code": f"{DIVISION}{serial:03}", "name": f"第{serial}网格", "kind": "urban", **properties}
    return {"type": "Feature", "properties": named, "geometry": {"type": "Polygon", "coordinates": coordinates}}


def collection(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


async def test_good_rows_go_in_and_faulty_ones_are_named(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    bow_tie = [[[1.0, 1.0], [1.1, 1.1], [1.1, 1.0], [1.0, 1.1], [1.0, 1.0]]]
    report = await admin.post(
        "/api/v1/grids/import",
        json=collection(
            feature(1, square(0.0, 0.0)),
            feature(2, bow_tie),
            feature(3, square(0.02, 0.0), code="12345"),
            feature(1, square(0.03, 0.0)),
            feature(4, square(0.04, 0.0)),
        ),
    )
    assert report.status_code == 200
    body = report.json()
    assert (body["added"], body["changed"], body["unchanged"], body["left_out"]) == (2, 0, 0, 3)
    assert [(fault["row"], fault["reason"]) for fault in body["faults"]] == [
        (2, "outline_crosses_itself"),
        (3, "code_invalid"),
        (4, "code_repeated"),
    ]
    assert all(fault["zh"] and fault["en"] for fault in body["faults"])
    grids = (await admin.get("/api/v1/grids")).json()
    assert [grid["code"] for grid in grids["items"]] == [f"{DIVISION}001", f"{DIVISION}004"]
    assert grids["total"] == 2


async def test_importing_again_changes_only_what_is_different(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    await admin.post("/api/v1/grids/import", json=collection(feature(1, square(0, 0)), feature(2, square(1, 0))))
    again = collection(feature(1, square(0, 0)), feature(2, square(1, 0), name="改名"))
    body = (await admin.post("/api/v1/grids/import", json=again)).json()
    assert (body["added"], body["changed"], body["unchanged"]) == (0, 1, 1)
    items = (await admin.get("/api/v1/grids")).json()["items"]
    assert [item["revision"] for item in items] == [1, 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "json_invalid"),
        (b"{", "json_invalid"),
        (b"[" * 100_000, "json_invalid"),
        (b"[]", "not_a_feature_collection"),
        (b'{"type":"Feature"}', "not_a_feature_collection"),
        (b'{"type":"FeatureCollection","features":{}}', "not_a_feature_collection"),
    ],
)
async def test_a_document_that_is_no_geojson_is_refused_as_a_whole(
    client_as: ClientAs, content: bytes, reason: str
) -> None:
    admin = await client_as("system_admin")
    answer = await admin.post("/api/v1/grids/import", content=content)
    assert (answer.status_code, answer.json()["reason"]) == (422, reason)


async def test_an_import_may_be_larger_than_other_bodies(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    padded = json.dumps(collection(feature(1, square(0, 0), note="x" * 1_500_000))).encode()
    assert (await admin.post("/api/v1/grids/import", content=padded)).json()["added"] == 1


async def test_the_grid_at_a_point_follows_every_import(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    await admin.post("/api/v1/grids/import", json=collection(feature(1, square(0.0, 0.0))))
    inside = {"lng": 0.005, "lat": 0.005}
    found = (await admin.get("/api/v1/grids", params=inside)).json()
    assert [grid["code"] for grid in found["items"]] == [f"{DIVISION}001"]
    await admin.post("/api/v1/grids/import", json=collection(feature(1, square(1.0, 1.0))))
    assert (await admin.get("/api/v1/grids", params=inside)).json() == {"items": [], "total": 0}
    assert (await admin.get("/api/v1/grids", params={"lng": 0.005})).json()["field"] == "lat"


async def test_outlines_come_only_when_asked_for(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    await admin.post("/api/v1/grids/import", json=collection(feature(1, square(0.0, 0.0))))
    assert "outline" not in (await admin.get("/api/v1/grids")).json()["items"][0]
    shown = (await admin.get("/api/v1/grids", params={"outlines": True})).json()["items"][0]
    assert shown["outline"]["type"] == "Polygon"


async def test_a_sub_platform_sees_and_changes_its_own_grids_only(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    for code in ("town-1", "town-2"):
        made = await admin.post("/api/v1/platforms", json={"code": code, "name": "镇街", "kind": "town"})
        assert made.status_code == 201
    both = collection(feature(1, square(0, 0), platform="town-1"), feature(2, square(1, 0), platform="town-2"))
    assert (await admin.post("/api/v1/grids/import", json=both)).json()["added"] == 2
    town = await client_as("system_admin", platform="town-1")
    assert [grid["platform"] for grid in (await town.get("/api/v1/grids")).json()["items"]] == ["town-1"]
    assert [p["code"] for p in (await town.get("/api/v1/platforms")).json()["items"]] == ["town-1"]
    mine = collection(feature(1, square(0, 0), name="我的"), feature(2, square(1, 0), name="不是我的"))
    report = (await town.post("/api/v1/grids/import", json=mine)).json()
    assert (report["changed"], [fault["reason"] for fault in report["faults"]]) == (1, ["platform_beyond_yours"])
    beyond = {"code": "town-3", "name": "镇街", "kind": "town", "parent": "hub"}
    answer = await town.post("/api/v1/platforms", json=beyond)
    assert (answer.status_code, answer.json()["reason"]) == (403, "scope_beyond_yours")


async def test_an_import_leaves_an_audit_row(client_as: ClientAs) -> None:
    admin, auditor = await client_as("system_admin"), await client_as("audit_admin")
    await admin.post("/api/v1/grids/import", json=collection(feature(1, square(0.0, 0.0))))
    rows = (await auditor.get("/api/v1/access/audit", params={"what": "grids.import"})).json()["items"]
    assert [row["why"] for row in rows] == ["added 1, changed 0, left out 0"]
