"""Which grid a point lies in: 100,000 points over 5,000 irregular grids, beside PostGIS with its GiST index.

``seconds``: all points asked at once of the index that stands; ``one_point_us``: one alone, as an alert asks;
``build_seconds``: the index made anew after an import, from GeoJSON as the database keeps it. PostGIS (Debian package
postgresql-15-postgis-3) gets the same grids and points as geometry columns, analysed, and the same question: the
smallest grid that the point touches. Both must answer the same.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import shapely
from shapely import box
from shapely.geometry import mapping

from bench.postgres import PostgresCluster, postgres_cluster
from bench.result import Result
from gateway.grid.locator import GridHit, GridIndex

POINTS = int(os.environ.get("POINTS", "100000"))
GRIDS = int(os.environ.get("GRIDS", "5000"))
ROUNDS = 5
TARGETS = {"seconds": ("<=", 1.0), "points_per_second": (">=", 100_000.0), "same_answers": ("==", 1.0)}
_QUESTION = """
SELECT p.n, g.code FROM points p CROSS JOIN LATERAL (
  SELECT code FROM grids WHERE ST_Intersects(grids.outline, p.place) ORDER BY size, code LIMIT 1
) g ORDER BY p.n
"""


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def grids() -> Result:
    """See the head of this module."""
    return await asyncio.to_thread(_measured)


def _measured() -> Result:
    chance = np.random.default_rng(7)
    outlines = _city(chance)
    places = np.column_stack([120 + chance.random(POINTS) * 0.5, 30 + chance.random(POINTS) * 0.5])
    corners = round(float(shapely.get_num_coordinates(outlines).mean()))
    say(f"{len(outlines)} grids of {corners} points each, {POINTS} points")
    documents = [json.dumps(mapping(outline)) for outline in outlines]
    began = time.perf_counter()
    read = [shapely.from_geojson(document) for document in documents]
    index = GridIndex.of([(GridHit(f"{n:05}", "", "", ""), outline) for n, outline in enumerate(read)])
    build = time.perf_counter() - began
    seconds = min(_timed(index, places) for _ in range(ROUNDS))
    began = time.perf_counter()
    for lng, lat in places[:10_000]:
        index.at(lng, lat)
    alone = (time.perf_counter() - began) / min(10_000, POINTS)
    say(f"gateway: {seconds:.3f} s at once, {1e6 * alone:.0f} us one alone, built in {build:.2f} s")
    answers = [hit.code if hit else None for hit in index.at_many(places[:, 0], places[:, 1])]
    figures: dict[str, float | None] = {
        "points": float(POINTS),
        "polygons": float(len(outlines)),
        "polygon_points": float(corners),
        "seconds": round(seconds, 3),
        "points_per_second": round(POINTS / seconds),
        "one_point_us": round(1e6 * alone, 1),
        "build_seconds": round(build, 2),
        "postgis_seconds": None,
        "postgis_points_per_second": None,
        "same_answers": None,
    }
    with postgres_cluster() as cluster:
        peer = _postgis(cluster, outlines, places) if cluster is not None and _has_postgis() else None
    if peer is None:
        say("PostGIS is not installed and could not be: its figures are null")
    else:
        took, theirs = peer
        figures["postgis_seconds"], figures["postgis_points_per_second"] = round(took, 3), round(POINTS / took)
        figures["same_answers"] = float([theirs.get(n) for n in range(POINTS)] == answers)
        say(f"PostGIS: {took:.3f} s")
    return Result("grids", figures, {k: v for k, v in TARGETS.items() if k != "same_answers" or peer is not None})


def _city(chance: np.random.Generator) -> Any:
    """Voronoi cells with finely divided borders that neighbours share."""
    west, south = 120.0, 30.0
    whole = box(west, south, west + 0.5, south + 0.5)
    seeds = shapely.multipoints(
        np.column_stack([west + chance.random(GRIDS) * 0.5, south + chance.random(GRIDS) * 0.5])
    )
    cells = shapely.intersection(shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=whole)), whole)
    return shapely.segmentize(cells, 0.0003)


def _timed(index: GridIndex, places: Any) -> float:
    began = time.perf_counter()
    index.at_many(places[:, 0], places[:, 1])
    return time.perf_counter() - began


def _has_postgis() -> bool:
    def there() -> bool:
        return any(Path("/usr/share/postgresql").glob("*/extension/postgis.control"))

    if not there() and os.geteuid() == 0:
        say("installing PostGIS from Debian")
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql-15-postgis-3"]
        subprocess.run(
            command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    return there()


def _postgis(cluster: PostgresCluster, outlines: Sequence[Any], places: Any) -> tuple[float, dict[int, str]] | None:
    with psycopg.connect(f"host={cluster.folder} user=gateway dbname=gateway", autocommit=True) as connection:
        connection.execute("CREATE EXTENSION postgis")
        connection.execute("CREATE TABLE grids (code text, size float8, outline geometry(Geometry, 4326))")
        connection.execute("CREATE TABLE points (n int PRIMARY KEY, place geometry(Point, 4326))")
        with connection.cursor() as cursor:
            with cursor.copy("COPY grids FROM STDIN") as copy:
                for n, outline in enumerate(outlines):
                    wkb = shapely.to_wkb(shapely.set_srid(outline, 4326), hex=True, include_srid=True)
                    copy.write_row((f"{n:05}", float(outline.area), wkb))
            with cursor.copy("COPY points FROM STDIN") as copy:
                for n, place in enumerate(shapely.set_srid(shapely.points(places), 4326)):
                    copy.write_row((n, shapely.to_wkb(place, hex=True, include_srid=True)))
        connection.execute("CREATE INDEX ON grids USING gist (outline)")
        connection.execute("VACUUM ANALYZE")
        took, found = [], {}
        for _ in range(ROUNDS):
            began = time.perf_counter()
            found = {int(n): str(code) for n, code in connection.execute(_QUESTION)}
            took.append(time.perf_counter() - began)
    return min(took), found
