"""Real terminals: baresip hangs up, vanishes, proves who it is, is rung (how it meets people: tests/end_to_end)."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from bench.demo_run import free_port
from gateway.refusals import Refusal
from gateway.rooms.arrangement import Arrangement
from gateway.rooms.presence import TERMINAL_GONE_AFTER, MemberChange
from gateway.rooms.rooms import Rooms
from gateway.rooms.sip.agent import SipAgent
from gateway.settings import SipSettings
from gateway.streams.bus import FrameBus


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


HERE = Path(__file__).parent
parts = _loaded(HERE.parent / "webrtc_parts.py")
sip = _loaded(HERE / "sip_parts.py")

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200), sip.needs_baresip]


@dataclass
class Film:
    """A camera whose film a test plays on the bus itself."""

    bus: FrameBus = field(default_factory=FrameBus)

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class House:
    """One room with its user agent."""

    def __init__(self, folder: Path) -> None:
        self.told: list[MemberChange] = []
        self.rooms = Rooms(parts.LOOPBACK, self.told.append, folder=folder / "recordings")
        self.reception = sip.OneRoom(self.rooms)
        self.agent = SipAgent(SipSettings(port=0), self.reception, self.rooms.packetised)

    def states(self, member: str) -> list[str]:
        return [change.state for change in self.told if change.member_id == member]

    @property
    def address(self) -> str:
        return f"sip:{sip.NUMBER}@127.0.0.1:{self.agent.port}"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    made.rooms.start()
    await made.rooms.open_room("r", "火情会商")
    await made.agent.start()
    yield made
    await made.agent.close()
    await made.rooms.close()


def seen(folder: Path) -> float:
    """Brightness, in its brightest colour, of the newest picture that the terminal has received; -1: there is none."""
    files = sorted(folder.glob("snapshot-recv-*.png"))
    picture = cv2.imread(str(files[-1])) if files else None
    return -1.0 if picture is None else float(np.median(picture, axis=(0, 1)).max())


async def test_a_terminal_that_vanishes_is_gone_within_five_seconds(house: House, tmp_path: Path) -> None:
    async with sip.terminal(tmp_path / "terminal", free_port()) as terminal:
        await terminal.order("dial", house.address)
        await parts.until(lambda: "publishing" in house.states("terminal1"), 45)
        await asyncio.sleep(1)
        terminal.vanish()
        await parts.until(lambda: house.states("terminal1")[-1] == "gone", 6.5)
        await parts.until(lambda: house.agent.calls == 0)


async def test_a_terminal_that_holds_stays_in_the_room_and_sends_again_when_it_goes_on(
    house: House, tmp_path: Path
) -> None:
    async with sip.terminal(tmp_path / "terminal", free_port()) as terminal:
        await terminal.order("dial", house.address)
        await parts.until(lambda: "publishing" in house.states("terminal1"), 45)
        await terminal.order("hold")
        await parts.until(lambda: house.states("terminal1")[-1] == "joined", 10)
        await asyncio.sleep(TERMINAL_GONE_AFTER + 1)
        assert house.states("terminal1")[-1] == "joined"
        await terminal.order("resume")
        await parts.until(lambda: house.states("terminal1")[-1] == "publishing", 10)


async def test_a_known_terminal_proves_who_it_is_over_tcp_and_a_pretender_stays_out(
    house: House, tmp_path: Path
) -> None:
    house.reception.passwords["9001"] = "Correct-Horse-7"
    ports = free_port(), free_port()
    async with sip.terminal(tmp_path / "false", ports[0], transport="tcp", password="guessed") as pretender:
        await pretender.order("dial", house.address)
        await parts.until(lambda: b"401" in pretender.output, 30)
        assert house.reception.arrived == []
    async with sip.terminal(tmp_path / "true", ports[1], transport="tcp", password="Correct-Horse-7") as terminal:
        await terminal.order("dial", house.address)
        await parts.until(lambda: "publishing" in house.states("terminal1"), 45)
        assert house.reception.arrived == [("已登记 9001", "sip:9001@127.0.0.1", True)]
        rooms = house.rooms
        await rooms.remove("r", "terminal1", "removed")
        await parts.until(lambda: b"final ratefactor" in terminal.output)  # it has stopped sending
        assert house.agent.calls == 0


async def test_who_dials_a_room_that_is_not_there_or_floods_costs_the_others_nothing(
    house: House, tmp_path: Path
) -> None:
    async with sip.terminal(tmp_path / "terminal", free_port()) as terminal:
        await terminal.order("dial", house.address.replace(sip.NUMBER, "999999"))
        await parts.until(lambda: b"404" in terminal.output, 30)
        loop = asyncio.get_running_loop()
        flood, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.2", 0))
        for number in range(3000):
            flood.sendto(bytes([number % 256]) * (number % 900 + 5), ("127.0.0.1", house.agent.port))
        flood.close()
        await terminal.order("dial", house.address)
        await parts.until(lambda: "publishing" in house.states("terminal1"), 45)
    assert house.agent.refused > 100


async def test_a_terminal_that_is_rung_picks_up_and_is_in_the_room_until_it_is_taken_out(
    house: House, tmp_path: Path
) -> None:
    listen = free_port()
    async with sip.terminal(
        tmp_path / "terminal", free_port(), listen=listen, more=";regint=0;answermode=auto"
    ) as terminal:
        await parts.until(lambda: b"baresip is ready" in terminal.output, 30)
        await house.agent.ring("r", "one", "", f"sip:9001@127.0.0.1:{listen}", 20)
        await parts.until(lambda: "publishing" in house.states("rung-one"), 45)
        assert house.reception.rung[-1] == ("one", "answered", "")
        assert house.agent.calls == 1
        camera = Film()
        await house.rooms.add_camera("r", "camera", camera)
        house.rooms.arrange("r", 1, Arrangement(layout="1", shown=("camera",), stage="camera"))
        folder = tmp_path / "terminal"

        async def shown() -> bool:
            await terminal.order("snapshot")
            await asyncio.sleep(0.5)
            return await asyncio.to_thread(seen, folder) > 120

        async with parts.playing(camera.bus, parts.film(grey=150)):
            await parts.until(shown, 45)
        await house.rooms.remove("r", "rung-one", "removed")
        await parts.until(lambda: b"final ratefactor" in terminal.output)  # it has stopped sending
        assert house.agent.calls == 0


async def test_why_a_ring_came_to_nothing_is_said(house: House, tmp_path: Path) -> None:
    listen = free_port()
    address = f"sip:9001@127.0.0.1:{listen}"

    def told(ring: str) -> list[tuple[str, str]]:
        return [(state, reason) for one, state, reason in house.reception.rung if one == ring]

    await house.agent.ring("r", "away", "", address, 20)
    await parts.until(lambda: told("away") == [("failed", "unreachable")], 15)
    with pytest.raises(Refusal, match="not registered"):
        await house.agent.ring("r", "nowhere", "9001", "", 20)
    with pytest.raises(Refusal, match="cannot be reached"):
        await house.agent.ring("r", "closed", "", address + ";transport=tcp", 20)
    async with sip.terminal(tmp_path / "terminal", free_port(), listen=listen) as terminal:
        await parts.until(lambda: b"baresip is ready" in terminal.output, 30)
        await house.agent.ring("r", "slow", "", address, 1.5)
        await parts.until(lambda: told("slow") == [("ringing", ""), ("failed", "no_answer")], 15)
        await house.agent.ring("r", "busy", "", address, 30)
        await parts.until(lambda: ("ringing", "") in told("busy"), 15)
        await terminal.order("hangup")
        await parts.until(lambda: told("busy")[-1] == ("failed", "busy"), 15)
        await house.agent.ring("r", "given-up", "", address, 30)
        await parts.until(lambda: ("ringing", "") in told("given-up"), 15)
        house.agent.stop_ringing("r", "given-up")
        await parts.until(lambda: told("given-up")[-1] == ("failed", "given_up"), 15)
    assert house.agent.calls == 0


async def test_a_known_terminal_registers_and_is_rung_by_its_number(house: House, tmp_path: Path) -> None:
    house.reception.passwords["9001"] = "Correct-Horse-7"
    more = f';regint=60;answermode=auto;outbound="sip:127.0.0.1:{house.agent.port};transport=udp"'
    async with sip.terminal(tmp_path / "true", free_port(), password="Correct-Horse-7", more=more):
        await parts.until(lambda: "9001" in house.reception.where, 30)
        await house.agent.ring("r", "one", "9001", "", 20)
        await parts.until(lambda: "publishing" in house.states("rung-one"), 45)
    await parts.until(lambda: "9001" not in house.reception.where, 10)  # it says so when it ends
