"""Virtual cameras on loopback, for the demo and the tests: a real ONVIF device with a real RTSP stream, quirks as data.

``VirtualFleet`` is the door of this room. Cameras differ by what they show (``Footage``) and by what is odd about them
(``Quirks``); nothing here is a mock of the gateway's own parts, and the gateway reaches them as it reaches any camera.
"""

from gateway.virtual.camera import VirtualCamera
from gateway.virtual.fleet import VirtualDevice, VirtualFleet
from gateway.virtual.footage import (
    ChangedFootage,
    ClipFootage,
    EncodedFootage,
    Footage,
    Prepared,
    RenderedFootage,
    prepare_footage,
)
from gateway.virtual.quirks import Kind, Quirks, catalogue

__all__ = [
    "ChangedFootage",
    "ClipFootage",
    "EncodedFootage",
    "Footage",
    "Kind",
    "Prepared",
    "Quirks",
    "RenderedFootage",
    "VirtualCamera",
    "VirtualDevice",
    "VirtualFleet",
    "catalogue",
    "prepare_footage",
]
