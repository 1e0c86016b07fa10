"""WGS-84 to GCJ-02, the shifted coordinates of Chinese maps (GB 20263-2006 obliges them). Pure.

The published approximation on the Krasovsky 1940 ellipsoid, as maps of both systems agree on it to about a metre. It is
for other platforms' maps only; the gateway stores WGS-84.
"""

from __future__ import annotations

from math import cos, pi, sin, sqrt

_A = 6378245.0
_EE = 0.00669342162296594323
_WEST, _EAST, _SOUTH, _NORTH = 72.004, 137.8347, 0.8293, 55.8271


def gcj02(lng: float, lat: float) -> tuple[float, float]:
    """``(lng, lat)`` in degrees; outside China they stay as they are."""
    if not (_WEST <= lng <= _EAST and _SOUTH <= lat <= _NORTH):
        return lng, lat
    x, y = lng - 105.0, lat - 35.0
    radians = lat / 180.0 * pi
    magic = 1 - _EE * sin(radians) ** 2
    north = _north(x, y) * 180.0 / (_A * (1 - _EE) / (magic * sqrt(magic)) * pi)
    east = _east(x, y) * 180.0 / (_A / sqrt(magic) * cos(radians) * pi)
    return lng + east, lat + north


def _waves(x: float) -> float:
    return (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0


def _north(x: float, y: float) -> float:
    shift = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x)) + _waves(x)
    shift += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    return shift + (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0


def _east(x: float, y: float) -> float:
    shift = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x)) + _waves(x)
    shift += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    return shift + (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
