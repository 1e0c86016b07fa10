"""Every private name of aiortc and aioice that the gateway leans on, in this one module.

aiortc decodes what it receives and encodes what it sends; the gateway does neither. These seams let encoded frames in
and out as they are, with senders of our own on aiortc's encrypted transport, hand picture-loss requests to us, and bind
ICE to chosen addresses and ports. ``SEAMS`` lists the names; the contract test fails when a new release moves one.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aioice.ice
import pylibsrtp
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDtlsTransport,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
)
from aiortc import clock as ntp
from aiortc.codecs import is_rtx
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import State
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpSendParameters
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, RtcpReceiverInfo, RtpPacket, unpack_remb_fci
from pylibsrtp._binding import ffi, lib

from gateway.refusals import Refusal
from gateway.settings import WebRtcSettings
from gateway.streams.rtp_sending import AtOnce, OutgoingFrame, RtpNumbers, RtpSending, SentSoFar

AIORTC = "1.16"
"""The release against which the seams were read."""

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
_NACK_GENERATOR = "_RTCRtpReceiver__nack_generator"

_SENDER = "_RTCRtpSender__"

SEAMS: dict[object, tuple[str, ...]] = {
    RTCRtpSender: ("_run_rtp", "_retransmit", "_send_keyframe", "_handle_rtcp_packet"),
    RTCRtpReceiver: ("_handle_rtp_packet", "_send_rtcp_pli", "_send_rtcp_nack"),
    aioice.ice.Connection: ("get_component_candidates", "gather_candidates"),
    RTCDtlsTransport: ("state",),
    State: ("CONNECTED",),
    lib: ("srtp_protect", "srtp_err_status_ok"),
}
SENDER_SEAMS = (
    "mid", "rtp_header_extensions_map", "rtx_payload_type", "rtp_started", "rtp_exited", "ntp_timestamp",
    "rtp_timestamp", "packet_count", "octet_count",
)  # fmt: skip
"""Of a sender; the last four are what its sender reports are made of."""

_BUFFER = 60 * 1024
_SRTP_TRAILER = 144
_MOST_SEGMENTS = 64
_SOL_UDP, _UDP_SEGMENT = 17, 103
"""Linux since 4.18: one call, many datagrams of one size (the last may be smaller)."""
_SEND_BUFFER = 1024 * 1024
_NO_OFFLOAD = (errno.EIO, errno.EINVAL, errno.ENOPROTOOPT, errno.EMSGSIZE, errno.EOPNOTSUPP)


@dataclass(frozen=True, slots=True)
class IncomingPacket:
    """One RTP packet as received, a retransmission already unwrapped; ``data`` is depacketised (Annex-B for H.264)."""

    sequence_number: int
    timestamp: int
    ssrc: int
    marker: bool
    data: bytes
    level: int | None = None
    """Loudness in -dBov, where the sender says it (RFC 6464)."""
    begins: bool = False
    """A frame begins here, where that is seen by what was taken off the payload."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a receiver reports of what it is sent: ``loss``, the share of packets lost in the last second or more; or
    ``takes``, bits a second that it can take (REMB), beside those ``sent`` lately."""

    loss: float | None = None
    takes: float | None = None
    sent: float = 0.0


class PassThroughTrack(MediaStreamTrack):
    """Stands where aiortc wants a track; frames reach the sender through ``send_encoded`` instead."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    async def recv(self) -> Any:
        raise MediaStreamError


class _PacketTap:
    """Stands where aiortc keeps its jitter buffer: packets go to us, no frame ever reaches its decoder."""

    def __init__(self, take: Callable[[IncomingPacket], bool], begins: Callable[[bytes], bool]) -> None:
        self._take = take
        self._begins = begins

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        data: bytes = packet._data  # type: ignore[attr-defined]  # set by the receiver just before
        marker = bool(packet.marker)
        said = packet.extensions.audio_level
        level = said[1] if said is not None else None
        begins = self._begins(packet.payload)
        return self._take(
            IncomingPacket(packet.sequence_number, packet.timestamp, packet.ssrc, marker, data, level, begins)
        ), None


