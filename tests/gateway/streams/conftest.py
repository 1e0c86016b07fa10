"""Films made for the tests (a moving bar, a keyframe a second), buses that carry them and a real RTSP server."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame, VideoCodec

FRAMES_PER_SECOND = 25
GOP = 25
TICKS = 90_000 // FRAMES_PER_SECOND
SYSTEM_PYTHON = "/usr/bin/python3"
PEER = Path(__file__).with_name("rtsp_peer.py")


def write_film(
    path: Path, frames: int, *, codec: VideoCodec = "h264", width: int = 320, height: int = 180, bframes: int = 0
) -> None:
    """A film with a bar that moves four pixels a frame."""
    encoder = "libx264" if codec == "h264" else "libx265"
    parameters = f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes={bframes}"
    if codec == "hevc":
        parameters += ":log-level=error"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=FRAMES_PER_SECOND)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FRAMES_PER_SECOND)
        stream.options = {"preset": "ultrafast", f"{encoder[3:]}-params": parameters}
        for number in range(frames):
            picture = np.full((height, width, 3), 60, np.uint8)
            picture[:, number * 4 % width : number * 4 % width + 20] = 230
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_film(path: Path, *, codec: VideoCodec = "h264") -> list[EncodedFrame]:
    """The film as it travels on the bus, arriving in real time from second 1000 on."""
    made: list[EncodedFrame] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        # The filter puts the parameter sets before each keyframe.
        annexb = av.BitStreamFilterContext(f"{codec}_mp4toannexb", stream)
        for packet in container.demux(stream):
            for filtered in annexb.filter(packet):
                if filtered.pts is None or filtered.time_base is None:
                    continue
                number = len(made)
                shown = round(filtered.pts * filtered.time_base * FRAMES_PER_SECOND)
                made.append(
                    EncodedFrame(
                        "video", codec, bytes(filtered), number * TICKS, 90_000, 1000 + number / FRAMES_PER_SECOND,
                        filtered.is_keyframe, 0, stream.width, stream.height, (shown - number) * TICKS,
                    )
                )  # fmt: skip
    return made


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with film.mkv, h265.mkv, bframes.mkv and changing.0/.1.mkv, whose second part is larger."""
    folder = tmp_path_factory.mktemp("films")
    write_film(folder / "film.mkv", 100)
    write_film(folder / "h265.mkv", 50, codec="hevc")
    write_film(folder / "bframes.mkv", 100, bframes=2)
    write_film(folder / "changing.0.mkv", 50)
    write_film(folder / "changing.1.mkv", 50, width=480, height=270)
    return folder


@pytest.fixture(scope="session")
def film(films: Path) -> list[EncodedFrame]:
    return read_film(films / "film.mkv")


@pytest.fixture(scope="session")
def h265_film(films: Path) -> list[EncodedFrame]:
    return read_film(films / "h265.mkv", codec="hevc")


@pytest.fixture(scope="session")
def bframes_film(films: Path) -> list[EncodedFrame]:
    return read_film(films / "bframes.mkv")


async def _send_for_ever(bus: FrameBus, film: list[EncodedFrame]) -> None:
    """As a camera sends it: over and over, in real time, its times going on."""
    number = 0
    while True:
        frame = film[number % len(film)]
        bus.publish(replace(frame, pts=number * TICKS, arrival=time.time()))
        number += 1
        # The first frames at once: whoever comes finds a group of pictures.
        await asyncio.sleep(0 if number <= GOP // 2 else 1 / FRAMES_PER_SECOND)


@contextlib.asynccontextmanager
async def _broadcast(film: list[EncodedFrame]) -> AsyncIterator[FrameBus]:
    bus = FrameBus()
    sending = asyncio.create_task(_send_for_ever(bus, film))
    async with asyncio.timeout(30):
        while not bus.gop():
            await asyncio.sleep(0.01)
    yield bus
    sending.cancel()


@pytest.fixture
async def live(film: list[EncodedFrame]) -> AsyncIterator[FrameBus]:
    """The bus of a camera that plays the film."""
    async with _broadcast(film) as bus:
        yield bus


@pytest.fixture
async def live_h265(h265_film: list[EncodedFrame]) -> AsyncIterator[FrameBus]:
    async with _broadcast(h265_film) as bus:
        yield bus


@pytest.fixture
async def live_bframes(bframes_film: list[EncodedFrame]) -> AsyncIterator[FrameBus]:
    async with _broadcast(bframes_film) as bus:
        yield bus


@dataclass
class RtspPeer:
    """An RTSP server that can be killed, stopped in its tracks, and started again on its port."""

    films: Path
    login: tuple[str, str] | None = None
    port: int = 0
    process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        command = [SYSTEM_PYTHON, str(PEER), str(self.films), str(self.port), *(self.login or ())]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate(timeout=5)

    def url(self, path: str = "film") -> str:
        return f"rtsp://127.0.0.1:{self.port}/{path}"


def _has_gstreamer() -> bool:
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    return shutil.which(SYSTEM_PYTHON) is not None and (
        subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, timeout=30, check=False).returncode == 0
    )


@pytest.fixture(scope="session")
def _gstreamer() -> None:
    if not _has_gstreamer():
        pytest.skip("GStreamer's RTSP server is not installed")


@pytest.fixture
def peer(films: Path, _gstreamer: None) -> Iterator[RtspPeer]:
    server = RtspPeer(films)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def guarded_peer(films: Path, _gstreamer: None) -> Iterator[RtspPeer]:
    """One that wants a name and a password full of characters that mean something in a URL."""
    server = RtspPeer(films, ("us er", "p:a@s/s%w?ord"))
    server.start()
    yield server
    server.kill()
