"""An emergency room with real browsers: they publish camera and microphone, see and hear each other and a camera."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.refusals import Refusal
from gateway.rooms.arrangement import arranged
from gateway.rooms.consultation import Consultation, Seat, joined
from gateway.rooms.controls import Actor, Asked, Order, carry_out
from gateway.rooms.presence import MemberChange
from gateway.rooms.room import MOST_MEMBERS
from gateway.rooms.rooms import MOST_ROOMS, Rooms
from gateway.streams.bus import FrameBus

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)


PEOPLE = ("one", "two", "three")


@dataclass
class BusSource:
    """A camera whose film a test plays on the bus itself."""

    bus: FrameBus = field(default_factory=FrameBus)
    running: bool = False

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False


@dataclass
class SteadyClock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


class Told(list[MemberChange]):
    def states(self, member_id: str) -> list[str]:
        return [change.state for change in self if change.member_id == member_id]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def rooms(told: Told) -> AsyncIterator[Rooms]:
    opened = Rooms(parts.LOOPBACK, told.append)
    opened.start()
    yield opened
    await opened.close()


async def test_a_member_without_a_sign_for_five_seconds_is_gone_and_everybody_is_told(told: Told) -> None:
    clock = SteadyClock()
    rooms = Rooms(parts.LOOPBACK, told.append, monotonic=clock)
    rooms.start()
    await rooms.open_room("r")
    await rooms.add_person("r", "stays")
    await rooms.add_person("r", "leaves")
    for _ in range(3):
        clock.now += 2
        rooms.alive("r", "stays")
        await asyncio.sleep(0.3)
    await parts.until(lambda: told.states("leaves") == ["joined", "gone"])
    assert told[-1].reason == "no_heartbeat"
    assert told.states("stays") == ["joined"]
    assert rooms.members == 1
    await rooms.close()


async def test_limits_and_unknown_names_are_refused(rooms: Rooms) -> None:
    for number in range(MOST_ROOMS):
        await rooms.open_room(f"r{number}")
    await rooms.open_room("r0")
    with pytest.raises(Refusal, match="rooms_too_many"):
        await rooms.open_room("one more")
    for number in range(MOST_MEMBERS):
        await rooms.add_person("r0", f"m{number}")
    with pytest.raises(Refusal, match="room_full"):
        await rooms.add_person("r0", "one more")
    with pytest.raises(Refusal, match="member_exists"):
        await rooms.add_person("r0", "m0")
    with pytest.raises(Refusal, match="room_unknown"):
        await rooms.add_person("nowhere", "m0")
    with pytest.raises(Refusal, match="member_unknown"):
        await rooms.subscribe("r0", "m0", "nobody", "v=0")
    with pytest.raises(Refusal, match="sdp_malformed"):
        await rooms.publish("r0", "m0", "v=0")
    with pytest.raises(Refusal, match="sdp_malformed"):
        await rooms.subscribe("r0", "m0", "m1", "v=0")
    assert rooms.watchings == 0
    await rooms.stop_subscription("r0", "m0", "m1")
    await rooms.remove("r0", "nobody")


async def test_a_camera_that_sends_nothing_is_silent_and_stops_with_the_room(told: Told) -> None:
    clock = SteadyClock()
    rooms = Rooms(parts.LOOPBACK, told.append, monotonic=clock)
    rooms.start()
    await rooms.open_room("r")
    source = BusSource()
    await rooms.add_camera("r", "camera", source)
    assert source.running
    with pytest.raises(Refusal, match="camera_publishes_itself"):
        await rooms.publish("r", "camera", "v=0")
    clock.now += 6
    await parts.until(lambda: told.states("camera") == ["joined", "silent"], 3)
    async with parts.playing(source.bus, parts.film(10), ahead=3):
        await parts.until(lambda: told.states("camera")[-1] == "publishing", 3)
    await rooms.close_room("r")
    assert not source.running
    await rooms.close()


@pytest.mark.integration
@pytest.mark.timeout(180)
@parts.needs_chromium
async def test_three_browsers_and_two_cameras_meet_and_what_the_chair_orders_holds_for_their_media(
    rooms: Rooms, told: Told
) -> None:
    await rooms.open_room("r")
    dark, bright = BusSource(), BusSource()
    await rooms.add_camera("r", "dark", dark)
    await rooms.add_camera("r", "bright", bright)
    seats = Consultation()
    for name in ("one", "two", "three", "dark", "bright"):
        seats = joined(seats, Seat(name, "person" if name in PEOPLE else "camera", name, name), may_enter=True)
    revision = iter(range(1000))

    def arrange(state: Consultation) -> None:
        rooms.arrange("r", next(revision), arranged(state))

    def ordered(name: str, **asked: Any) -> Consultation:
        return carry_out(name, seats, Order(Asked(**asked), Actor("li", chair=True), 0.0)).state

    beating: set[str] = set()

    async def beat() -> None:
        while True:
            for member in beating:
                rooms.alive("r", member)
            await asyncio.sleep(1)

    hearts = asyncio.create_task(beat())

    async def page_of(browser: parts.Browser, member: str) -> parts.Viewer:  # type: ignore[name-defined]
        await rooms.add_person("r", member)
        beating.add(member)

        async def whip(name: str, offer: str) -> str:
            return await rooms.publish("r", name, offer)

        async def whep(name: str, offer: str) -> str:
            return await rooms.subscribe("r", member, name, offer)

        page = await browser.new_page()
        await page.expose_function("whip", whip)
        await page.expose_function("whep", whep)
        await page.route("http://127.0.0.1/**", lambda route: route.fulfill(body=parts.PAGE, content_type="text/html"))
        await page.goto("http://127.0.0.1/room")
        return parts.Viewer(page)

    async def rise(viewer: parts.Viewer, name: str, what: str, seconds: float = 1.5) -> float:  # type: ignore[name-defined]
        before = (await viewer.numbers(name))[what]
        await asyncio.sleep(seconds)
        return float((await viewer.numbers(name))[what] - before)

    async def rises(viewer: parts.Viewer, name: str, what: str, by: float) -> None:  # type: ignore[name-defined]
        before = (await viewer.numbers(name))[what]
        async with asyncio.timeout(30):
            while (await viewer.numbers(name))[what] - before <= by:
                await asyncio.sleep(0.05)

    async def stops(viewer: parts.Viewer, name: str, what: str) -> None:  # type: ignore[name-defined]
        async with asyncio.timeout(30):
            while await rise(viewer, name, what, 1) > 0:
                continue

    async with (
        parts.playing(dark.bus, parts.film(grey=40), ahead=10),
        parts.playing(bright.bus, parts.film(grey=160), ahead=10),
        parts.chromium() as browser,
    ):
        people = {name: await page_of(browser, name) for name in PEOPLE}
        for name, viewer in people.items():
            await viewer.page.evaluate("name => publish(name)", name)
        await parts.until(lambda: all("publishing" in told.states(name) for name in people), 40)
        arrange(seats)
        pairs = [(viewer, other) for name, viewer in people.items() for other in people if other != name]
        pairs += [(viewer, camera) for viewer in people.values() for camera in ("dark", "bright")]
        for viewer, name in pairs:
            await viewer.page.evaluate("name => watch(name, ['one', 'two', 'three'].includes(name), 'whep')", name)
        for viewer, name in pairs:
            await rises(viewer, name, "decoded", 8)
            assert (await viewer.numbers(name))["width"] > 100, name
            if name in people:
                await rises(viewer, name, "sound", 500)
        one = people["one"]
        assert await one.page.evaluate("brightness('bright') - brightness('dark')") > 60

        arrange(ordered("mute", member="two"))
        await stops(one, "two", "sound")  # a muted member's sound is forwarded to nobody
        await rises(one, "two", "decoded", 4)

        arrange(ordered("roll_call", members=("three",)))
        await stops(people["two"], "one", "sound")
        await rises(people["two"], "three", "sound", 300)

        await people["two"].page.evaluate("watch('stage', false, 'whep')")
        for camera, least, most in (("bright", 120, 200), ("dark", 20, 80)):
            arrange(ordered("broadcast", member=camera))
            async with asyncio.timeout(30):
                while not least < await people["two"].page.evaluate("brightness('stage')") < most:
                    await asyncio.sleep(0.05)
        await stops(people["two"], "one", "decoded")  # nothing but the broadcast is sent

        arrange(seats)
        await rises(people["two"], "one", "decoded", 3)
        beating.discard("three")
        await people["three"].page.close()
        await parts.until(lambda: "gone" in told.states("three"), 12)
        people["three"] = await page_of(browser, "three")
        assert await people["three"].page.evaluate("watch('bright', false, 'whep')") < 8000
        counts = rooms.counts()
        assert (counts.rooms, counts.members, counts.frames_lost) == (1, 5, 0)
        await rooms.stop_publishing("r", "one")
        assert told[-1] == MemberChange("r", "one", "joined", "stopped", told[-1].at)
    hearts.cancel()
