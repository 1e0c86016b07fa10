"""Cameras that do wrong: what comes of them is bounded, said with its reason, and of no effect on the camera beside."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from ipaddress import IPv4Network
from itertools import pairwise
from pathlib import Path

import pytest
import structlog

from gateway.streams import nal
from gateway.streams.address import StreamAddress
from gateway.streams.backoff import Backoff
from gateway.streams.bus import FrameBus
from gateway.streams.decoding import decode_last
from gateway.streams.frame import EncodedFrame
from gateway.streams.pull import CameraPull, PullLimits, PullState
from gateway.streams.ring import ClipRing
from gateway.streams.tls_trust import TlsTrust
from gateway.streams.way import Way
from gateway.virtual.camera_faults import FAULTS, Units, other_stream, script_of, well
from gateway.virtual.scripted_camera import ScriptedCamera, Served

pytestmark = pytest.mark.integration

LIMITS = PullLimits(opening=2.0, silence=1.0, keyframe=2.0)
SOON = Backoff(first=0.1, longest=0.3)


def units_of(film: list[EncodedFrame]) -> Units:
    return [(frame.data, frame.keyframe) for frame in film]


@dataclass
class Watched:
    """A camera that is pulled, what was said of it, and the frames it brought."""

    pull: CameraPull
    bus: FrameBus
    states: list[PullState] = field(default_factory=list)
    frames: list[EncodedFrame] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        return [state.reason for state in self.states if state.reason is not None]

    @property
    def live(self) -> bool:
        return bool(self.states) and self.states[-1].phase == "live"


@contextlib.asynccontextmanager
async def watched(url: str, *, limits: PullLimits = LIMITS, way: Way | None = None) -> AsyncIterator[Watched]:
    bus = FrameBus()
    frames: list[EncodedFrame] = []
    states: list[PullState] = []
    bus.tap(frames.append)
    pull = CameraPull(
        StreamAddress(url), bus, states.append, limits=limits, retry=SOON, chance=lambda: 0.0, way=way
    )  # fmt: skip
    await pull.start()
    try:
        yield Watched(pull, bus, states, frames)
    finally:
        await pull.stop()


@contextlib.asynccontextmanager
async def scripted(camera: ScriptedCamera) -> AsyncIterator[ScriptedCamera]:
    await camera.start()
    try:
        yield camera
    finally:
        await camera.stop()


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


EXPECTED = {
    "garbage_on_the_connection": {"connection_lost", "stream_ended", "stalled", "timeout"},
    "cut_in_a_packet": {"connection_lost", "stream_ended"},
    "silent": {"stalled", "timeout"},
    "falls_silent": {"stalled"},
    "hangs_up": {"connection_lost", "stream_ended"},
    "endless_picture": {"no_keyframe"},
    "half_packets": {"packets_lost"},
}
"""Faults after which there is no picture, and what is said of them. After all others the camera stays connected."""
PERHAPS = {"garbage_in_pictures": {"no_keyframe", "stalled"}}
"""Noise may by chance look like a picture, or never."""


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_said_bounded_and_of_no_effect_on_the_camera_beside(
    film: list[EncodedFrame], fault: str
) -> None:
    units = units_of(film)
    camera = ScriptedCamera({"bad": Served(script_of(fault, units)), "good": Served(partial(well, units))})
    async with (
        scripted(camera),
        watched(camera.url("good")) as good,
        watched(camera.url("bad")) as bad,
    ):
        ring = ClipRing(30.0, max_bytes=8 * 1024 * 1024)
        bad.bus.tap(ring.add)
        taken = bad.bus.subscribe("slow", 20)
        await until(lambda: len(good.frames) > 30)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if fault in EXPECTED:
            await until(lambda: bad.reasons)
            assert set(bad.reasons) <= EXPECTED[fault]
        else:
            await until(lambda: len(bad.frames) > 100)
            assert set(bad.reasons) <= PERHAPS.get(fault, set())
            assert bad.live or bad.reasons
        seen = len(good.frames)
        await until(lambda: len(good.frames) > seen + 30)
        assert (good.reasons, good.frames[-1].epoch) == ([], 0)
        assert ring.size_bytes <= 8 * 1024 * 1024
        assert len(taken) <= 20 + 50, "the cached group and what may wait"
        assert all(a.epoch < b.epoch or a.pts < b.pts for a, b in pairwise(bad.frames)), "times go on, whatever comes"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 200 * 1024, f"{grown} KiB more"
    await until(lambda: camera.connections == 0)


@pytest.mark.parametrize("kind", ["size", "parameters", "codec"])
async def test_a_stream_that_changes_goes_on_in_a_new_epoch_or_says_why_not(
    film: list[EncodedFrame], h265_film: list[EncodedFrame], tmp_path: Path, kind: str
) -> None:
    units = units_of(film)
    other = units_of(h265_film) if kind == "codec" else _encoded(tmp_path, (640, 360) if kind == "size" else (320, 180))
    camera = ScriptedCamera({"a": Served(partial(other_stream, units, other))})
    async with scripted(camera), watched(camera.url("a")) as changing:
        if kind == "codec":
            await until(lambda: changing.reasons)
            assert changing.reasons[0] == "codec_changed"
            return
        await until(lambda: changing.frames and changing.frames[-1].epoch >= 1)
        first = next(frame for frame in changing.frames if frame.epoch == 1)
        assert first.keyframe
        assert (first.width, first.height) == ((640, 360) if kind == "size" else (320, 180))
        assert decode_last("h264", [first.data]) is not None
        assert changing.reasons == []


def _encoded(folder: Path, size: tuple[int, int]) -> Units:
    """Another film, made with other parameter sets."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc=s={size[0]}x{size[1]}:r=25", "-t", "2"]
    command += ["-c:v", "libx264", "-preset", "fast", "-profile:v", "main", "-bf", "0", "-g", "25"]
    command += ["-pix_fmt", "yuv420p", str(folder / "other.h264")]
    subprocess.run(command, check=True, timeout=60)
    units: list[tuple[bytes, bool]] = []
    data = (folder / "other.h264").read_bytes()
    waiting: list[bytes] = []
    for unit in nal.nal_units(data):
        waiting.append(unit)
        if nal.is_slice("h264", unit):
            units.append((nal.annexb(waiting), nal.is_random_access("h264", unit)))
            waiting = []
    return units


