"""Fifty virtual cameras on one machine, every quirk among them: found, registered, or refused for the right reason."""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from pathlib import Path

from bench.own_service import Json, Service, own_service
from bench.result import Result
from gateway.virtual import VirtualDevice, VirtualFleet, catalogue
from gateway.virtual.company import company
from gateway.virtual.quirks import Kind

COUNT = 50
AT_ONCE = 12
"""Registrations asked for at once, as a console does for what was found."""
LIVE_WITHIN = 60.0
TARGETS = {
    "devices_found": ("==", float(COUNT)),
    "right_reason_share": ("==", 1.0),
    "live_share_of_registered": ("==", 1.0),
    "seconds": ("<=", 60.0),
    "requests_per_camera": ("<=", 10.0),
}


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def discovery() -> Result:
    """See the head of this module."""
    password = secrets.token_urlsafe(12)
    members = company(COUNT, "onvif", password, catalogue())
    with tempfile.TemporaryDirectory(prefix="gateway-discovery-") as name:
        folder = Path(name)
        cameras = [camera for camera, _ in members]
        async with VirtualFleet(cameras, folder / "footage") as fleet, own_service(folder / "service") as service:
            kinds = dict(zip([one.endpoint_reference for one in fleet.devices], members, strict=True))
            say(f"{COUNT} cameras play, {len({kind.name for _, kind in members})} kinds")
            begun = time.monotonic()
            targets = [device.discovery_target for device in fleet.devices]
            _, found = await service.ask("POST", "/cameras/discover", {"interfaces": ["127.0.0.1"], "targets": targets})
            mine = [one for one in found["devices"] if one["endpoint_reference"] in kinds]
            found_after = time.monotonic() - begun
            say(f"found {len(mine)} after {found_after:.1f} s")
            turn = asyncio.Semaphore(AT_ONCE)
            by_reference = {device.endpoint_reference: device for device in fleet.devices}
            ends = await asyncio.gather(
                *(register(service, by_reference[one["endpoint_reference"]], password, turn) for one in mine)
            )
            seconds = time.monotonic() - begun
            asked = sum(device.device.requests for device in fleet.devices)
            codes = [end for end, code in ends if code]
            right = [
                _is_right(kinds[one["endpoint_reference"]][1], end) for one, (end, _) in zip(mine, ends, strict=True)
            ]
            live = await live_share(service, len(codes))
    return Result(
        "discovery",
        {
            "devices_found": float(len(mine)),
            "registered": float(len(codes)),
            "should_be_registered": float(sum(kind.ends_in == "registered" for _, kind in members)),
            "right_reason_share": round(sum(right) / max(1, len(right)), 3),
            "live_share_of_registered": live,
            "seconds_to_found": round(found_after, 1),
            "seconds": round(seconds, 1),
            "requests_per_camera": round(asked / COUNT, 2),
        },
        TARGETS,
    )


async def register(
    service: Service, device: VirtualDevice, password: str, turn: asyncio.Semaphore
) -> tuple[str, str | None]:
    """What the registration ends in, and the code of the camera that it made."""
    body: Json = {
        "onvif_address": device.onvif_address,
        "username": "onvif",
        "password": password,
        "name": device.camera.name,
        "lng": 120.0,
        "lat": 30.0,
    }
    async with turn:
        begun = time.monotonic()
        status, answer = await service.ask("POST", "/cameras", body)
    ended = "registered" if status == 201 else str(answer.get("reason", status))
    say(f"{device.camera.name:28} {ended:20} {time.monotonic() - begun:5.1f} s")
    return ended, answer.get("code") if status == 201 else None


def _is_right(kind: Kind, ended: str) -> bool:
    if kind.ends_in != ended:
        say(f"{kind.name}: {ended}, not {kind.ends_in}")
    return kind.ends_in == ended


async def live_share(service: Service, registered: int) -> float:
    """Of the registered cameras, how many are live (or have but a wrong clock) within a minute."""
    until = time.monotonic() + LIVE_WITHIN
    well = 0
    while well < registered and time.monotonic() < until:
        await asyncio.sleep(1)
        states = [one["health"]["state"] for one in (await service.cameras()).values()]
        well = sum(state in ("live", "clock_skewed") for state in states)
    say(f"{well} of {registered} registered cameras are live")
    return round(well / max(1, registered), 3)
