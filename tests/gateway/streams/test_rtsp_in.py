"""The gateway as an RTSP client: careless cameras are understood, hostile ones learn no password."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network
from itertools import pairwise
from pathlib import Path

import pytest
import structlog
from aiortc.rtp import RtcpPacket, RtcpRrPacket

from gateway.streams.address import StreamAddress
from gateway.streams.backoff import Backoff
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.nal import nal_units
from gateway.streams.pull import CameraPull, PullLimits, PullState
from gateway.streams.rtsp_in_socket import RtspSocket
from gateway.streams.tls_trust import TlsTrust
from gateway.streams.way import Way
from gateway.virtual.camera_faults import TICKS
from gateway.virtual.scripted_camera import Picture, ScriptedCamera, Served
from tests.gateway.streams.lax_camera import LaxCamera

pytestmark = pytest.mark.integration

LIMITS = PullLimits(opening=2.0, silence=1.0, keyframe=2.0)
SECRET = "not-to-be-read"
DIGEST = 'Digest realm="cam", nonce="{nonce}", algorithm={algorithm}, qop="auth"'


@dataclass
class Pulled:
    pull: CameraPull
    bus: FrameBus
    frames: list[EncodedFrame] = field(default_factory=list)
    states: list[PullState] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        return [state.reason for state in self.states if state.reason is not None]


@asynccontextmanager
async def pulled(
    address: StreamAddress, *, limits: PullLimits = LIMITS, way: Way | None = None
) -> AsyncIterator[Pulled]:
    bus = FrameBus()
    once = Backoff(first=60.0)
    states: list[PullState] = []
    pull = CameraPull(address, bus, states.append, limits=limits, retry=once, retry_after_wrong_password=once, way=way)
    made = Pulled(pull, bus, states=states)
    bus.tap(made.frames.append)
    await pull.start()
    try:
        yield made
    finally:
        await pull.stop()


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def units_of(frame: EncodedFrame) -> set[bytes]:
    return set(nal_units(frame.data))


def of_camera(camera: LaxCamera, *, clear_login: bool = False) -> StreamAddress:
    return StreamAddress(camera.url, "viewer", SECRET, clear_login)


CARELESS: dict[str, dict[str, object]] = {
    "lines that end in LF, lower case, no sequence number, no session timeout": {
        "line": "\n", "lower": True, "echoes": False, "session": "a b",
    },
    "other channels than asked for, packets before PLAY is answered": {"channels": (6, 9), "early": True},
    "no marker at all": {"marks": False},
    "padding, extension, contributors, reports on a channel of nobody": {"strange": True},
    "an address of its own that nobody can reach": {
        "base": "rtsp://192.0.2.1/other/", "control": "rtsp://192.0.2.1/other/track7",
    },
    "a query in its address": {"aggregate": "", "control": "trackID=2"},
}  # fmt: skip


@pytest.mark.parametrize("how", CARELESS)
async def test_a_careless_camera_is_pulled_all_the_same(film: list[EncodedFrame], how: str) -> None:
    camera = LaxCamera(film, **CARELESS[how])  # type: ignore[arg-type]
    async with camera.serving(), pulled(StreamAddress(camera.url)) as made:
        await until(lambda: len(made.frames) > 60)
        assert made.reasons == []
        assert [units_of(frame) for frame in made.frames[:60]] == [units_of(film[n % len(film)]) for n in range(60)]
        assert {b.pts - a.pts for a, b in pairwise(made.frames)} == {3600}, "over the wrap of sequence and time"
        assert all(a.arrival <= b.arrival for a, b in pairwise(made.frames))
        assert made.pull.counted.packets_lost == made.pull.counted.drops == 0
        await made.pull.stop()
        await until(lambda: camera.methods[-1] == "TEARDOWN")
    assert camera.connections == 1
    if "query" in how:
        assert camera.urls[1] == f"{camera.url}/trackID=2"


async def test_every_picture_comes_at_once_while_somebody_waits_for_it(film: list[EncodedFrame]) -> None:
    camera = LaxCamera(film)
    async with camera.serving(), pulled(StreamAddress(camera.url)) as made:
        await until(lambda: len(made.frames) > 30)
        together = max(sum(other.arrival == frame.arrival for other in made.frames) for frame in made.frames)
        viewer = made.bus.subscribe("viewer", 50)
        await asyncio.sleep(0.3)  # the pause that was begun before
        seen = len(made.frames)
        await until(lambda: len(made.frames) > seen + 20)
        gaps = [b.arrival - a.arrival for a, b in pairwise(made.frames[seen:])]
        assert sorted(gaps)[len(gaps) // 2] > 0.02, "each came by itself"
        assert together <= 2, "those that were read together came one after the other all the same"
        viewer.close()
        seen = len(made.frames)
        await until(lambda: len(made.frames) > seen + 20)


@pytest.mark.parametrize("allowed", [False, True])
async def test_a_readable_password_is_told_only_where_that_is_allowed(film: list[EncodedFrame], allowed: bool) -> None:
    camera = LaxCamera(film, challenges=('Basic realm="cam"',), opens=lambda _, given: given.startswith("Basic "))
    with structlog.testing.capture_logs() as logs:
        async with camera.serving(), pulled(of_camera(camera, clear_login=allowed)) as made:
            if allowed:
                await until(lambda: made.frames)
                assert set(camera.authorizations) == {"Basic dmlld2VyOm5vdC10by1iZS1yZWFk"}
            else:
                await until(lambda: made.reasons)
                assert made.reasons == ["clear_login_needed"]
                assert "Basic" in made.states[-1].zh
                assert camera.authorizations == []
    assert SECRET not in repr((logs, made.states, made.pull.__dict__))


async def test_a_readable_password_is_told_over_a_trusted_encrypted_connection(
    film: list[EncodedFrame], tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    camera = LaxCamera(film, challenges=('Basic realm="cam"',), opens=lambda _, given: given.startswith("Basic "))
    server = await asyncio.start_server(camera._serve, "127.0.0.1", 0, ssl=context)
    bus, frames = FrameBus(), list[EncodedFrame]()
    bus.tap(frames.append)
    address = StreamAddress(f"rtsps://127.0.0.1:{server.sockets[0].getsockname()[1]}/cam", "viewer", SECRET)
    pull = CameraPull(address, bus, lambda _: None, limits=LIMITS, way=Way(trust=TlsTrust(authorities=certificate)))
    await pull.start()
    await until(lambda: len(frames) > 30)
    await pull.stop()
    server.close()


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
async def test_a_digest_is_answered_with_the_strongest_that_is_offered_and_a_renewed_nonce_too(
    film: list[EncodedFrame], algorithm: str
) -> None:
    hashed: Callable[[str], str] = lambda text: hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest()  # noqa: E731
    nonce = "first"

    def opens(method: str, authorization: str) -> bool:
        said = dict(re.findall(r'(\w+)="?([^",]*)"?', authorization.removeprefix("Digest ")))
        right = hashed(
            ":".join((hashed(f"viewer:cam:{SECRET}"), nonce, said.get("nc", ""), said.get("cnonce", ""), "auth",
                      hashed(f"{method}:{said.get('uri', '')}")))
        )  # fmt: skip
        return said.get("response") == right

    weaker = () if algorithm == "MD5" else (DIGEST.format(nonce="first", algorithm="MD5"), 'Basic realm="cam"')
    camera = LaxCamera(film, opens=opens, session="1;timeout=5")
    camera.challenges = (*weaker, DIGEST.format(nonce="first", algorithm=algorithm))
    async with camera.serving(), pulled(of_camera(camera)) as made:
        await until(lambda: made.frames)
        assert all(f"algorithm={algorithm}" in given for given in camera.authorizations)
        assert camera.methods == ["DESCRIBE", "DESCRIBE", "SETUP", "PLAY"]
        nonce = "second"
        camera.challenges = (f"{DIGEST.format(nonce='second', algorithm=algorithm)}, stale=true",)
        await until(lambda: camera.methods.count("OPTIONS") == 2)
        await until(lambda: "GET_PARAMETER" in camera.methods)
        assert made.reasons == []
        assert 'nonce="second"' in camera.authorizations[-1]


async def test_a_wrong_password_is_said_once_in_a_connection(film: list[EncodedFrame]) -> None:
    camera = LaxCamera(film, challenges=(DIGEST.format(nonce="n", algorithm="MD5"),))
    async with camera.serving(), pulled(of_camera(camera)) as made:
        await until(lambda: made.reasons)
        assert made.reasons == ["auth_failed"]
        assert len(camera.authorizations) == 1


@pytest.mark.parametrize(
    ("method", "status", "reason"),
    [
        ("DESCRIBE", "302 Moved", "redirected"),
        ("DESCRIBE", "404 Not Found", "not_found"),
        ("SETUP", "461 Unsupported Transport", "rejected"),
        ("PLAY", "403 Forbidden", "forbidden"),
        ("PLAY", "500 Error", "server_error"),
    ],
)
async def test_a_refusal_is_told_by_its_reason_and_no_redirect_is_followed(
    film: list[EncodedFrame], method: str, status: str, reason: str
) -> None:
    camera = LaxCamera(film, status={method: status})
    async with camera.serving(), pulled(StreamAddress(camera.url)) as made:
        await until(lambda: made.reasons)
        assert made.reasons == [reason]
    assert camera.connections == 1


@pytest.mark.parametrize(
    ("sdp", "reason"),
    [
        (lambda text: text.replace("H264", "VP8"), "unsupported_codec"),
        (lambda text: text.replace("m=video", "m=application"), "no_video"),
        (lambda text: text + "a=fmtp:96 packetization-mode=2\r\n", "unsupported_packetisation"),
        (lambda _: "", "invalid_answer"),
        (lambda text: text + "m=audio 0 RTP/AVP 0\r\n" * 20, "invalid_answer"),
        (lambda text: text + "a=x\r\n" * 20_000, "invalid_answer"),
        (lambda text: text.replace("a=control:track1", "a=control:rtsp://[::1/x"), "invalid_answer"),
    ],
)
async def test_a_description_that_cannot_be_used_is_refused_with_its_reason(
    film: list[EncodedFrame], sdp: Callable[[str], str], reason: str
) -> None:
    camera = LaxCamera(film, sdp=sdp)
    async with camera.serving(), pulled(StreamAddress(camera.url)) as made:
        await until(lambda: made.reasons)
        assert made.reasons == [reason]


async def test_a_picture_of_which_a_packet_is_lost_takes_its_group_along_and_is_counted(
    film: list[EncodedFrame],
) -> None:
    def losing(number: int) -> Callable[[int], bool] | None:
        return (lambda packet: packet == 0) if number % 50 == 30 else None

    def script() -> object:
        number = 0
        while True:
            yield Picture(film[number % len(film)].data, number * TICKS, losing(number))
            number += 1

    camera = ScriptedCamera({"a": Served(script)})  # type: ignore[arg-type]
    await camera.start()
    async with pulled(StreamAddress(camera.url("a"))) as made:
        await until(lambda: len(made.frames) > 110)
        numbers = [round((frame.pts - made.frames[0].pts) / TICKS) for frame in made.frames]
        expected = [number for number in range(200) if not (number % 50 >= 30 and number % 50 < 50)]
        assert numbers[:110] == expected[:110], "from the loss to the next keyframe nothing is shown"
        assert [units_of(frame) for frame in made.frames[:110]] == [
            units_of(film[n % len(film)]) for n in expected[:110]
        ]
        assert {frame.epoch for frame in made.frames} == {0}, "the ring keeps what it has"
        assert made.pull.counted.packets_lost == made.pull.counted.drops // 20 > 0
    await camera.stop()


async def test_datagrams_in_the_wrong_order_twice_and_of_strangers_make_the_same_pictures(
    film: list[EncodedFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.streams.rtcp_reports.REPORT_EVERY", 0.5)
    camera = LaxCamera(film, lost=lambda number: number == 60)
    way = Way(udp=(IPv4Network("127.0.0.0/8"),))
    async with camera.serving(), pulled(StreamAddress(camera.url), way=way) as made:
        await until(lambda: len(made.frames) > 75)
        numbers = [*range(60), *range(75, 90)]
        for frame, number in zip(made.frames[:75], numbers, strict=True):
            assert units_of(frame) == units_of(film[number % len(film)])
        assert (made.reasons, made.pull.counted.packets_lost, made.pull.counted.drops) == ([], 1, 15)
        await until(lambda: len(camera.reports) >= 2)
        receiver, *_ = RtcpPacket.parse(camera.reports[-1])
        assert isinstance(receiver, RtcpRrPacket)
        assert (receiver.reports[0].ssrc, receiver.reports[0].packets_lost) == (7, 1)
        assert 0 < receiver.reports[0].jitter < 90_000


async def test_a_camera_is_told_over_its_connection_that_all_came(
    film: list[EncodedFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.streams.rtcp_reports.REPORT_EVERY", 0.5)
    camera = LaxCamera(film)
    async with camera.serving(), pulled(StreamAddress(camera.url)) as made:
        await until(lambda: len(camera.reports) >= 2)
        receiver, _names = RtcpPacket.parse(camera.reports[-1])
        assert isinstance(receiver, RtcpRrPacket)
        told = receiver.reports[0]
        assert (told.ssrc, told.packets_lost, told.fraction_lost) == (7, 0, 0)
        assert told.highest_sequence > 20
        assert made.reasons == []


async def test_a_camera_that_sends_without_an_end_does_not_keep_the_loop(film: list[EncodedFrame]) -> None:
    filler = b"\0\0\1\x0c" + b"\xff" * 1_000_000
    camera = ScriptedCamera({"a": Served(partial(endlessly, Picture(film[0].data + filler, 0)))})
    await camera.start()
    loop = asyncio.get_running_loop()
    async with pulled(StreamAddress(camera.url("a"))) as made:
        made.bus.subscribe("viewer", 1)
        await until(lambda: made.frames)
        reads = 0
        receive = RtspSocket.receive

        def counted(self: RtspSocket, take: Callable[[memoryview, int], int]) -> int:
            nonlocal reads
            came = receive(self, take)
            reads += came > 500_000
            assert came < 2_000_000
            return came

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(RtspSocket, "receive", counted)
            began = loop.time()
            await asyncio.sleep(1.0)
            assert reads <= (loop.time() - began) / 0.05 + 1
    await camera.stop()


def endlessly(picture: Picture) -> Iterator[Picture]:
    for number in itertools.count():
        yield Picture(picture.data, number)


async def test_a_session_that_is_not_known_any_more_ends_the_stream(film: list[EncodedFrame]) -> None:
    camera = LaxCamera(film, session="1;timeout=5", status={"OPTIONS": "454 Session Not Found"})
    async with camera.serving(), pulled(StreamAddress(camera.url)) as made:
        await until(lambda: made.reasons)
        assert made.reasons == ["stream_ended"]