async def test_a_camera_may_be_asked_for_udp(film: list[EncodedFrame]) -> None:
    camera = ScriptedCamera({"a": Served(partial(well, units_of(film)))})
    way = Way(udp=(IPv4Network("127.0.0.0/8"),))
    async with scripted(camera), watched(camera.url("a"), way=way) as over_udp:
        await until(lambda: len(over_udp.frames) > 60)
        assert over_udp.reasons == []
        assert camera.udp_readers == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one PEM file."""
    path = tmp_path_factory.mktemp("tls") / "camera.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", str(path) + ".crt"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    path.write_bytes(path.read_bytes() + Path(str(path) + ".crt").read_bytes())
    return path


def fingerprint_of(certificate: Path) -> str:
    return sha256(ssl.PEM_cert_to_DER_cert(Path(str(certificate) + ".crt").read_text())).hexdigest()


@pytest.mark.parametrize("trusted", ["authority", "pin", "nothing"])
async def test_an_encrypted_stream_is_taken_from_a_trusted_certificate_only(
    film: list[EncodedFrame], certificate: Path, trusted: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    fingerprint = fingerprint_of(certificate)
    trust = {
        "authority": TlsTrust(authorities=Path(str(certificate) + ".crt")),
        "pin": TlsTrust(pins=frozenset({fingerprint})),
        "nothing": TlsTrust(pins=frozenset({"0" * 64})),
    }[trusted]
    camera = ScriptedCamera({"a": Served(partial(well, units_of(film)))}, tls=context)
    with structlog.testing.capture_logs() as logs:
        async with scripted(camera), watched(camera.url("a"), way=Way(trust=trust)) as encrypted:
            if trusted == "nothing":
                await until(lambda: encrypted.reasons)
                assert set(encrypted.reasons) == {"certificate_refused"}
                assert camera.played == 0
                assert fingerprint in [entry.get("sha256") for entry in logs]
            else:
                await until(lambda: len(encrypted.frames) > 60)
                assert encrypted.reasons == []
        await until(lambda: camera.connections == 0)
