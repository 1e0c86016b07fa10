"""One reader's RTSP connection: who it is, what it may read, and where it stands (RFC 2326, appendix A.2).

Every request but OPTIONS needs the credentials of a loan; whatever else is asked, nobody learns without them which
paths there are. A reader's own loan opens its own path only, and the other streams of the same camera behind it:
other paths do not exist for it. A connection stays with the path that it asked for first.

``?start=now`` behind the path is for readers that show what they read: the cached group of pictures, with which every
reader begins, then takes no time of its own. Without it, timestamps are the camera's throughout, as recorders want.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

import structlog

from gateway.streams.bus import FrameBus
from gateway.streams.frame import VideoCodec
from gateway.streams.lending import Lending, Loan
from gateway.streams.nal import ParameterSets
from gateway.streams.packetise import SharedPayloads
from gateway.streams.rtsp_out_digest import DigestDoor
from gateway.streams.rtsp_out_messages import BadRequest, Request, answer, read_request
from gateway.streams.rtsp_out_player import Player, SoundPlayer
from gateway.streams.rtsp_out_rtp import VIDEO, RtpStream, TrackFormat
from gateway.streams.rtsp_out_sdp import (
    SOUND_PAYLOAD_TYPE,
    SOUND_TRACK,
    TRACK,
    describe,
    parameters_of,
    sound_clock_rate,
)
from gateway.streams.rtsp_out_transport import (
    Carrier,
    Interleaved,
    OverConnection,
    OverDatagrams,
    drained,
    wanted_transport,
)
from gateway.streams.source import FrameSource

log = structlog.get_logger(__name__)

METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
SESSION_TIMEOUT = 60
KEYFRAME_WITHIN = 5.0
MOST_WRONG = 5
CLOSING = 2.0

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Track:
    """What a reader has set up: the packets, and the way they go."""

    stream: RtpStream
    carrier: Carrier


@dataclass(frozen=True, slots=True)
class Shared:
    """What all connections of a server have in common. ``find`` answers what a connection reads, which it starts and
    stops. ``may_play``: whether a loan has room for one reader more; ``stalled``: seconds after which a reader that
    takes nothing is let go."""

    find: Callable[[str], FrameSource | None]
    lending: Lending
    payloads: SharedPayloads
    clock: Callable[[], float]
    may_play: Callable[[Loan], bool]
    stalled: float


class Session:
    """``run`` is the connection's life; ``end`` breaks it off from outside."""

    def __init__(self, shared: Shared, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._shared = shared
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._digest = DigestDoor(self._password_of, self._loop.time)
        self._task: asyncio.Task[None] | None = None
        self._playing: list[asyncio.Task[None]] = []
        self._player: Player | None = None
        self._sound: SoundPlayer | None = None
        self._tracks: dict[str, Track] = {}
        self._codec: VideoCodec | None = None
        self._source: FrameSource | None = None
        self._id = ""
        self._path = ""
        self._from_now = False
        self._wrong = 0
        self._why = "connection_ended"
        self._over = False
        self.begun = self.heard = self._loop.time()
        self.loan: Loan | None = None

    @property
    def playing(self) -> bool:
        return self._player is not None

    @property
    def set_up(self) -> bool:
        return bool(self._id)

    @property
    def over_datagrams(self) -> bool:
        """Only what it says (RTCP, requests) tells that such a reader is still there; ``heard`` is when it did last."""
        return any(isinstance(track.carrier, OverDatagrams) for track in self._tracks.values())

    @property
    def drops(self) -> int:
        return self._player.drops if self._player is not None else 0

    def end(self, why: str) -> None:
        """Break the connection off; the reader is told if it still listens. Whatever was first stays the reason."""
        if not self._over:
            self._is_over(why)
            if self._task is not None:
                self._task.cancel()

    def _is_over(self, why: str) -> None:
        self._over, self._why = True, why

    async def run(self) -> None:
        self._task = asyncio.current_task()
        try:
            while not self._over and (request := await read_request(self._reader)) is not None:
                self._is_heard()
                await self._serve(request)
        except BadRequest as bad:
            self._why = "bad_request"
            self._writer.write(answer(bad.status, ""))
        except OSError:
            self._why = "connection_lost"
        except asyncio.CancelledError:
            if not self._over:
                raise
        finally:
            await self._close()

    async def _close(self) -> None:
        for task in self._playing:
            task.cancel()
        if self._player is not None:
            self._player.close()
            if self._sound is not None:
                self._sound.close()
            for track in self._tracks.values():
                track.carrier.rtcp(track.stream.goodbye())
            log.info("rtsp_reader_ended", **self._who(), why=self._why, drops=self._player.drops)
        elif self._why != "connection_ended":
            log.info("rtsp_connection_ended", **self._who(), why=self._why)
        for track in self._tracks.values():
            track.carrier.close()
        if self._source is not None:
            await self._source.stop()
        try:
            self._writer.close()
            async with asyncio.timeout(CLOSING):
                await self._writer.wait_closed()
        except (TimeoutError, OSError):
            log.debug("rtsp_reader_did_not_listen", **self._who())
        finally:
            self._writer.transport.abort()

    def _who(self) -> dict[str, str]:
        peer = self._writer.get_extra_info("peername")
        loan = self.loan
        return {
            "peer": str(peer[0]) if peer else "",
            "path": self._path or (loan.path if loan else ""),
            "reader": loan.reader if loan else "",
        }

    def _password_of(self, username: str) -> str | None:
        loan = self._shared.lending.of_username(username)
        if loan is None and self.loan is not None and self.loan.username == username:
            # Replaced by a newer loan, under which this connection goes on.
            loan = self.loan if self._shared.lending.of_reader(self.loan.path, self.loan.reader) else None
        return loan.password if loan is not None else None

    async def _serve(self, request: Request) -> None:
        status, headers, body = await self._answer(request)
        if self._id and status == 200:
            headers = [("Session", f"{self._id};timeout={SESSION_TIMEOUT}"), *headers]
        self._writer.write(answer(status, request.sequence, headers, body, "application/sdp"))
        if self._player is not None and not self._playing:
            self._playing = [asyncio.create_task(self._play(self._player))]
            if self._sound is not None:
                self._playing.append(asyncio.create_task(self._sound.run()))
        if not await drained(self._writer, self._shared.stalled):
            self._is_over("reader_stalled")

    async def _answer(self, request: Request) -> tuple[int, Headers, bytes]:
        if request.method == "OPTIONS":
            return 200, [("Public", METHODS)], b""
        verdict = self._digest.check(request.method, request.headers.get("authorization"))
        if isinstance(verdict, str):
            return self._unauthorised(verdict)
        username, signed = verdict
        loan = self._shared.lending.of_username(username) or self.loan
        if loan is None or (self.loan is not None and not loan.same_reader(self.loan)):
            return self._unauthorised("wrong")
        self.loan = loan
        path = path_of(request.uri)
        if path is None or not loan.opens(path) or path != path_of(signed) or self._path not in ("", path):
            return 404, [], b""
        if "require" in request.headers:
            return 551, [("Unsupported", request.headers["require"])], b""
        if request.headers.get("session", self._id).partition(";")[0].strip() != self._id:
            return 454, [], b""
        self._from_now |= "start=now" in urlsplit(request.uri).query.split("&")
        bus = await self._found(path)
        if bus is None:
            return 404, [], b""
        match request.method:
            case "DESCRIBE":
                return await self._describe(request, bus)
            case "SETUP":
                return await self._set_up(request, bus, loan)
            case "PLAY":
                return self._begin(request, bus, loan)
            case "GET_PARAMETER":
                return 200, [], b""
            case "TEARDOWN":
                self._is_over("torn_down")
                return 200, [], b""
        return 405, [("Allow", METHODS)], b""

    async def _found(self, path: str) -> FrameBus | None:
        """The bus of the path, the same for as long as the connection stands."""
        if self._source is None:
            self._source = self._shared.find(path)
            if self._source is not None:
                self._path = path
                await self._source.start()
        return self._source.bus if self._source is not None else None

    def _unauthorised(self, verdict: Literal["missing", "wrong", "stale"]) -> tuple[int, Headers, bytes]:
        if verdict == "wrong":
            self._wrong += 1
            log.warning("rtsp_wrong_credentials", **self._who())
            if self._wrong >= MOST_WRONG:
                self._is_over("wrong_credentials")
        challenges = self._digest.challenges(stale=verdict == "stale")
        return 401, [("WWW-Authenticate", challenge) for challenge in challenges], b""

    async def _describe(self, request: Request, bus: FrameBus) -> tuple[int, Headers, bytes]:
        parameters = await _parameters(bus)
        if parameters is None:
            return 503, [("Retry-After", str(int(KEYFRAME_WITHIN)))], b""
        self._codec = parameters.codec
        host = str(self._writer.get_extra_info("sockname")[0])
        note = self._source.note if self._source is not None else None
        body = describe(parameters, secrets.randbits(31), host, bus.audio, note)
        return 200, [("Content-Base", f"{_without_query(request.uri)}/")], body

    async def _set_up(self, request: Request, bus: FrameBus, loan: Loan) -> tuple[int, Headers, bytes]:
        if self._player is not None:
            return 455, [], b""
        wanted = wanted_transport(request.headers.get("transport", ""))
        if wanted is None:
            return 461, [], b""
        name = track_of(request.uri)
        if name == TRACK:
            track = VIDEO
        elif bus.audio is not None:
            track = TrackFormat(
                SOUND_PAYLOAD_TYPE[bus.audio.codec], sound_clock_rate(bus.audio), marks=bus.audio.codec == "aac"
            )
        else:
            return 404, [], b""
        if not self._id and not self._shared.may_play(loan):
            return 453, [], b""
        carrier: Carrier
        if isinstance(wanted, Interleaved):
            carrier = OverConnection(self._writer, wanted, self._shared.stalled)
        else:
            own, reader = (str(self._writer.get_extra_info(end)[0]) for end in ("sockname", "peername"))
            try:
                carrier = await OverDatagrams.to(own, reader, wanted, self._is_heard)
            except OSError:
                return 453, [], b""
        before = self._tracks.pop(name, None)
        if before is not None:
            before.carrier.close()
        stream = RtpStream(secrets.randbits(32), secrets.randbits(16), secrets.randbits(31), track)
        self._tracks[name] = Track(stream, carrier)
        self._id = self._id or secrets.token_hex(8)
        return 200, [("Transport", f"{carrier.described};ssrc={stream.source:08X}")], b""

    def _begin(self, request: Request, bus: FrameBus, loan: Loan) -> tuple[int, Headers, bytes]:
        pictures, sound = self._tracks.get(TRACK), self._tracks.get(SOUND_TRACK)
        if pictures is None:
            return 455, [], b""
        if self._player is None:
            if self._from_now:
                pictures.stream.live_from(self._shared.clock())
            clock = self._shared.clock
            self._player = Player(
                bus, f"rtsp:{loan.reader}", pictures.stream, pictures.carrier, self._shared.payloads, clock, self._codec
            )
            if sound is not None:
                self._sound = SoundPlayer(bus, sound.stream, sound.carrier, clock)
            log.info("rtsp_reader_began", **self._who(), datagrams=self.over_datagrams)
        base = _without_query(request.uri).removesuffix(f"/{TRACK}").removesuffix(f"/{SOUND_TRACK}")
        told = (
            f"url={base}/{name};seq={track.stream.first_sequence};rtptime={track.stream.first_timestamp}"
            for name, track in self._tracks.items()
        )
        return 200, [("Range", "npt=now-"), ("RTP-Info", ",".join(told))], b""

    def _is_heard(self) -> None:
        self.heard = self._loop.time()

    async def _play(self, player: Player) -> None:
        try:
            why: str = await player.run()
        except OSError:
            why = "connection_lost"
        except Exception as defect:  # noqa: BLE001 - a defect ends the connection instead of leaving it without pictures
            log.error("rtsp_playing_failed", **self._who(), error=type(defect).__name__)
            why = "playing_failed"
        self.end(why)


def path_of(uri: str) -> str | None:
    """``cameras/1`` of ``rtsp://host/cameras/1``, of its track and of either with a slash behind it."""
    try:
        path = urlsplit(uri).path
    except ValueError:
        return None
    return unquote(path).strip("/").removesuffix(f"/{TRACK}").removesuffix(f"/{SOUND_TRACK}").rstrip("/")


def track_of(uri: str) -> str:
    """A reader that names none wants the pictures."""
    return SOUND_TRACK if _without_query(uri).endswith(f"/{SOUND_TRACK}") else TRACK


def _without_query(uri: str) -> str:
    return uri.partition("?")[0].partition("#")[0].rstrip("/")


async def _parameters(bus: FrameBus) -> ParameterSets | None:
    """What a decoder needs to begin, from the newest keyframe or from one that comes in time."""
    if bus.closed:
        return None
    if bus.last_keyframe is not None and (found := parameters_of(bus.last_keyframe)).complete:
        return found
    coming = bus.subscribe("rtsp:describe", 1, "next_keyframe", keyframes_only=True)
    try:
        async with asyncio.timeout(KEYFRAME_WITHIN):
            async for frame in coming:
                if (found := parameters_of(frame)).complete:
                    return found
    except TimeoutError:
        return None
    finally:
        coming.close()
    return None
