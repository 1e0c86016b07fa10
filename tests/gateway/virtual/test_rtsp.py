"""The fleet's streams, read by FFmpeg as the gateway reads any camera: digest login, no seam, quirks."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import av
import av.error
import pytest
from av.video.frame import PictureType

from gateway.refusals import Refusal
from gateway.virtual import Quirks, RenderedFootage, VirtualCamera, VirtualFleet
from gateway.virtual.system_python import require_gstreamer

pytestmark = pytest.mark.integration

PASSWORD = "made-for-this-test"
OneCamera = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def one_camera(footage_folder: Path, small: RenderedFootage) -> OneCamera:
    """Starts a camera with these quirks and gives its stream's address with the login."""

    @asynccontextmanager
    async def start(password: str = PASSWORD, **quirks: float) -> AsyncIterator[str]:
        camera = VirtualCamera("门口", small, "viewer", PASSWORD, quirks=Quirks(**quirks))  # type: ignore[arg-type]  # each has its own type
        async with VirtualFleet([camera], footage_folder, multicast=False) as fleet:
            yield fleet.devices[0].rtsp_url.replace("//", f"//viewer:{password}@")

    return start


def packets(address: str, seconds: float, timeout: float = 3.0) -> list[tuple[float, bool, bytes]]:
    """Timestamp, keyframe and content of each packet until the stream is ``seconds`` old or silent."""
    found = []
    with av.open(address, options={"rtsp_transport": "tcp"}, timeout=timeout) as stream:
        try:
            for packet in stream.demux(video=0):
                if packet.pts is None or packet.time_base is None:
                    continue
                at = float(packet.pts * packet.time_base)
                found.append((at, packet.is_keyframe, bytes(packet)))
                if at >= seconds:
                    break
        except av.error.ExitError:  # PyAV's time limit
            pass
    return found


async def test_a_stream_goes_on_past_the_end_of_its_footage_without_a_seam(one_camera: OneCamera) -> None:
    async with one_camera() as address:
        found = await asyncio.to_thread(packets, address, 5.0)
    times = [at for at, _, _ in found]
    assert times[-1] >= 5.0, "two seconds of footage"
    assert all(0.09 < later - earlier < 0.11 for earlier, later in itertools.pairwise(times))
    keyframes = [number for number, (_, is_keyframe, _) in enumerate(found) if is_keyframe]
    assert len(keyframes) >= 2
    assert {later - earlier for earlier, later in itertools.pairwise(keyframes)} == {20}


async def test_two_readers_see_the_same_stream(one_camera: OneCamera) -> None:
    async with one_camera() as address:
        first, second = await asyncio.gather(*(asyncio.to_thread(packets, address, 2.5) for _ in range(2)))
    shared = {unit for _, _, unit in first} & {unit for _, _, unit in second}
    assert len(shared) >= 10


async def test_a_wrong_password_gets_no_stream(one_camera: OneCamera) -> None:
    async with one_camera(password="guessed") as address:
        with pytest.raises(av.error.HTTPUnauthorizedError):
            await asyncio.to_thread(packets, address, 1.0)


async def test_a_silent_camera_stays_connected_and_sends_nothing(one_camera: OneCamera) -> None:
    async with one_camera(silent_after=1.0) as address:
        found = await asyncio.to_thread(packets, address, 9.0, 1.5)
    assert 5 <= len(found) <= 11


async def test_a_frozen_camera_sends_the_same_picture_again(one_camera: OneCamera) -> None:
    async with one_camera(frozen_after=1.0) as address:
        found = await asyncio.to_thread(packets, address, 3.0)
    assert len({unit for _, _, unit in found[-10:]}) == 1
    assert len({unit for _, _, unit in found[:8]}) > 1


async def test_missing_debian_packages_are_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused:
        await require_gstreamer(tmp_path / "python3")
    assert refused.value.reason == "gstreamer_missing"
    assert "gir1.2-gst-rtsp-server-1.0" in refused.value.zh


async def test_faults_are_switched_while_it_plays(footage_folder: Path, small: RenderedFootage) -> None:
    camera = VirtualCamera("门口", small, "viewer", PASSWORD, faults=("dark", "frozen"))
    async with VirtualFleet([camera], footage_folder, multicast=False) as fleet:
        address = fleet.devices[0].rtsp_url.replace("//", f"//viewer:{PASSWORD}@")

        async def brightness() -> float:
            return await asyncio.to_thread(mean_of_last_picture, address)

        usual = await brightness()
        await fleet.show(0, "dark")
        assert await brightness() < usual / 3
        await fleet.show(0, None)
        assert await brightness() == pytest.approx(usual, abs=3)
        with pytest.raises(Refusal, match="fault"):
            await fleet.show(0, "upside_down")

        await fleet.unplug(0)
        with pytest.raises(OSError, match="refused"):
            await brightness()
        await fleet.plug(0)
        assert await brightness() == pytest.approx(usual, abs=3)

        await fleet.change_password(0, "another-one")
        with pytest.raises(av.error.HTTPUnauthorizedError):
            await brightness()


async def test_readers_sent_away_in_the_midst_of_a_request_leave_a_camera_that_serves(
    footage_folder: Path, small: RenderedFootage
) -> None:
    """Closed by another thread than the one that read, a connection was read for ever, and nobody was served again."""
    camera = VirtualCamera("门口", small, "viewer", PASSWORD)
    async with VirtualFleet([camera], footage_folder, multicast=False) as fleet:
        port = urlsplit(fleet.devices[0].rtsp_url).port
        served = 0

        async def ask_and_ask() -> None:
            nonlocal served
            while True:
                with suppress(OSError, asyncio.IncompleteReadError):
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    try:
                        for number in itertools.count(1):
                            writer.write(b"OPTIONS rtsp://127.0.0.1/main RTSP/1.0\r\nCSeq: %d\r\n\r\n" % number)
                            await reader.readuntil(b"\r\n\r\n")
                            served += 1
                    finally:
                        writer.close()

        asking = [asyncio.create_task(ask_and_ask()) for _ in range(6)]
        try:
            for number in range(40):
                await fleet.change_password(0, f"number-{number}")
                await asyncio.sleep(0.03)
            before = served
            async with asyncio.timeout(10):
                while served < before + 50:
                    await asyncio.sleep(0.02)
        finally:
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize(("quirks", "codec"), [(Quirks(h265=True), "hevc"), (Quirks(b_frames=True), "h264")])
async def test_odd_encodings_are_sent_in_truth(
    footage_folder: Path, small: RenderedFootage, quirks: Quirks, codec: str
) -> None:
    camera = VirtualCamera("门口", small, "viewer", PASSWORD, quirks=quirks)
    async with VirtualFleet([camera], footage_folder, multicast=False) as fleet:
        address = fleet.devices[0].rtsp_url.replace("//", f"//viewer:{PASSWORD}@")
        name, kinds = await asyncio.to_thread(what_is_sent, address)
    assert name == codec
    assert ("B" in kinds) == quirks.b_frames


def mean_of_last_picture(address: str) -> float:
    with av.open(address, options={"rtsp_transport": "tcp"}, timeout=5) as stream:
        pictures = itertools.islice(stream.decode(video=0), 5)
        return float(list(pictures)[-1].to_ndarray(format="gray").mean())


def what_is_sent(address: str) -> tuple[str, set[str]]:
    with av.open(address, options={"rtsp_transport": "tcp"}, timeout=5) as stream:
        pictures = itertools.islice(stream.decode(video=0), 8)
        return stream.streams.video[0].codec_context.name, {PictureType(one.pict_type).name for one in pictures}
