"""What a search has found so far: one device however many ways it was found, and none outside the camera networks.

A device is told apart by its endpoint reference and by the host and port of its service. What was found first stays:
a later answer fills in what was not known, and puts no device in another's place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from camera_registry.address_policy import AddressPolicy, host_of, host_or, rehosted
from camera_registry.ws_discovery import ProbeMatch, matches

MOST_DEVICES = 20_000
MOST_PACKETS = 100_000
"""Read in one search, so that a flood cannot hold up the loop."""
_PORTS = {"http": 80, "https": 443}

FoundBy = Literal["multicast", "directed", "sweep"]


@dataclass(frozen=True, slots=True)
class DiscoveredDevice:
    """``address`` is the URL of the device service, with a host in the camera networks. ``ways``: all it was found by.

    ``endpoint_reference``, ``name`` and ``model`` are empty where the device did not tell them without a login.
    """

    address: str
    endpoint_reference: str
    name: str
    model: str
    scopes: tuple[str, ...]
    found_by: FoundBy
    ways: tuple[FoundBy, ...] = ()


class FoundDevices:
    """Gathers answers; ``on_found`` is called whenever a device was not known before."""

    def __init__(self, policy: AddressPolicy, on_found: Callable[[], None] = lambda: None) -> None:
        self._policy = policy
        self._on_found = on_found
        self._devices: dict[int, DiscoveredDevice] = {}
        self._known: dict[str, int] = {}
        self.packets = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._devices)

    @property
    def devices(self) -> tuple[DiscoveredDevice, ...]:
        """By address."""
        return tuple(sorted(self._devices.values(), key=lambda device: device.address))

    def take(self, packet: bytes, sender: str, asked: frozenset[str], found_by: FoundBy) -> None:
        """A packet that came back to a probe."""
        self.packets += 1
        if self.packets > MOST_PACKETS or not self._policy.allows(sender):
            self.refused += 1
            return
        for match in matches(packet, asked):
            address = self._address(match, sender)
            if address is None:
                self.refused += 1
                continue
            self.add(
                DiscoveredDevice(
                    address, match.endpoint_reference, match.name, match.model, match.scopes, found_by, (found_by,)
                )
            )

    def add(self, device: DiscoveredDevice) -> None:
        """A device that answered, once more or for the first time."""
        keys = [key for key in (_reference(device.endpoint_reference), _authority(device.address)) if key]
        number = next((self._known[key] for key in keys if key in self._known), None)
        is_new = number is None
        if number is None:
            if len(self._devices) >= MOST_DEVICES:
                self.refused += 1
                return
            number = len(self._devices)
            self._devices[number] = device
        else:
            self._devices[number] = _filled(self._devices[number], device)
        for key in keys:
            self._known.setdefault(key, number)
        if is_new:
            self._on_found()

    def _address(self, match: ProbeMatch, sender: str) -> str | None:
        usable = [url for url in (rehosted(a, host_or(a, sender), ("http", "https")) for a in match.addresses) if url]
        for url in usable:
            if host_of(url) == sender:
                return url
        for url in usable:
            if self._policy.allows(host_of(url)):
                return url
        return rehosted(usable[0], sender, ("http", "https")) if usable else None


def _filled(known: DiscoveredDevice, again: DiscoveredDevice) -> DiscoveredDevice:
    return replace(
        known,
        endpoint_reference=known.endpoint_reference or again.endpoint_reference,
        name=known.name or again.name,
        model=known.model or again.model,
        scopes=known.scopes or again.scopes,
        ways=tuple(dict.fromkeys((*known.ways, *again.ways))),
    )


def _reference(text: str) -> str:
    """Cameras write their reference with and without ``urn:``, and some make a new one for each answer."""
    return text.lower().removeprefix("urn:").removeprefix("uuid:")


def _authority(url: str) -> str:
    parts = urlsplit(url)
    return f"//{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"
