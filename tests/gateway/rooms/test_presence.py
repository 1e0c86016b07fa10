"""A person who gives no sign for five seconds is gone; whoever sends nothing is silent; a camera is never gone."""

from __future__ import annotations

import asyncio

import pytest

from gateway.rooms.keyframe_requests import KeyframeRequests
from gateway.rooms.presence import Presence
from gateway.streams.frame import EncodedFrame
from gateway.streams.sound import QUEUE, Sound


@pytest.mark.parametrize(
    ("presence", "now", "state"),
    [
        (Presence("person", 10.0), 14.9, "joined"),
        (Presence("person", 10.0), 15.0, "gone"),
        (Presence("person", 10.0, publishing=True, media_at=14.0), 15.0, "publishing"),
        (Presence("person", 10.0, publishing=True, media_at=14.0), 19.0, "gone"),
        (Presence("person", 18.0, publishing=True, media_at=13.0), 18.0, "silent"),
        (Presence("person", 10.0, publishing=True), 12.0, "joined"),
        (Presence("terminal", 10.0, publishing=True, media_at=14.0), 17.9, "publishing"),
        (Presence("terminal", 10.0, publishing=True, media_at=14.0), 18.0, "gone"),
        (Presence("terminal", 10.0, publishing=False, media_at=14.0), 33.9, "joined"),
        (Presence("terminal", 10.0, publishing=False, media_at=14.0), 34.0, "gone"),
        (Presence("camera", 10.0, publishing=True), 12.0, "joined"),
        (Presence("camera", 10.0, publishing=True), 100.0, "silent"),
        (Presence("camera", 10.0, publishing=True, media_at=99.0), 100.0, "publishing"),
    ],
)
def test_a_member_is_judged_by_its_signs(presence: Presence, now: float, state: str) -> None:
    assert presence.judge(now)[0] == state


async def test_many_requests_for_a_keyframe_become_one_each_interval_and_the_last_is_not_forgotten() -> None:
    sent: list[float] = []
    loop = asyncio.get_running_loop()
    requests = KeyframeRequests(lambda: sent.append(loop.time()), interval=0.1)
    for _ in range(30):
        requests.ask()
    await asyncio.sleep(0.35)
    assert len(sent) == 2
    assert sent[1] - sent[0] >= 0.09


async def test_a_slow_listener_loses_the_oldest_and_holds_nobody_up() -> None:
    sound = Sound()
    slow, quick = sound.listen(), sound.listen()
    for number in range(QUEUE + 10):
        sound.publish(EncodedFrame("audio", "opus", b"%d" % number, number * 960, 48_000, 0.0, True))
        heard = await quick.next_frame()
        assert heard is not None
        assert heard.timestamp == number * 960
    late = await slow.next_frame()
    assert late is not None
    assert late.payloads == [b"10"]
    assert (slow.drops, quick.drops) == (10, 0)
    slow.close()
    assert await slow.next_frame() is None
