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


async def test_a_preview_tells_the_same_as_the_import_and_keeps_nothing(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    document = collection(feature(1, square(0, 0)), feature(2, square(0.008, 0)), feature(3, square(0.03, 0.0)))
    tried = (await admin.post("/api/v1/grids/import", params={"dry_run": True}, json=document)).json()
    assert (await admin.get("/api/v1/grids")).json()["total"] == 0
    done = (await admin.post("/api/v1/grids/import", json=document)).json()
    assert tried == {**done, "dry_run": True}
    (overlap,) = done["findings"]
    assert (overlap["kind"], overlap["codes"]) == ("overlap", [f"{DIVISION}001", f"{DIVISION}002"])
    assert overlap["area_m2"] == pytest.approx(0.002 * 0.01 * 111_319 * 110_574, rel=0.001)
    assert overlap["where"]["type"] == "Polygon"
    assert [note["reason"] for note in done["notes"]] == ["datum_undecidable"]
    again = (await admin.post("/api/v1/grids/import", json=document)).json()
    assert (again["unchanged"], again["findings"]) == (3, done["findings"])
    assert [row["outcome"] for row in again["results"]] == ["unchanged"] * 3


async def test_a_crossing_is_pointed_at_and_a_foreign_system_refused(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    bow_tie = [[[1.0, 1.0], [1.1, 1.1], [1.1, 1.0], [1.0, 1.1], [1.0, 1.0]]]
    (fault,) = (await admin.post("/api/v1/grids/import", json=collection(feature(1, bow_tie)))).json()["faults"]
    assert fault["where"]["coordinates"] == pytest.approx([1.05, 1.05])
    projected = collection(feature(1, square(0, 0))) | {"crs": {"properties": {"name": "EPSG:4528"}}}
    answer = await admin.post("/api/v1/grids/import", json=projected)
    assert (answer.status_code, answer.json()["reason"]) == (422, "crs_unsupported")
    known = collection(feature(1, square(0, 0))) | {"crs": {"properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}}
    assert (await admin.post("/api/v1/grids/import", json=known)).json()["added"] == 1


async def test_a_grids_division_lies_in_its_platforms(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    town = {"code": "town", "name": "镇", "kind": "town", "division": "999001002"}
    await admin.post("/api/v1/platforms", json=town)
    report = await admin.post("/api/v1/grids/import", json=collection(feature(1, square(0, 0), platform="town")))
    assert [fault["reason"] for fault in report.json()["faults"]] == ["division_elsewhere"]


async def test_neighbours_beyond_the_callers_sight_are_not_named(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    for code in ("town-1", "town-2"):
        await admin.post("/api/v1/platforms", json={"code": code, "name": "镇街", "kind": "town"})
    await admin.post("/api/v1/grids/import", json=collection(feature(1, square(0, 0), platform="town-1")))
    town = await client_as("system_admin", platform="town-2")
    (overlap,) = (await town.post("/api/v1/grids/import", json=collection(feature(2, square(0.005, 0))))).json()[
        "findings"
    ]
    assert f"{DIVISION}002" in overlap["codes"]
    assert f"{DIVISION}001" not in str(overlap)
    assert "其他平台" in overlap["zh"]


async def test_a_grid_is_taken_away_only_when_nothing_is_in_it(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    await admin.post("/api/v1/grids/import", json=collection(feature(1, square(0, 0))))
    door = f"/api/v1/grids/{DIVISION}001"
    staff = (await admin.post("/api/v1/grid-staff", json={"name": "测试甲", "grids": [f"{DIVISION}001"]})).json()
    refused = await admin.delete(door, params={"revision": 1})
    assert (refused.status_code, refused.json()["reason"]) == (409, "grid_not_empty")
    await admin.delete(f"/api/v1/grid-staff/{staff['id']}", params={"revision": 1})
    assert (await admin.delete(door, params={"revision": 2})).json()["reason"] == "revision_stale"
    assert (await admin.delete(door, params={"revision": 1})).status_code == 204
    assert (await admin.get("/api/v1/grids")).json()["total"] == 0


async def test_many_points_are_located_at_once_each_within_the_callers_scope(client_as: ClientAs) -> None:
    admin = await client_as("system_admin")
    await admin.post("/api/v1/platforms", json={"code": "town-1", "name": "镇街", "kind": "town"})
    both = collection(feature(1, square(0, 0), platform="town-1"), feature(2, square(0.01, 0)))
    await admin.post("/api/v1/grids/import", json=both)
    asked = {"points": [[0.005, 0.005], [0.01, 0.005], [0.015, 0.005], [5, 5]]}
    first, second = f"{DIVISION}001", f"{DIVISION}002"
    located = (await admin.post("/api/v1/grids/locate", json=asked)).json()
    assert located == {"grids": [first, first, second, None]}
    town = await client_as("duty_officer", platform="town-1")
    assert (await town.post("/api/v1/grids/locate", json=asked)).json() == {"grids": [first, first, None, None]}
