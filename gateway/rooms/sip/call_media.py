"""A call's RTP and RTCP (RFC 3550): a terminal's H.264 onto a bus untranscoded, G.711 into Opus for browsers, the
composed picture and the mix back. Plain RTP: what leaves the network's own doors belongs into a tunnel."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from aiortc.codecs.h264 import H264PayloadDescriptor
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpRrPacket, RtpPacket

from gateway.refusals import Refusal
from gateway.rooms.assembly import AssembledFrame, VideoAssembly
from gateway.rooms.keyframe_requests import KeyframeRequests
from gateway.rooms.mixing import SoundSource, SoundTarget
from gateway.rooms.sip.sdp import CallOffer, Medium
from gateway.rooms.sip.single_units import SingleUnits
from gateway.settings import SipSettings
from gateway.streams.aiortc_seams import IncomingPacket
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.outgoing import OutgoingVideo, PacketisedFrames
from gateway.streams.rtp_sending import RtpNumbers, RtpSending
from gateway.streams.sound import Sound

log = structlog.get_logger(__name__)

MOST_DATAGRAM = 2048
MOST_PER_SECOND = 4000
"""Packets of one call; 20 Mbit/s of picture have 2000."""
LOOK_EVERY = 0.025
RTCP_EVERY = 1.0
_PLI, _FIR = 1, 4


class _Port(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._take = take
        self._second = 0
        self._count = 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        if self._count <= MOST_PER_SECOND and len(data) <= MOST_DATAGRAM:
            self._take(data, addr)


class _PlainLine:
    """``rtp_sending.Line`` without encryption."""

    def __init__(self, transport: asyncio.DatagramTransport, address: tuple[str, int]) -> None:
        self.transport = transport
        self.address = address

    def send(self, packets: Sequence[tuple[bytes, bytes]]) -> int:
        if self.transport.is_closing():
            raise ConnectionError
        for header, payload in packets:
            self.transport.sendto(header + payload, self.address)
        return 0


class _Channel:
    """One medium: its port, who sends to it, and our sending. A terminal behind a NAT sends from another port than
    it says; the first packet that is RTP of the agreed type decides where ours go, from the announced host alone."""

    def __init__(self, medium: Medium, transport: asyncio.DatagramTransport) -> None:
        self.port = int(transport.get_extra_info("sockname")[1])
        self.source = secrets.randbits(32)
        self.line = _PlainLine(transport, (medium.host, medium.port))
        self.their_source: int | None = None
        self.latched = False
        self.agree(medium)

    def agree(self, medium: Medium) -> None:
        self.medium = medium
        self.line.address = medium.host, medium.port
        numbers = RtpNumbers(self.source, medium.payload_type)
        self.sending = RtpSending(self.line, numbers, asyncio.get_running_loop().time)

    def redirect(self, medium: Medium) -> None:
        if (medium.host, medium.port) != (self.medium.host, self.medium.port):
            self.line.address = medium.host, medium.port
            self.latched, self.their_source = False, None
        self.medium = medium

    def accepts(self, packet: RtpPacket, address: tuple[str, int]) -> bool:
        if packet.payload_type != self.medium.payload_type or address[0] != self.medium.host:
            return False
        if not self.latched:
            self.latched = True
            self.line.address = address[:2]
        elif address[:2] != self.line.address:
            return False
        if self.their_source is None:
            self.their_source = packet.ssrc
        return packet.ssrc == self.their_source


class CallMedia:
    """``TerminalLine`` of a SIP call. ``fast_update`` asks for a keyframe by other means than RTCP (RFC 5168)."""

    def __init__(
        self, settings: SipSettings, offer: CallOffer, packetised: PacketisedFrames, *, clock: Callable[[], float],
        fast_update: Callable[[], None],
    ) -> None:  # fmt: skip
        self.bus = FrameBus()
        self.sound = Sound()
        self.heard_at: float | None = None
        self._settings = settings
        self._shared = packetised
        self._clock = clock
        self.fast_update = fast_update
        self._video: _Channel | None = None
        self._audio: _Channel | None = None
        self._on_hold = False
        self._rtcp: list[asyncio.DatagramTransport] = []
        self._assembly = VideoAssembly()
        self._lost_seen = 0
        self._looking: asyncio.TimerHandle | None = None
        self._requests = KeyframeRequests(self._request)
        self._use(offer)
        self._encoder = SoundTarget("opus")
        self._opus_pts = 0
        self._played = 0
        self._outgoing: OutgoingVideo | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending_video: asyncio.Task[None] | None = None
        self._closed = False

    def _use(self, offer: CallOffer) -> None:
        """What has been agreed, or is offered."""
        self._offer = offer
        single = offer.video is not None and not offer.video.fragments
        self._packetised = SingleUnits() if single else self._shared
        mulaw = offer.sound is not None and offer.sound.codec == "pcm_mulaw"
        self.sound_codec = "pcm_mulaw" if mulaw else "pcm_alaw"
        self._decoder = SoundSource("pcm_mulaw" if mulaw else "pcm_alaw")

    def agree(self, answer: CallOffer) -> None:
        """The answer to an offer of ours: ports that it has no use for are let go."""
        self._use(answer)
        if self._video is not None and answer.video is None:
            self._video.line.transport.close()
            self._rtcp.pop(0).close()
            self._video = None
        if self._audio is not None and answer.sound is None:
            self._audio.line.transport.close()
            self._rtcp.pop().close()
            self._audio = None
        if self._video is not None and answer.video is not None:
            self._video.agree(answer.video)
        if self._audio is not None and answer.sound is not None:
            self._audio.agree(answer.sound)

    def redirect(self, offer: CallOffer) -> CallOffer:
        """The terminal holds, goes on, turns a medium off, or is elsewhere; answers what of its offer is served.
        Refuses another codec than the one agreed (``media_changed``)."""
        served = replace(
            offer,
            video=offer.video if self._video is not None else None,
            sound=offer.sound if self._audio is not None else None,
        )
        pairs = [(self._video, served.video), (self._audio, served.sound)]
        for channel, medium in pairs:
            agreed = channel.medium if channel is not None else None
            if agreed and medium and (agreed.codec, agreed.payload_type) != (medium.codec, medium.payload_type):
                raise Refusal(
                    "invalid", "media_changed", "通话中不能更换编码", "the codec cannot change within a call",
                    field="offer",
                )  # fmt: skip
        for channel, medium in pairs:
            if channel is not None:
                channel.redirect(medium if medium is not None else replace(channel.medium, direction="inactive"))
        # Who takes nothing any more holds the call; it may say that it sends (music, once), and sends nothing.
        self._on_hold = not any(medium.receives for medium in (served.video, served.sound) if medium is not None)
        self.heard_at = asyncio.get_running_loop().time()
        self.new_picture()
        return served

    @property
    def sends(self) -> bool:
        channels = [channel for channel in (self._video, self._audio) if channel is not None]
        return not self._on_hold and any(channel.medium.sends for channel in channels)

    @property
    def ports(self) -> dict[str, int]:
        found = {"video": self._video, "audio": self._audio}
        return {kind: channel.port for kind, channel in found.items() if channel is not None}

    async def open(self) -> None:
        """Take the ports. Refuses ``sip_no_port``."""
        try:
            if self._offer.video is not None:
                self._video = await self._channel(self._offer.video, self._take_video)
            if self._offer.sound is not None:
                self._audio = await self._channel(self._offer.sound, self._take_sound)
        except BaseException:
            await self.close()
            raise
        self._spawn(self._report())

    def ask_keyframe(self) -> None:
        if not self._closed:
            self._requests.ask()

    def new_picture(self) -> None:
        """The terminal wants a keyframe of what it is shown."""
        if self._outgoing is not None:
            self._outgoing.keyframe_wanted()

    def show(self, bus: FrameBus | None) -> None:
        if self._outgoing is not None:
            self._outgoing.close()
            self._outgoing = None
        if self._sending_video is not None:
            self._sending_video.cancel()
            self._sending_video = None
        if bus is None or self._video is None or self._closed:
            return
        video = self._video
        self._outgoing = OutgoingVideo(
            bus, "terminal", self._packetised, clock=self._clock, passes=lambda: video.medium.receives
        )
        self._sending_video = self._spawn(self._send_video(video, self._outgoing))

    def play(self, data: bytes) -> None:
        channel = self._audio
        if channel is None or self._closed or not channel.medium.receives:
            return
        header = struct.pack(
            "!BBHII", 0x80, channel.medium.payload_type, self._played & 0xFFFF, self._played * 160 & 0xFFFFFFFF,
            channel.source,
        )  # fmt: skip
        self._played += 1
        with suppress(ConnectionError):
            channel.line.send([(header, data)])

    async def close(self) -> None:
        self._closed = True
        self.show(None)
        self._requests.close()
        if self._looking is not None:
            self._looking.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in (self._video, self._audio):
            if channel is not None:
                channel.line.transport.close()
        for transport in self._rtcp:
            transport.close()
        self.bus.close()

    async def _channel(self, medium: Medium, take: Callable[[bytes, tuple[str, int]], None]) -> _Channel:
        """An even port for RTP and the next for RTCP (RFC 3550, 11)."""
        loop = asyncio.get_running_loop()
        first, last = self._settings.port_from, self._settings.port_to
        pairs = (last - first) // 2
        start = secrets.randbelow(max(1, pairs))
        for step in range(max(1, pairs)):
            port = first + first % 2 + (start + step) % max(1, pairs) * 2
            try:
                rtp, _ = await loop.create_datagram_endpoint(
                    lambda: _Port(take), local_addr=(self._settings.host, port), family=socket.AF_INET
                )
            except OSError:
                continue
            try:
                rtcp, _ = await loop.create_datagram_endpoint(
                    lambda: _Port(self._take_rtcp), local_addr=(self._settings.host, port + 1), family=socket.AF_INET
                )
            except OSError:
                rtp.close()
                continue
            self._rtcp.append(rtcp)
            return _Channel(medium, rtp)
        raise Refusal("unavailable", "sip_no_port", "没有空闲的 SIP 媒体端口", "no media port is free for the call")

    def _packet(self, channel: _Channel | None, data: bytes, address: tuple[str, int]) -> RtpPacket | None:
        try:
            packet = RtpPacket.parse(data)
        except (ValueError, IndexError, struct.error):
            return None
        if channel is None or not channel.accepts(packet, address):
            return None
        self.heard_at = asyncio.get_running_loop().time()
        return packet

    def _take_video(self, data: bytes, address: tuple[str, int]) -> None:
        packet = self._packet(self._video, data, address)
        if packet is None:
            return
        try:
            _, unit = H264PayloadDescriptor.parse(packet.payload) if packet.payload else (None, b"")
        except (ValueError, IndexError, struct.error):
            return
        marker = bool(packet.marker)
        taken = IncomingPacket(packet.sequence_number, packet.timestamp, packet.ssrc, marker, unit)
        self._forward(self._assembly.add(taken, asyncio.get_running_loop().time()))

    def _forward(self, frames: list[AssembledFrame]) -> None:
        for frame in frames:
            self.bus.publish(
                EncodedFrame(
                    kind="video", codec="h264", data=frame.data, pts=frame.timestamp, clock_rate=90_000,
                    arrival=self._clock(), keyframe=frame.keyframe,
                )
            )  # fmt: skip
        if self._assembly.lost != self._lost_seen or (self._assembly.wants_keyframe and self._assembly.skipped):
            self._lost_seen = self._assembly.lost
            self.ask_keyframe()
        if self._assembly.waits and self._looking is None and not self._closed:
            self._looking = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        self._looking = None
        self._forward(self._assembly.overdue(asyncio.get_running_loop().time()))

    def _take_sound(self, data: bytes, address: tuple[str, int]) -> None:
        packet = self._packet(self._audio, data, address)
        if packet is None or not 0 < len(packet.payload) <= 960:
            return
        self._decoder.add(packet.payload)
        while (samples := self._decoder.take()) is not None:
            for opus in self._encoder.encode(samples):
                self.sound.publish(
                    EncodedFrame(
                        kind="audio", codec="opus", data=opus, pts=self._opus_pts, clock_rate=48_000,
                        arrival=self._clock(), keyframe=True,
                    )
                )  # fmt: skip
                self._opus_pts += 960

    def _take_rtcp(self, data: bytes, address: tuple[str, int]) -> None:
        hosts = {channel.medium.host for channel in (self._video, self._audio) if channel is not None}
        if address[0] not in hosts:
            return
        try:
            packets = RtcpPacket.parse(data)
        except (ValueError, IndexError, struct.error):
            return
        self.heard_at = asyncio.get_running_loop().time()
        if any(isinstance(packet, RtcpPsfbPacket) and packet.fmt in (_PLI, _FIR) for packet in packets):
            self.new_picture()

    async def _send_video(self, channel: _Channel, outgoing: OutgoingVideo) -> None:
        with suppress(ConnectionError):
            while (frame := await outgoing.next_frame()) is not None:
                await channel.sending.frame(frame)

    async def _report(self) -> None:
        """Receiver reports, empty of figures: they say that we are there."""
        while True:
            await asyncio.sleep(RTCP_EVERY)
            for channel in (self._video, self._audio):
                if channel is not None and channel.line.address[1]:
                    self._send_rtcp(channel, bytes(RtcpRrPacket(ssrc=channel.source)))

    def _request(self) -> None:
        channel = self._video
        if channel is not None and channel.their_source is not None:
            empty = bytes(RtcpRrPacket(ssrc=channel.source))
            pli = bytes(RtcpPsfbPacket(fmt=_PLI, ssrc=channel.source, media_ssrc=channel.their_source))
            self._send_rtcp(channel, empty + pli)
        self.fast_update()

    def _send_rtcp(self, channel: _Channel, data: bytes) -> None:
        at = 0 if channel is self._video or self._video is None else 1
        if at < len(self._rtcp) and not self._rtcp[at].is_closing():
            host, port = channel.line.address
            self._rtcp[at].sendto(data, (host, port + 1))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
