"""A camera's main stream: its login is sent no sooner than it may be, and a new address is another pull of the same."""

from __future__ import annotations

import asyncio

import pytest

from camera_registry.login_patience import WrongLogins
from gateway.streams.address import StreamAddress
from gateway.streams.bus import FrameBus
from gateway.streams.pull import PullLimits, PullState
from gateway.streams.way import Way
from gateway.workers.camera.login_retry import LoginRetry
from gateway.workers.camera.main_stream import MainStream

NOWHERE, ELSEWHERE = (StreamAddress(f"rtsp://127.0.0.1:{port}/live") for port in (1, 2))
NOW = 1000.0


def stream(said: list[PullState], *wrong_logins: float) -> MainStream:
    logins = LoginRetry(wrong=WrongLogins(wrong_logins), clock=lambda: NOW)
    return MainStream(NOWHERE, FrameBus(), said.append, name="a", limits=PullLimits(), way=Way(), logins=logins)


async def heard(said: list[PullState]) -> None:
    async with asyncio.timeout(5):
        while not said:
            await asyncio.sleep(0)


@pytest.mark.parametrize("proved_by", ["retry", "change"])
async def test_a_login_that_was_refused_lately_is_sent_before_its_time_only_where_it_is_proved_or_is_another(
    proved_by: str,
) -> None:
    said: list[PullState] = []
    main = stream(said, NOW - 3, NOW - 2)
    assert main.seconds_to_wait == 10
    await main.start()
    await main.retry(proved=False)
    for _ in range(5):
        await asyncio.sleep(0)
    assert said == []
    await (main.retry(proved=True) if proved_by == "retry" else main.change(ELSEWHERE))
    await heard(said)
    assert said[0].phase == "connecting"
    assert main.seconds_to_wait == 0
    await main.stop()


async def test_what_was_lost_is_counted_on_when_the_address_changes() -> None:
    """Packets were, and those that were missing fell back to nought: the share that was lost looked better for it."""
    main = stream([])
    await main.start()
    before = main._pull.counted
    before.packets, before.packets_lost, before.drops = 90, 10, 5
    await main.change(ELSEWHERE)
    main._pull.counted.packets_lost += 1
    told = {sample.name.removeprefix("gateway_camera_"): sample.value for sample in main.samples()}
    assert (told["packets_total"], told["packets_lost_total"], told["frames_left_out_total"]) == (90, 11, 5)
    await main.stop()
