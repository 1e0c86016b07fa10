"""Every private name of aiortc and aioice that the gateway leans on, in this one module.

aiortc decodes what it receives and encodes what it sends; the gateway does neither. These seams let encoded frames in
and out as they are, hand picture-loss requests to us, and bind ICE to chosen addresses and ports. ``SEAMS`` lists the
names; the contract test fails when a new release moves one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import aioice.ice
import aiortc.rtcrtpsender
from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCRtpTransceiver,
)
from aiortc.codecs.h264 import H264Encoder
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import RtpPacket

from gateway.refusals import Refusal
from gateway.settings import WebRtcSettings

AIORTC = "1.16"
"""The release against which the seams were read."""

SENT_PACKETS_KEPT = 1024
"""For retransmission. aiortc keeps 128: a large IDR pushes its own first packets out before a NACK can come."""

_JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"

SEAMS: dict[object, tuple[str, ...]] = {
    RTCRtpSender: ("_next_encoded_frame", "_send_keyframe", "_run_rtp"),
    RTCRtpReceiver: ("_handle_rtp_packet", "_send_rtcp_pli"),
    H264Encoder: ("_split_bitstream", "_packetize"),
    aioice.ice.Connection: ("get_component_candidates", "gather_candidates"),
    aiortc.rtcrtpsender: ("RTP_HISTORY_SIZE", "RTCEncodedFrame"),
}


@dataclass(frozen=True, slots=True)
class OutgoingFrame:
    """RTP payloads of one encoded frame, and its timestamp in the codec's clock (any origin, any size)."""

    payloads: Sequence[bytes]
    timestamp: int


@dataclass(frozen=True, slots=True)
class IncomingPacket:
    """One RTP packet as received, a retransmission already unwrapped; ``data`` is depacketised (Annex-B for H.264)."""

    sequence_number: int
    timestamp: int
    ssrc: int
    marker: bool
    data: bytes


class PassThroughTrack(MediaStreamTrack):
    """Stands where aiortc wants a track; frames reach the sender through ``send_encoded`` instead."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    async def recv(self) -> Any:
        raise MediaStreamError


class _PacketTap:
    """Stands where aiortc keeps its jitter buffer: packets go to us, no frame ever reaches its decoder."""

    def __init__(self, take: Callable[[IncomingPacket], bool]) -> None:
        self._take = take

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        data: bytes = packet._data  # type: ignore[attr-defined]  # set by the receiver just before
        marker = bool(packet.marker)
        return self._take(IncomingPacket(packet.sequence_number, packet.timestamp, packet.ssrc, marker, data)), None


def new_connection() -> RTCPeerConnection:
    """A peer connection that asks no STUN server (on a closed network that would cost five seconds)."""
    aiortc.rtcrtpsender.RTP_HISTORY_SIZE = SENT_PACKETS_KEPT  # type: ignore[attr-defined]  # a re-imported name
    return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


def bind_addresses(connection: RTCPeerConnection, network: WebRtcSettings) -> None:
    """Offer the addresses and ports of the settings. Call between the remote and the local description."""
    for transceiver in connection.getTransceivers():
        ice = transceiver.receiver.transport.transport._connection
        ice.get_component_candidates = _host_candidates(ice, network)  # type: ignore[method-assign]  # the seam


def send_encoded(
    sender: RTCRtpSender,
    next_frame: Callable[[], Awaitable[OutgoingFrame | None]],
    keyframe_wanted: Callable[[], None] | None = None,
) -> None:
    """Send what ``next_frame`` gives (None ends the sending), packetised already; PLI and FIR go to the callback."""

    async def next_encoded_frame(codec: RTCRtpCodecParameters) -> aiortc.rtcrtpsender.RTCEncodedFrame:
        frame = await next_frame()
        if frame is None:
            raise MediaStreamError
        no_level: Any = None
        return aiortc.rtcrtpsender.RTCEncodedFrame(list(frame.payloads), frame.timestamp, no_level)

    sender._next_encoded_frame = next_encoded_frame  # type: ignore[method-assign]  # the seam
    sender._send_keyframe = keyframe_wanted or (lambda: None)  # type: ignore[method-assign]  # the seam


def receive_encoded(receiver: RTCRtpReceiver, take: Callable[[IncomingPacket], bool]) -> None:
    """Give every packet to ``take``, which answers whether a keyframe is to be asked for now.

    NACK, retransmission, receiver reports and REMB stay aiortc's. Call between remote and local description.
    """
    if not hasattr(receiver, _JITTER_BUFFER):
        raise RuntimeError(f"aiortc has moved {_JITTER_BUFFER}")
    setattr(receiver, _JITTER_BUFFER, _PacketTap(take))


async def request_keyframe(receiver: RTCRtpReceiver, ssrc: int) -> None:
    """Send a Picture Loss Indication (RFC 4585 section 6.3.1) for the media stream ``ssrc``."""
    await receiver._send_rtcp_pli(ssrc)


def packetise_h264(access_unit: bytes) -> list[bytes]:
    """RTP payloads (RFC 6184, packetization-mode 1) of an Annex-B access unit."""
    return H264Encoder._packetize(H264Encoder._split_bitstream(access_unit))


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
