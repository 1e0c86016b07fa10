"""A camera's smaller stream is lent with the camera itself, and pulled from it only while somebody reads it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from worker_parts import film, until

from gateway.processes.messages import LendStream, StreamLent
from gateway.settings import RtspSettings, WebRtcSettings
from gateway.streams.address import StreamAddress
from gateway.streams.bus import FrameBus
from gateway.streams.source import SmallerSource
from gateway.streams.way import Way
from gateway.workers.camera.worker import CameraWorker

pytestmark = pytest.mark.integration
CODE = "99000000001320000001"


@dataclass
class Sub:
    """The smaller stream as its worker holds it."""

    bus: FrameBus = field(default_factory=FrameBus)
    users: int = 0

    def acquire(self) -> None:
        self.users += 1

    def release(self) -> None:
        self.users -= 1


async def test_a_room_reads_the_smaller_stream_under_the_loan_of_the_camera() -> None:
    around: Any = SimpleNamespace(settings=SimpleNamespace(webrtc=WebRtcSettings()), way=Way())
    worker = CameraWorker(around, None, None)  # type: ignore[arg-type]  # only what lends is used
    await worker.open(RtspSettings(host="127.0.0.1", port=0))
    sub = Sub()
    camera: Any = SimpleNamespace(code=CODE, bus=FrameBus(), sub=sub)
    worker._cameras[CODE] = camera
    lent = await worker.handle(LendStream(CODE, "room:1", time.time() + 60))
    assert isinstance(lent, StreamLent)
    assert lent.smaller_url == f"{lent.url}/sub"
    source = SmallerSource(StreamAddress(lent.smaller_url, lent.username, lent.password), name="room-sub")
    frames = film(50)

    async def play() -> None:
        number = 0
        while True:
            frame = frames[number % len(frames)]
            sub.bus.publish(replace(frame, pts=number * 3600, arrival=time.time()))
            number += 1
            await asyncio.sleep(0.02)

    playing = asyncio.create_task(play())
    assert sub.users == 0
    source.acquire()
    await until(lambda: source.bus.last_keyframe)
    assert sub.users == 1
    await source.close()
    await until(lambda: sub.users == 0)
    camera.sub = None
    again = await worker.handle(LendStream(CODE, "room:1", time.time() + 60))
    assert isinstance(again, StreamLent)
    assert again.smaller_url is None
    playing.cancel()
    await worker._rtsp.stop()
