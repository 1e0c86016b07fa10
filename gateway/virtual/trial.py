"""``gateway cameras virtual``: a company of cameras on this machine, whose faults are switched by lines one types.

A line is a camera's number and what becomes of it: ``3 dark``, ``3 unplug``, ``3 password NEW``, ``3 clock 7200``,
``3 motion on``, ``3 well``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast, get_args

from gateway.refusals import Refusal
from gateway.virtual.company import company
from gateway.virtual.fleet import VirtualFleet
from gateway.virtual.pull_point import Topic
from gateway.virtual.quirks import SHIPPED, catalogue

Say = Callable[[str], None]


async def run_trial(
    count: int, folder: Path, username: str, password: str, host: str, quirks: Path | None, say: Say
) -> None:
    """Until standard input ends or Ctrl-C. Says one JSON line for each camera. Raises ``Refusal``."""
    members = company(count, username, password, catalogue(quirks or SHIPPED))
    fleet = VirtualFleet([camera for camera, _ in members], folder, host=host)
    async with fleet:
        for number, (device, (_, kind)) in enumerate(zip(fleet.devices, members, strict=True), start=1):
            told = {
                "number": number,
                "name": device.camera.name,
                "onvif_address": device.onvif_address,
                "rtsp_url": device.rtsp_url,
                "discovery_target": device.discovery_target,
                "endpoint_reference": device.endpoint_reference,
                "ends_in": kind.ends_in,
            }
            say(json.dumps(told, ensure_ascii=False))
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            try:
                await obey(fleet, line.decode(errors="replace").split(), password)
                say("{}")
            except Refusal as refusal:
                say(json.dumps({"reason": refusal.reason, "zh": refusal.zh, "en": refusal.en}, ensure_ascii=False))


async def obey(fleet: VirtualFleet, words: list[str], password: str) -> None:
    """One line, as in the head of this module; ``password`` is the camera's first one. Raises ``Refusal``."""
    match words:
        case [number, *rest] if number.isdecimal() and 1 <= int(number) <= len(fleet.devices):
            camera = int(number) - 1
        case _:
            raise _not_understood()
    match rest:
        case ["well"]:
            await fleet.plug(camera)
            await fleet.show(camera, None)
            fleet.shift_clock(camera, 0.0)
            if fleet.devices[camera].device.logins.password != password:
                await fleet.change_password(camera, password)
        case ["unplug"]:
            await fleet.unplug(camera)
        case ["plug"]:
            await fleet.plug(camera)
        case ["password", new]:
            await fleet.change_password(camera, new)
        case ["clock", seconds] if seconds.removeprefix("-").replace(".", "", 1).isdecimal():
            fleet.shift_clock(camera, float(seconds))
        case [topic, "on" | "off" as value] if topic in get_args(Topic):
            fleet.devices[camera].device.events.set(cast(Topic, topic), value == "on")
        case [fault]:
            await fleet.show(camera, fault)
        case _:
            raise _not_understood()


def _not_understood() -> Refusal:
    return Refusal(
        "invalid",
        "not_understood",
        "格式：编号 well|unplug|plug|password 新口令|clock 秒|motion on|故障名",
        "Say: NUMBER well|unplug|plug|password NEW|clock SECONDS|motion on|a fault's name",
    )
