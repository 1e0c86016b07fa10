"""``python -m bench <name>``: progress on stderr, the result as the last line of stdout; exit 0 though it misses."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

from bench.alerts import alerts
from bench.camera_cost import camera_cost
from bench.camera_health import camera_health
from bench.demo import demo
from bench.detector import detector
from bench.discovery import discovery
from bench.false_alarms import false_alarms
from bench.grids import grids
from bench.history import history
from bench.kills import kills
from bench.load import load
from bench.pictures import pictures
from bench.result import Result
from bench.room_recording import room_recording
from bench.rooms import rooms
from bench.soak import soak
from bench.viewers import viewers

BENCHES: dict[str, Callable[[], Awaitable[Result]]] = {
    "alerts": alerts,
    "camera_cost": camera_cost,
    "camera_health": camera_health,
    "demo": demo,
    "detector": detector,
    "discovery": discovery,
    "false_alarms": false_alarms,
    "grids": grids,
    "history": history,
    "kills": kills,
    "load": load,
    "pictures": pictures,
    "soak": soak,
    "rooms": rooms,
    "room_recording": room_recording,
    "viewers": viewers,
}

TERMINATED = 128 + signal.SIGTERM


def main() -> int:
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in BENCHES:
        print(f"make bench BENCH=<{' | '.join(BENCHES)}>", file=sys.stderr)
        return 2

    async def run() -> Result:
        measuring = asyncio.ensure_future(BENCHES[name]())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, measuring.cancel)
        return await measuring

    try:
        print(asyncio.run(run()).line())
    except asyncio.CancelledError:  # told to end: what it had started has been stopped
        return TERMINATED
    return 0


if __name__ == "__main__":
    sys.exit(main())
