"""An emergency room with real browsers: they publish camera and microphone, see and hear each other and a camera."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.refusals import Refusal
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
    assert told.states("leaves") == ["joined", "gone"]
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
@pytest.mark.timeout(90)
@parts.needs_chromium
async def test_two_browsers_and_a_camera_meet_in_a_room(rooms: Rooms, told: Told) -> None:
    await rooms.open_room("r")
    camera = BusSource()
    await rooms.add_camera("r", "camera", camera)

    async def page_of(browser: parts.Browser, member: str) -> parts.Viewer:  # type: ignore[name-defined]
        await rooms.add_person("r", member)

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

    async with parts.playing(camera.bus, parts.film(), ahead=10), parts.chromium() as browser:
        async with asyncio.timeout(60):
            one, two = await page_of(browser, "one"), await page_of(browser, "two")
            await one.page.evaluate("publish('one')")
            await two.page.evaluate("publish('two')")
            await parts.until(lambda: "publishing" in told.states("one") and "publishing" in told.states("two"))
            seen = [(one, "two"), (two, "one"), (one, "camera"), (two, "camera")]
            for viewer, name in seen:
                await viewer.page.evaluate("name => watch(name, name !== 'camera', 'whep')", name)
            before = [await viewer.numbers(name) for viewer, name in seen]
            await asyncio.sleep(2)
            after = [await viewer.numbers(name) for viewer, name in seen]
        for (_, name), earlier, later in zip(seen, before, after, strict=True):
            assert later["time"] - earlier["time"] > 1, name
            assert later["decoded"] - earlier["decoded"] > 10, name
            assert later["width"] == 640, name
            if name != "camera":
                assert later["sound"] - earlier["sound"] > 500, name
        counts = rooms.counts()
        assert (counts.rooms, counts.members, counts.watchings) == (1, 3, 4)
        assert (counts.frames_lost, counts.sound_lost, counts.packets_lost) == (0, 0, 0)

        await two.page.close()
        await parts.until(lambda: "gone" in told.states("two"), 9)
        assert rooms.watchings == 1, "who watched the member that is gone, and what it watched, has ended"
        assert (await one.numbers("camera"))["time"] > after[2]["time"]
        await rooms.stop_publishing("r", "one")
        assert told[-1] == MemberChange("r", "one", "joined", "stopped", told[-1].at)
