"""The main job, as a newcomer sees it: ``gateway demo`` until each hazard is an event with its evidence, then a room,
then ``kill -9`` and a restart; and the real clips of the sample data as cameras.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from bench.console_room import Meeting, chromium, meet
from bench.demo_run import DemoRun, demo_run
from bench.duty_desk import Clip, DutyDesk, Record, until
from bench.real_clips import RealClips, real_clips
from bench.result import Result

HAZARDS = {"fire": "90-01", "crowd": "90-02", "stall": "04-06"}
EVENT_WITHIN, CLIP_WITHIN = 90.0, 60.0
CAMERA_IN_ROOM = "滨河路 平静街景"
TARGETS = {
    "seconds_to_fire_event": ("<=", EVENT_WITHIN),
    "seconds_to_crowd_event": ("<=", EVENT_WITHIN),
    "seconds_to_stall_event": ("<=", EVENT_WITHIN),
    "clip_lead_seconds": (">", 0.0),
    "clips_that_play": ("==", 3.0),
    "room_complete": ("==", 1.0),
    "kill_lost": ("==", 0.0),
    "kill_doubled": ("==", 0.0),
}


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def demo() -> Result:
    """See the head of this module."""
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as name:
        folder = Path(name)
        figures = await main_job(folder / "demo")
        figures |= await killed_and_restarted(folder / "demo")
        real = await real_clips(folder / "real", say)
    return Result("demo", figures | _real_figures(real), TARGETS)


async def main_job(folder: Path) -> dict[str, float | None]:
    """One event of each hazard, opened by itself, with snapshot and clip; two browsers and a camera in a room."""
    figures: dict[str, float | None] = {}
    async with demo_run(folder) as run, DutyDesk(run.address) as desk:
        figures["seconds_to_ready"] = round(run.ready_at - run.started_at, 1)
        say(f"ready after {figures['seconds_to_ready']} s")
        await desk.sign_in("duty", run.passwords["duty"])
        clips: list[Clip] = []
        for hazard, (event, seconds) in (await events_of_each(desk, run)).items():
            figures[f"seconds_to_{hazard}_event"] = seconds
            say(f"{hazard}: event {event['no'] if event else 'never'} after {seconds} s")
            if event is not None:
                clip = await evidence_of(desk, event["no"])
                say(f"{hazard}: {clip}")
                clips += [clip] if clip else []
        figures["clips_that_play"] = float(sum(clip.frames > 0 for clip in clips))
        figures["clip_lead_seconds"] = round(min(clip.lead for clip in clips), 2) if clips else None
        async with chromium() as browser:
            meeting: Meeting = await meet(browser, run.address, "duty", run.passwords["duty"], CAMERA_IN_ROOM)
        say(f"room: {meeting}")
        figures["room_complete"] = float(meeting.complete)
    return figures


async def events_of_each(desk: DutyDesk, run: DemoRun) -> dict[str, tuple[Record | None, float | None]]:
    """The first event of each hazard and the seconds from "ready" to it, or None where none came in time."""
    found: dict[str, tuple[Record | None, float | None]] = dict.fromkeys(HAZARDS, (None, None))
    while time.monotonic() - run.ready_at < EVENT_WITHIN and any(event is None for event, _ in found.values()):
        for event in await desk.events():
            for hazard, code in HAZARDS.items():
                if event["class_code"] == code and found[hazard][0] is None:
                    found[hazard] = event, round(time.monotonic() - run.ready_at, 1)
        await asyncio.sleep(0.25)
    return found


async def evidence_of(desk: DutyDesk, no: str) -> Clip | None:
    """The event's snapshot decodes; its clip, once there, is played to the end."""

    async def complete() -> Record | None:
        event = await desk.event(no)
        kinds = {one["kind"] for one in event["evidence"]}
        return event if {"snapshot", "clip"} <= kinds else None

    event = await until(complete, CLIP_WITHIN)
    if event is None:
        return None
    evidence = {one["kind"]: one for one in event["evidence"]}
    await desk.snapshot(evidence["snapshot"]["id"])
    alert = next(alert for alert in await desk.alerts() if alert["id"] in event["alert_ids"])
    return await desk.clip(evidence["clip"], alert["hazard_from"])


async def killed_and_restarted(folder: Path) -> dict[str, float | None]:
    """``kill -9`` the moment an alert lies in the journal, and a restart: what was raised is there, once."""
    async with demo_run(folder) as run, DutyDesk(run.address) as desk:
        await desk.sign_in("duty", run.passwords["duty"])
        stored = {alert["id"] for alert in await desk.alerts()}
        await new_in_journal(folder)
        run.kill()
        await run.process.wait()
    raised = await asyncio.to_thread(journalled, folder)
    async with demo_run(folder) as run, DutyDesk(run.address) as desk:
        await desk.sign_in("duty", run.passwords["duty"])
        wanted = stored | raised

        async def all_there() -> Record | None:
            return {} if wanted <= {alert["id"] for alert in await desk.alerts()} else None

        await until(all_there, 30)
        ids = [alert["id"] for alert in await desk.alerts()]
    say(f"kill -9: {len(stored)} alerts were stored, {len(raised)} journalled; {len(ids)} after the restart")
    return {"kill_lost": float(len(wanted - set(ids))), "kill_doubled": float(len(ids) - len(set(ids)))}


async def new_in_journal(folder: Path) -> str:
    """The id of an alert raised just now: journalled, its clip still being written. "" where none is raised."""
    before = await asyncio.to_thread(journalled, folder)

    async def raised() -> Record | None:
        new = await asyncio.to_thread(journalled, folder) - before
        return {"id": min(new)} if new else None

    found = await until(raised, EVENT_WITHIN, every=0.02)
    return str(found["id"]) if found else ""


def journalled(folder: Path) -> set[str]:
    """Ids of the alerts that lie in the workers' journals."""
    return {path.parent.name for path in (folder / "journal").glob("*/*/alert.json")}


def _real_figures(real: RealClips | None) -> dict[str, float | None]:
    """None without the sample data."""
    if real is None:
        say("GATEWAY_SAMPLE_DATA is not set: no real clips were played")
        return {"real_hazards_found": None, "real_hazards_missed": None, "real_false_alerts": None}
    return {
        "real_hazards_found": float(real.found),
        "real_hazards_missed": float(real.missed),
        "real_false_alerts": float(real.false),
    }
