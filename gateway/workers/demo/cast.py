"""What the demo shows: its cameras, where they pretend to stand, and settings that do not make a spectator wait."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.settings import (
    CameraSettings,
    HttpSettings,
    RtspSettings,
    RuleSettings,
    Settings,
    WebRtcSettings,
    WindowSettings,
)
from gateway.virtual.camera import VirtualCamera
from gateway.virtual.footage import ClipFootage, Footage, RenderedFootage

LOGIN = "onvif"
WEST, SOUTH, STEP = 120.0, 30.0, 0.01
"""The demo town lies nowhere: grids of a hundredth of a degree from here to the east."""
DIVISION = "999001001001"
FILMS = frozenset({".mp4", ".mkv", ".avi", ".mov", ".ts", ".webm", ".gif"})
MOST_FILMS = 16

SCENES: tuple[tuple[str, RenderedFootage], ...] = (
    ("东市口 火情演示", RenderedFootage("fire", seed=33)),
    ("人民广场 聚集演示", RenderedFootage("gathering", seed=21)),
    ("学府路 占道演示", RenderedFootage("stall", seed=11)),
    ("滨河路 平静街景", RenderedFootage("quiet", seed=45)),
)
"""Drawn by the generator that drew part of the training pictures, here with other pieces and seeds: that they are
recognised shows that the chain works, not how good the weights are."""

SHORTER = {
    "人员聚集持续 crowd dwell": (60, 6),
    "占道经营持续 stall dwell": (300, 8),
    "人员聚集签收时限 crowd acknowledgement": (60, 5),
    "占道经营签收时限 stall acknowledgement": (300, 5),
}
"""What the demo shortens: the usual seconds and the demo's."""


def demo_settings(folder: Path, port: int) -> Settings:
    """Embedded defaults, loopback only."""
    return Settings(
        data_folder=folder,
        log_format="json",
        http=HttpSettings(port=port),
        cameras=CameraSettings(clip_after_seconds=5),
        rules=RuleSettings(crowd_dwell=6, stall_dwell=8),
        windows=WindowSettings(crowd_acknowledge=5, stall_acknowledge=5),
        webrtc=WebRtcSettings(addresses=("127.0.0.1",)),
        rtsp=RtspSettings(port=0),
    )


def cameras(password: str, films: Path | None) -> tuple[VirtualCamera, ...]:
    """The drawn scenes, or every film of a folder (in the order of their names)."""
    shown: list[tuple[str, Footage]] = list(SCENES)
    if films is not None:
        paths = sorted(path for path in films.rglob("*") if path.suffix.lower() in FILMS)[:MOST_FILMS]
        shown = [(path.stem, ClipFootage(path)) for path in paths]
    first = VirtualCamera("", RenderedFootage("quiet"), LOGIN, password)
    return tuple(
        replace(first, name=name, footage=footage, lng=WEST + STEP * (number + 0.5), lat=SOUTH + STEP / 2)
        for number, (name, footage) in enumerate(shown)
    )


def grids(count: int) -> dict[str, Any]:
    """GeoJSON of as many grids as there are cameras, side by side."""
    return {"type": "FeatureCollection", "features": [_grid(number) for number in range(count)]}


def _grid(number: int) -> dict[str, Any]:
    west, east = WEST + STEP * number, WEST + STEP * (number + 1)
    north = SOUTH + STEP
    return {
        "type": "Feature",
        "properties": {"code": f"{DIVISION}{number + 1:03}", "name": f"演示第{number + 1}网格", "kind": "urban"},
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[west, SOUTH], [east, SOUTH], [east, north], [west, north], [west, SOUTH]]],
        },
    }
