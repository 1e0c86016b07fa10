"""H.264 for terminals that know packetization-mode 0 alone (RFC 6184, 6.2): one NAL unit in each packet.

A unit too large for a packet travels in fragments all the same; the composer makes none, and terminals take them.
"""

from __future__ import annotations

from gateway.streams import nal
from gateway.streams.frame import EncodedFrame
from gateway.streams.outgoing import LARGEST_PAYLOAD, Packetised, PacketisedFrames
from gateway.streams.packetise import payloads


class SingleUnits(PacketisedFrames):
    """Made for each call anew: few terminals, small pictures."""

    def of(self, frame: EncodedFrame) -> Packetised:
        made = [
            payload
            for unit in nal.nal_units(frame.data)
            for payload in payloads("h264", nal.annexb([unit]), LARGEST_PAYLOAD)
        ]
        return Packetised(frame, made, False)
