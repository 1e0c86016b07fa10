"""What several tests of the workers share: a far end on a real socket, alerts, and films that are real H.264.

Loaded by path: pytest's importlib mode puts no folder of tests on the module path.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from gateway.processes.channel import Channel, connect, listen
from gateway.processes.messages import (
    AlertRaised,
    AlertStored,
    Done,
    EvidenceReady,
    EvidenceStored,
    Message,
)
from gateway.streams.frame import EncodedFrame

M = TypeVar("M", bound=Message)
FPS, BEGUN = 10, 1_900_000_000.0


async def nothing(_message: Message) -> Message | None:
    return None


@dataclass
class ControlPeer:
    """The far end of a worker's channel: notes what it is told and answers as control does, or as the test says."""

    told: list[Message] = field(default_factory=list)
    refuse: Callable[[Message], Exception | None] = lambda _message: None
    deaf: int = 0
    """So many messages get no answer at all."""
    channel: Channel = field(init=False)

    async def answer(self, message: Message) -> Message | None:
        self.told.append(message)
        if self.deaf:
            self.deaf -= 1
            await asyncio.Event().wait()
        refusal = self.refuse(message)
        if refusal is not None:
            raise refusal
        match message:
            case AlertRaised():
                return AlertStored(message.alert_id)
            case EvidenceReady():
                return EvidenceStored(message.evidence_id)
        return Done()

    def of(self, kind: type[M]) -> list[M]:
        return [message for message in self.told if isinstance(message, kind)]


@asynccontextmanager
async def control_peer(folder: Path) -> AsyncIterator[ControlPeer]:
    """Connected over a real socket; ``channel`` is the worker's end."""
    peer = ControlPeer()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Channel(reader, writer, peer.answer, name="worker").run()

    path = folder / "sock" / "control.sock"
    server = await listen(path, accept)
    peer.channel = await connect(path, nothing, name="control", timeout=2)
    running = asyncio.create_task(peer.channel.run())
    try:
        yield peer
    finally:
        peer.channel.close()
        async with asyncio.timeout(30):
            await running
            server.close()
            await server.wait_closed()


async def until(holds: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something that another task brings about."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)


def alert(alert_id: str = "a1", raised_at: float = BEGUN) -> AlertRaised:
    return AlertRaised(
        alert_id, "99000000001310000001", "门口", "fire", raised_at - 3, raised_at, 0.8, {"boxes": []}, "", ""
    )  # fmt: skip


def film(frames: int, *, size: tuple[int, int] = (160, 96), begun: float = BEGUN) -> list[EncodedFrame]:
    """Pictures encoded for real, a keyframe each second; no two packets are alike. Arrivals follow the frame rate."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.time_base, encoder.framerate = "yuv420p", Fraction(1, FPS), Fraction(FPS)
    keys = f"keyint={FPS}:min-keyint={FPS}:scenecut=0:bframes=0:repeat-headers=1:annexb=1"
    encoder.options = {"preset": "ultrafast", "x264-params": keys}
    noise = np.random.default_rng(5).integers(0, 255, (size[1], size[0], 3), np.uint8)
    packets = []
    for number in range(frames):
        picture = av.VideoFrame.from_ndarray(np.roll(noise, number * 3, axis=1), "bgr24")
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    ticks = 90_000 // FPS
    return [
        EncodedFrame(
            "video", "h264", bytes(packet), number * ticks, 90_000, begun + number / FPS, packet.is_keyframe, 0, *size
        )
        for number, packet in enumerate(packets)
    ]  # fmt: skip
