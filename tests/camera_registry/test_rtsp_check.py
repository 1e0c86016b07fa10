"""The look at a stream against RTSP servers that are odd, broken or hostile, by scripted peers on loopback."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from camera_registry import digest, reasons, rtsp_check
from camera_registry.errors import CameraRefused
from camera_registry.login import Login
from camera_registry.registration import Registrar
from camera_registry.rtsp_check import check_stream

VIDEO = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 {}/90000\r\na=control:track1\r\n"
PACKET = b"$\x00\x00\x10" + b"\x80\x60" + b"\x00" * 14
BASIC = 'Basic realm="camera"'


@dataclass(slots=True)
class RtspPeer:
    """A camera's RTSP door: ``script`` answers a request, or None to say nothing more."""

    script: Callable[[str, dict[str, str]], bytes | None]
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                first, *lines = head.strip().splitlines()
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                method, url, _ = first.split(" ")
                self.requests.append((method, url, headers))
                if (said := self.script(method, headers)) is not None:
                    writer.write(said)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def peer(script: Callable[[str, dict[str, str]], bytes | None]) -> AsyncIterator[RtspPeer]:
    made = RtspPeer(script)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/main"
    try:
        yield made
    finally:
        server.close()


def ok(body: str = "", *headers: str) -> bytes:
    lines = ["RTSP/1.0 200 OK", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def refused(status: str, *challenges: str) -> bytes:
    lines = [f"RTSP/1.0 {status}", *(f"WWW-Authenticate: {one}" for one in challenges)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def camera(sdp: str = VIDEO.format("H264"), **instead: bytes | None) -> Callable[[str, dict[str, str]], bytes | None]:
    """A good camera, but for the methods in ``instead``."""
    usual: dict[str, bytes | None] = {
        "DESCRIBE": ok(sdp), "SETUP": ok("", "Session: 7;timeout=60"), "PLAY": PACKET + ok() + PACKET, "TEARDOWN": ok(),
    }  # fmt: skip
    return lambda method, _headers: {**usual, **instead}[method]


async def reason_of(script: Callable[[str, dict[str, str]], bytes | None], login: Login | None = None) -> str:
    async with peer(script) as made:
        with pytest.raises(CameraRefused) as error:
            await check_stream(made.url, login)
    return error.value.reason


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_check, "STEP_SECONDS", 1.0)
    monkeypatch.setattr(rtsp_check, "LOOK_SECONDS", 0.5)


@pytest.mark.parametrize(("name", "encoding"), [("H264", "H264"), ("h264", "H264"), ("H265", "H265"), ("HEVC", "H265")])
async def test_a_stream_is_seen_to_play(name: str, encoding: str) -> None:
    async with peer(camera(VIDEO.format(name))) as made:
        assert (await check_stream(made.url, None)).encoding == encoding
        async with asyncio.timeout(30):
            while made.requests[-1][0] != "TEARDOWN":
                await asyncio.sleep(0.01)
    assert [method for method, _, _ in made.requests] == ["DESCRIBE", "SETUP", "PLAY", "TEARDOWN"]
    assert made.requests[1][1] == made.url + "/track1"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (camera(DESCRIBE=refused("404 Not Found")), "stream_not_found"),
        (camera(DESCRIBE=refused("401 Unauthorized", BASIC)), "stream_auth_failed"),
        (camera(DESCRIBE=refused("403 Forbidden")), "stream_auth_failed"),
        (camera(DESCRIBE=refused("453 Not Enough Bandwidth")), "stream_refused"),
        (camera(SETUP=refused("503 Service Unavailable")), "stream_refused"),
        (camera(DESCRIBE=None), "stream_timeout"),
        (camera(SETUP=ok()), "stream_invalid"),
        (camera(PLAY=ok()), "no_picture"),
        (camera("v=0\r\nm=audio 0 RTP/AVP 0\r\n"), "no_video"),
        (camera(""), "no_video"),
        (camera(VIDEO.format("JPEG")), "codec_unsupported"),
        (camera(DESCRIBE=b"HTTP/1.1 400 Bad Request\r\n\r\n"), "stream_invalid"),
        (camera(DESCRIBE=b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"), "stream_invalid"),
        (camera(DESCRIBE=b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n"), "stream_invalid"),
        (camera(DESCRIBE=b"RTSP/1.0 200 OK\r\nContent-Length: many\r\n\r\n"), "stream_invalid"),
        (camera(DESCRIBE=b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 100 + b"\r\n"), "stream_invalid"),
        (camera(DESCRIBE=b"RTSP/1.0 OK\r\n\r\n"), "stream_invalid"),
        (camera(DESCRIBE=b"x" * 200_000), "stream_invalid"),
    ],
)
async def test_each_refusal_has_its_reason(script: Callable[[str, dict[str, str]], bytes | None], reason: str) -> None:
    assert await reason_of(script) == reason


async def test_a_camera_that_sends_other_things_for_ever_is_given_up() -> None:
    async with peer(camera(DESCRIBE=PACKET * 10_000)) as made:
        began = time.monotonic()
        with pytest.raises(CameraRefused, match="stream_timeout"):
            await check_stream(made.url, None)
        assert time.monotonic() - began < 7.5


class Door:
    """Takes digest logins; ``nonces`` says how many times each nonce may be used."""

    def __init__(self, login: Login, algorithm: str | None, uses: int = 100) -> None:
        self._login = login
        self._algorithm = algorithm
        self._uses = uses
        self._number = 0
        self._used = 0
        self.judged_wrong = 0

    def __call__(self, method: str, headers: dict[str, str]) -> bytes | None:
        sent = headers.get("authorization", "")
        challenge = digest.Challenge("camera", f"n{self._number}", self._algorithm)
        uri = re.search(r'uri="([^"]*)"', sent)
        if uri is None:
            return self._ask("")
        if sent != digest.answer(challenge, self._login, method, uri[1], ""):
            self.judged_wrong += 1
            return self._ask("")
        if self._used >= self._uses:
            self._number, self._used = self._number + 1, 0
            return self._ask(", stale=true")
        self._used += 1
        return camera()(method, headers)

    def _ask(self, more: str) -> bytes:
        named = "" if self._algorithm is None else f", algorithm={self._algorithm}"
        return refused("401 Unauthorized", BASIC, f'Digest realm="camera", nonce="n{self._number}"{named}{more}')


@pytest.mark.parametrize("algorithm", [None, "MD5", "SHA-256"])
@pytest.mark.parametrize("uses", [100, 2])
async def test_digest_is_answered_once_and_kept(login: Login, algorithm: str | None, uses: int) -> None:
    door = Door(login, algorithm, uses)
    async with peer(door) as made:
        assert (await check_stream(made.url, login)).encoding == "H264"
    assert door.judged_wrong == 0
    assert not any("Basic" in headers.get("authorization", "") for _, _, headers in made.requests)


async def test_a_wrong_password_is_sent_once(login: Login) -> None:
    door = Door(login, "MD5")
    assert await reason_of(door, Login("viewer", "guessed")) == "stream_auth_failed"
    assert door.judged_wrong == 1


async def test_a_camera_that_knows_basic_alone_is_told_the_password_only_where_that_is_allowed(login: Login) -> None:
    heard: list[str] = []

    def door(method: str, headers: dict[str, str]) -> bytes | None:
        heard.append(headers.get("authorization", ""))
        wanted = "Basic dmlld2VyOm1hZGUtZm9yLXRoaXMtdGVzdA=="
        if headers.get("authorization") == wanted:
            return camera()(method, headers)
        return refused("401 Unauthorized", BASIC)

    assert await reason_of(door, login) == "clear_login_needed"
    assert heard == [""]
    async with peer(door) as made:
        assert (await check_stream(made.url, login, clear_login=True)).encoding == "H264"


async def test_the_camera_may_name_itself_wrongly() -> None:
    def base(name: str) -> bytes:
        return ok(VIDEO.format("H264"), f"Content-Base: {name}")

    async with peer(camera(DESCRIBE=base("rtsp://0.0.0.0:554/main/"))) as made:
        assert (await check_stream(made.url, None)).encoding == "H264"
    assert made.requests[1][1] == "rtsp://0.0.0.0:554/main/track1"


async def test_a_camera_with_h265_alone_is_registered_with_a_note(registrar: Registrar) -> None:
    async with peer(camera(VIDEO.format("H265"))) as made:
        found = await registrar.over(made.url, None)
    assert (found.encoding, found.notes) == ("H265", (reasons.H265_ONLY,))