def new_connection() -> RTCPeerConnection:
    """A peer connection that asks no STUN server (on a closed network that would cost five seconds)."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


def bind_addresses(connection: RTCPeerConnection, network: WebRtcSettings) -> None:
    """Offer the addresses and ports of the settings. Call between the remote and the local description."""
    for transceiver in connection.getTransceivers():
        ice = transceiver.receiver.transport.transport._connection
        ice.get_component_candidates = _host_candidates(ice, network)  # type: ignore[method-assign]  # the seam


class SecureLine:
    """The encrypted way to one peer: packets are written and protected in one buffer and leave many at a time."""

    _buffer = ffi.new("char[]", _BUFFER)
    _view = memoryview(ffi.buffer(_buffer))
    _size = ffi.new("int *")
    """One for all lines: nothing waits between writing and sending."""

    def __init__(self, transport: RTCDtlsTransport) -> None:
        self._transport = transport
        self._ice = transport.transport._connection
        self._srtp: pylibsrtp.Session = transport._tx_srtp
        self._pair: aioice.ice.CandidatePair | None = None
        self._socket: socket.socket | None = None
        self._offload = True

    def send(self, packets: Sequence[tuple[bytes, bytes]]) -> int:
        """See ``rtp_sending.Line``. Together they fit the buffer (``BURST_BYTES`` and their headers do)."""
        if self._transport._state is not State.CONNECTED:
            raise ConnectionError
        pair = self._ice._nominated.get(1)
        if pair is None:
            raise ConnectionError
        if pair is not self._pair:
            self._follow(pair)
        view, size, session, at, lost = self._view, self._size, self._srtp._srtp[0], 0, 0
        begin, count, segment, closed = 0, 0, 0, True
        for header, payload in packets:
            body = at + len(header)
            length = len(header) + len(payload)
            if at + length + _SRTP_TRAILER > _BUFFER:
                lost += self._leave(begin, at, segment, count)
                begin = at = count = 0
                closed, body = True, len(header)
            view[at:body] = header
            view[body : at + length] = payload
            size[0] = length
            if lib.srtp_protect(session, self._buffer + at, size) != lib.srtp_err_status_ok:
                lost += 1
                continue
            length = size[0]
            if closed or length > segment or count >= _MOST_SEGMENTS:
                lost += self._leave(begin, at, segment, count)
                begin, count, segment = at, 0, length
            at += length
            count += 1
            closed = length < segment
        return lost + self._leave(begin, at, segment, count)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _follow(self, pair: aioice.ice.CandidatePair) -> None:
        self.close()
        try:
            self._socket = pair.protocol.transport.get_extra_info("socket").dup()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        except OSError as error:  # closed by now, or no file descriptor is left: this line's end, and nobody else's
            raise ConnectionError from error
        self._pair = pair
        self._address = pair.remote_addr

    def _leave(self, begin: int, end: int, segment: int, count: int) -> int:
        """Send a run of packets of one size; answers how many were not taken."""
        if count == 0 or self._socket is None:
            return 0
        if count > 1 and self._offload:
            control = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", segment))]
            try:
                self._socket.sendmsg([self._view[begin:end]], control, 0, self._address)
            except OSError as error:
                if error.errno not in _NO_OFFLOAD:
                    return count
                self._offload = False
            else:
                return 0
        lost = 0
        for at in range(begin, end, segment):
            try:
                self._socket.sendto(self._view[at : min(at + segment, end)], self._address)
            except OSError:
                lost += 1
        return lost


def send_encoded(
    sender: RTCRtpSender,
    next_frame: Callable[[], Awaitable[OutgoingFrame | None]],
    keyframe_wanted: Callable[[], None] | None = None,
    on_feedback: Callable[[Feedback], None] | None = None,
    at_once: Callable[[AtOnce], None] | None = None,
) -> None:
    """Send what ``next_frame`` gives (None ends the sending), packetised already; PLI and FIR go to the callback.
    ``on_feedback`` hears of the receiver's reports and estimates. ``at_once`` is told how frames may be sent past
    ``next_frame``, while that waits.

    Sender and receiver reports stay aiortc's. Call before the connection is made.
    """

    heard = _Feedback(sender, on_feedback) if on_feedback is not None else None
    agreed: list[RTCRtpCodecParameters] = []
    begin = sender.send

    async def send(parameters: RTCRtpSendParameters) -> None:
        agreed.extend(parameters.codecs)
        await begin(parameters)

    async def run(codec: RTCRtpCodecParameters) -> None:
        _private(sender, "rtp_started").set()
        line = SecureLine(sender.transport)
        sending = RtpSending(
            line, _numbers(sender, codec, agreed), asyncio.get_running_loop().time, lambda sent: _report(sender, sent)
        )
        if at_once is not None:
            at_once(sending)
        if heard is not None:
            heard.sent = sending.sent

        async def retransmit(sequence: int) -> None:
            sending.again(sequence)

        sender._retransmit = retransmit  # type: ignore[method-assign, assignment]  # the seam
        try:
            while (frame := await next_frame()) is not None:
                await sending.frame(frame)
        except (asyncio.CancelledError, ConnectionError):
            pass  # as aiortc's own does: whoever stops the sender waits for ``rtp_exited``
        finally:
            line.close()
            _private(sender, "rtp_exited").set()

    sender.send = send  # type: ignore[method-assign]  # the seam
    sender._run_rtp = run  # type: ignore[method-assign]  # the seam
    sender._send_keyframe = keyframe_wanted or (lambda: None)  # type: ignore[method-assign]  # the seam


class _Feedback:
    """Listens to the RTCP that comes to a sender, before aiortc does. ``sent``: what has been sent, once it is."""

    def __init__(self, sender: RTCRtpSender, tell: Callable[[Feedback], None]) -> None:
        self.sent = SentSoFar()
        self._sender = sender
        self._tell = tell
        self._handle = sender._handle_rtcp_packet
        self._octets, self._since, self._rate = 0, float("-inf"), 0.0
        self._lost, self._highest, self._reported_at = 0, -1, float("-inf")
        sender._handle_rtcp_packet = self._heard  # type: ignore[method-assign]  # the seam

    async def _heard(self, packet: Any) -> None:
        for report in getattr(packet, "reports", ()):
            if report.ssrc == self._sender._ssrc:
                self._count(report)
        if isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_APP:
            with suppress(ValueError, struct.error):
                takes, sources = unpack_remb_fci(packet.fci)
                if self._sender._ssrc in sources:
                    self._tell(Feedback(takes=takes, sent=self._bits_a_second()))
            return  # a malformed one would end the connection in aiortc
        await self._handle(packet)

    def _count(self, report: RtcpReceiverInfo) -> None:
        """Browsers report with each NACK, of a handful of packets: totals (RFC 3550, 6.4.1) over a second say more."""
        now, expected = asyncio.get_running_loop().time(), report.highest_sequence - self._highest
        if now - self._reported_at < 1.0 or expected == 0:
            return
        if self._highest >= 0 and expected > 0:
            self._tell(Feedback(loss=min(1.0, max(0.0, (report.packets_lost - self._lost) / expected))))
        self._lost, self._highest, self._reported_at = report.packets_lost, report.highest_sequence, now

    def _bits_a_second(self) -> float:
        """Over the last second or more; 0 before one has passed."""
        now, octets = asyncio.get_running_loop().time(), self.sent.octets
        if now - self._since >= 1.0:
            self._rate = (octets - self._octets) * 8 / (now - self._since)
            self._octets, self._since = octets, now
        return self._rate


def _private(sender: RTCRtpSender, name: str) -> Any:
    return getattr(sender, _SENDER + name)


def _numbers(sender: RTCRtpSender, codec: RTCRtpCodecParameters, agreed: Sequence[RTCRtpCodecParameters]) -> RtpNumbers:
    """``codec`` is the first of those ``agreed``; of each name the first counts."""
    payload_type = int(codec.payloadType or 0)
    packet = RtpPacket(payload_type=payload_type)
    packet.extensions.mid = _private(sender, "mid")
    header = packet.serialize(_private(sender, "rtp_header_extensions_map"))
    resent = _private(sender, "rtx_payload_type")
    resent_types = {int(one.parameters["apt"] or 0): int(one.payloadType or 0) for one in agreed if is_rtx(one)}
    return RtpNumbers(
        sender._ssrc, payload_type, header[12:], None if resent is None else (sender._rtx_ssrc, resent),
        {one.name.lower(): int(one.payloadType or 0) for one in reversed(agreed) if not is_rtx(one)}, resent_types,
    )  # fmt: skip


def _report(sender: RTCRtpSender, sent: SentSoFar) -> None:
    for name, value in (
        ("ntp_timestamp", ntp.current_ntp_time()),
        ("rtp_timestamp", sent.timestamp),
        ("packet_count", sent.packets),
        ("octet_count", sent.octets),
    ):
        setattr(sender, _SENDER + name, value)


def receive_encoded(
    receiver: RTCRtpReceiver,
    take: Callable[[IncomingPacket], bool],
    begins: Callable[[bytes], bool] = lambda _payload: False,
) -> None:
    """Give every packet to ``take``, which answers whether a keyframe is to be asked for now. ``begins`` says of a
    payload whether a frame begins with it.

    Receiver reports, REMB and unwrapping retransmissions stay aiortc's; what is missing is asked for by whoever takes
    the packets (``request_packets``), since aiortc asks once only. Call between remote and local description.
    """
    for name in (_JITTER_BUFFER, _NACK_GENERATOR):
        if not hasattr(receiver, name):
            raise RuntimeError(f"aiortc has moved {name}")
    setattr(receiver, _JITTER_BUFFER, _PacketTap(take, begins))
    setattr(receiver, _NACK_GENERATOR, None)


async def request_keyframe(receiver: RTCRtpReceiver, ssrc: int) -> None:
    """Send a Picture Loss Indication (RFC 4585 section 6.3.1) for the media stream ``ssrc``."""
    await receiver._send_rtcp_pli(ssrc)


async def request_packets(receiver: RTCRtpReceiver, ssrc: int, numbers: list[int]) -> None:
    """Send a generic NACK (RFC 4585 section 6.2.1) for the packets missing of the media stream ``ssrc``."""
    await receiver._send_rtcp_nack(ssrc, numbers)


def sends(transceiver: RTCRtpTransceiver) -> bool:
    """Whether the remote offer lets this transceiver send."""
    return transceiver._offerDirection in ("sendonly", "sendrecv")


def receives(transceiver: RTCRtpTransceiver) -> bool:
    """Whether the remote offer sends to this transceiver."""
    return transceiver._offerDirection in ("recvonly", "sendrecv")


def _host_candidates(
    ice: aioice.ice.Connection, network: WebRtcSettings
) -> Callable[..., Coroutine[Any, Any, list[Candidate]]]:
    async def host_candidates(component: int, addresses: list[str], timeout: int = 5) -> list[Candidate]:
        found = []
        for address in network.addresses or addresses:
            protocol = await _bound(ice, address, network)
            if protocol is None:
                continue
            host, port = protocol.transport.get_extra_info("sockname")[:2]
            protocol.local_candidate = Candidate(
                foundation=candidate_foundation("host", "udp", host),
                component=component,
                transport="udp",
                priority=candidate_priority(component, "host"),
                host=host,
                port=port,
                type="host",
            )
            ice._protocols.append(protocol)
            found.append(protocol.local_candidate)
        if not found:
            raise Refusal(
                "unavailable",
                "webrtc_no_port",
                "没有可用的 WebRTC 地址或端口，请检查 webrtc 设置",
                "no WebRTC address or port is free; check the webrtc settings",
            )
        return found

    return host_candidates


async def _bound(ice: aioice.ice.Connection, address: str, network: WebRtcSettings) -> aioice.ice.StunProtocol | None:
    """A socket on ``address`` in the port range; the search starts anywhere in it, so that few ports are tried."""
    count = network.port_to - network.port_from + 1 if network.port_from else 1
    start = secrets.randbelow(count)
    for step in range(count):
        port = network.port_from + (start + step) % count
        try:
            _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: aioice.ice.StunProtocol(ice), local_addr=(address, port)
            )
        except OSError:
            continue
        return protocol
    return None
