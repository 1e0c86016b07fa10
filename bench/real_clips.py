"""The real clips of the sample data as cameras, each repeated for a while: found, missed, wrongly raised."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.demo_run import demo_run
from bench.duty_desk import DutyDesk

SECONDS = 75.0
"""Longer than each hazard's dwell in the demo, and than most of the clips."""
TRUTH: dict[str, frozenset[str]] = {
    "fire_furg_house6": frozenset({"fire"}),
    "fire_night_blast_overlay": frozenset({"fire"}),
    "crowd_night_square_8frames": frozenset({"crowd"}),
    "neg_night_neon_street": frozenset(),
    "neg_road_cars": frozenset(),
    "people_bicycle_car_carpark": frozenset(),
    "people_one_by_one": frozenset(),
    "people_overhead_walkway": frozenset(),
}
"""Hazards in each clip, from the notes of the sample data's manifest. All stand in its test split."""


@dataclass(frozen=True, slots=True)
class RealClips:
    """Counts of (clip, hazard) pairs: however often one is raised, it counts once."""

    found: int
    missed: int
    false: int


async def real_clips(folder: Path, say: Callable[[str], None]) -> RealClips | None:
    """None where there is no sample data."""
    data = os.environ.get("GATEWAY_SAMPLE_DATA")
    if not data or not await asyncio.to_thread((Path(data) / "video").is_dir):
        return None
    async with demo_run(folder, footage=Path(data) / "video") as run, DutyDesk(run.address) as desk:
        await desk.sign_in("duty", run.passwords["duty"])
        say(f"real clips: watching for {SECONDS:.0f} s")
        await asyncio.sleep(SECONDS)
        raised: dict[str, set[str]] = {name: set() for name in TRUTH}
        for alert in await desk.alerts():
            raised.setdefault(alert["camera_name"], set()).add(alert["hazard"])
    total = RealClips(0, 0, 0)
    for name, truth in sorted(TRUTH.items()):
        seen = raised[name]
        total = RealClips(
            total.found + len(seen & truth), total.missed + len(truth - seen), total.false + len(seen - truth)
        )
        said = f"found {sorted(seen & truth)}  missed {sorted(truth - seen)}  wrongly raised {sorted(seen - truth)}"
        say(f"{name:28} {said}")
    return total
