"""The way to a camera's loudspeaker: its ONVIF backchannel (ONVIF Streaming Specification, 5.3), G.711 over RTP.

It is a connection of its own, made for as long as somebody speaks: the pull that everybody watches by is not touched,
and cameras that have no backchannel are never asked for one while they are watched.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Self

from gateway.refusals import Refusal
from gateway.streams.address import StreamAddress
from gateway.streams.pull_reasons import SENTENCES, PullEnded, PullReason, why_not_connected
from gateway.streams.rtp_packet import HEAD, PLAIN
from gateway.streams.rtsp_in_pump import Pump
from gateway.streams.rtsp_in_sdp import TalkTrack
from gateway.streams.rtsp_in_session import OptionUnsupported, RtspSession
from gateway.streams.rtsp_in_transport import channels_in, interleaved
from gateway.streams.tls_trust import CertificateRefused
from gateway.streams.way import Way

BACKCHANNEL = "www.onvif.org/ver20/backchannel"
CANNOT = ("talk_not_offered", "talk_codec_unserved")
"""Reasons that say what the camera is, and not how it is just now."""
OPENING = 4.0
"""Seconds for the connection, and for all that is said before it carries sound."""
CHECK_EVERY = 0.5


class TalkLine:
    """One camera, ready to be spoken through; ``open`` makes one. ``run`` it beside, and ``close`` it once."""

    def __init__(self, session: RtspSession, track: TalkTrack) -> None:
        self._session = session
        self._channel = 0
        self._source = secrets.randbits(32)
        self._pump = Pump(session, lambda: None, lambda: False)
        self.track = track

    @classmethod
    async def open(cls, address: StreamAddress, way: Way) -> Self:
        """Refuses ``talk_not_offered``, ``talk_codec_unserved``, and as ``unavailable`` what a pull may end with."""
        session = await _connected(address, way)
        try:
            async with asyncio.timeout(OPENING):
                line = cls(session, await _track(session))
                await line._play()
        except TimeoutError:
            session.close()
            raise _away("timeout") from None
        except PullEnded as ended:
            session.close()
            raise _away(ended.reason) from None
        except BaseException:
            session.close()
            raise
        return line

    async def _play(self) -> None:
        self._channel, _ = channels_in(await self._session.set_up(self.track.control, interleaved(0)), 0)
        await self._session.play(_Deaf())

    def say(self, sequence: int, timestamp: int, samples: bytes, *, begins: bool) -> None:
        """Send a packet of G.711; ``begins``: after silence (RFC 3551, 4.1). Raises ``OSError`` if it is not taken."""
        second = self.track.payload_type | (0x80 if begins else 0)
        head = HEAD.pack(PLAIN, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, self._source)
        length = (len(head) + len(samples)).to_bytes(2)
        self._session.connection.send(b"$" + bytes([self._channel]) + length + head + samples)

    async def run(self) -> None:
        """Keep the connection up until it is cancelled; raises ``PullEnded`` when the camera ends it."""
        await self._pump.run(CHECK_EVERY)

    def close(self) -> None:
        self._session.close()


class _Deaf:
    """Whatever the camera sends on this connection is of no interest."""

    def packet(self, _channel: int, _data: memoryview, _begin: int, _end: int) -> bool:
        return True

    def received(self) -> None:
        """Nothing was kept."""


async def talk_track(address: StreamAddress, way: Way) -> TalkTrack:
    """What a camera's backchannel takes; refuses as ``TalkLine.open``. Nothing is set up."""
    session = await _connected(address, way)
    try:
        async with asyncio.timeout(OPENING):
            return await _track(session)
    except TimeoutError:
        raise _away("timeout") from None
    except PullEnded as ended:
        raise _away(ended.reason) from None
    finally:
        session.close()


async def _connected(address: StreamAddress, way: Way) -> RtspSession:
    try:
        async with asyncio.timeout(OPENING):
            return RtspSession(await way.connect(address), address, required=BACKCHANNEL)
    except CertificateRefused:
        raise _away("certificate_refused") from None
    except OSError as error:
        raise _away(why_not_connected(error)) from None


async def _track(session: RtspSession) -> TalkTrack:
    try:
        description = await session.describe()
    except OptionUnsupported:
        raise _not_offered() from None
    if description.talk is not None:
        return description.talk
    if description.talks_otherwise:
        raise Refusal(
            "conflict",
            "talk_codec_unserved",
            "摄像机的对讲音频不是 G.711，不支持喊话，请在摄像机上改为 G.711",
            "the camera takes speech in another codec than G.711; set it to G.711",
        )
    raise _not_offered()


def _not_offered() -> Refusal:
    return Refusal(
        "conflict",
        "talk_not_offered",
        "摄像机没有 ONVIF 对讲通道，不支持喊话",
        "the camera has no ONVIF backchannel, so it cannot be spoken through",
    )


def _away(reason: PullReason) -> Refusal:
    zh, en = SENTENCES[reason]
    return Refusal("unavailable", reason, zh, en)
