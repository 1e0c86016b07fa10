"""Packets of one viewer: numbered, paced, sent again when asked for within reason, and read by who has the key."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from itertools import pairwise
from types import SimpleNamespace

import pytest
from aiortc.rtcdtlstransport import State
from aiortc.rtp import RtpPacket
from pylibsrtp import Policy, Session

from gateway.streams.aiortc_seams import SecureLine
from gateway.streams.rtp_sending import BURST_BYTES, BYTES_PER_SECOND, OutgoingFrame, RtpNumbers, RtpSending

KEY = os.urandom(28)


class Wire:
    """Keeps what was sent and when."""

    def __init__(self) -> None:
        self.packets: list[RtpPacket] = []
        self.bursts: list[tuple[float, int]] = []

    def send(self, packets: Sequence[tuple[bytes, bytes]]) -> int:
        self.packets += [RtpPacket.parse(header + payload) for header, payload in packets]
        size = sum(len(payload) for _, payload in packets)
        self.bursts.append((asyncio.get_running_loop().time(), size))
        return 0


def sending(wire: Wire, *, resent_as: tuple[int, int] | None = (77, 97)) -> RtpSending:
    return RtpSending(wire, RtpNumbers(42, 96, b"", resent_as), asyncio.get_running_loop().time)


async def test_packets_count_on_and_the_marker_is_on_the_last_of_each_frame() -> None:
    wire = Wire()
    out = sending(wire)
    for number in range(3):
        await out.frame(OutgoingFrame([b"a", b"b", b"c"], number * 3600))
    assert [packet.marker for packet in wire.packets] == [0, 0, 1] * 3
    assert {(packet.ssrc, packet.payload_type) for packet in wire.packets} == {(42, 96)}
    assert all(b.sequence_number - a.sequence_number == 1 for a, b in pairwise(wire.packets))
    stamps = [packet.timestamp for packet in wire.packets[::3]]
    assert [(later - earlier) % 2**32 for earlier, later in pairwise(stamps)] == [3600, 3600]
    assert (out.sent.packets, out.sent.octets, out.sent.timestamp) == (9, 9, stamps[-1])


async def test_a_large_keyframe_leaves_in_bursts_that_a_socket_holds() -> None:
    wire = Wire()
    size = 300_000
    began = asyncio.get_running_loop().time()
    await sending(wire).frame(OutgoingFrame([bytes(1300)] * (size // 1300), 0))
    assert max(size for _, size in wire.bursts) <= BURST_BYTES + 1300
    took = wire.bursts[-1][0] - began
    assert took >= (size - 2 * BURST_BYTES) / BYTES_PER_SECOND
    assert [packet.marker for packet in wire.packets].count(1) == 1


async def test_a_lost_packet_is_sent_again_as_rtx_and_one_that_is_gone_is_not() -> None:
    wire = Wire()
    out = sending(wire)
    await out.frame(OutgoingFrame([b"first", b"second"], 9000))
    lost = wire.packets[1]
    out.again(lost.sequence_number)
    out.again((lost.sequence_number + 1) % 65536)
    assert len(wire.packets) == 3
    again = wire.packets[2]
    assert (again.ssrc, again.payload_type, again.timestamp, again.marker) == (77, 97, lost.timestamp, 1)
    assert again.payload == lost.sequence_number.to_bytes(2, "big") + b"second"


async def test_without_rtx_it_is_sent_again_as_it_was() -> None:
    wire = Wire()
    out = sending(wire, resent_as=None)
    await out.frame(OutgoingFrame([b"first"], 9000))
    out.again(wire.packets[0].sequence_number)
    assert wire.packets[1].serialize() == wire.packets[0].serialize()


async def test_a_viewer_that_asks_for_everything_again_and_again_does_not_get_it() -> None:
    wire = Wire()
    out = sending(wire)
    await out.frame(OutgoingFrame([b"x"] * 100, 0))
    for _ in range(50):
        for packet in wire.packets[:100]:
            out.again(packet.sequence_number)
    assert out.sent.resent <= 600
    assert len(wire.packets) == 100 + out.sent.resent


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    sender, receiver = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for one in (sender, receiver):
        one.bind(("127.0.0.1", 0))
    receiver.settimeout(30)
    yield sender, receiver
    sender.close()
    receiver.close()


def line_between(sender: socket.socket, receiver: socket.socket) -> SecureLine:
    policy = Policy(KEY, Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
    pair = SimpleNamespace(
        protocol=SimpleNamespace(transport=SimpleNamespace(get_extra_info=lambda _name: sender)),
        remote_addr=receiver.getsockname(),
    )
    ice = SimpleNamespace(_nominated={1: pair})
    transport = SimpleNamespace(
        _state=State.CONNECTED, transport=SimpleNamespace(_connection=ice), _tx_srtp=Session(policy)
    )
    return SecureLine(transport)  # type: ignore[arg-type]  # the parts of one that it uses


@pytest.mark.parametrize("offload", [True, False])
async def test_what_leaves_is_what_the_peer_reads_however_many_go_at_once(
    sockets: tuple[socket.socket, socket.socket], offload: bool
) -> None:
    line = line_between(*sockets)
    line._offload = offload
    out = RtpSending(line, RtpNumbers(42, 96), asyncio.get_running_loop().time)
    frames = [[b"parameters", *[os.urandom(1300)] * 20, b"rest"], [b"one"], [os.urandom(900)] * 3, [b"s", b"m", b"n"]]
    inward = Policy(KEY, Policy.SSRC_ANY_INBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
    session = Session(inward)
    for frame in frames:
        await out.frame(OutgoingFrame(frame, 0))
        read = [RtpPacket.parse(session.unprotect(sockets[1].recv(2048))) for _ in frame]
        assert [packet.payload for packet in read] == frame
    assert out.sent.lost == 0
    line.close()


async def test_a_line_that_is_over_says_so(sockets: tuple[socket.socket, socket.socket]) -> None:
    line = line_between(*sockets)
    line._transport = SimpleNamespace(_state=State.CLOSED)  # type: ignore[assignment]  # what it looks at
    with pytest.raises(ConnectionError):
        line.send([(b"h" * 12, b"p")])
    out = RtpSending(line, RtpNumbers(42, 96), asyncio.get_running_loop().time)
    assert out.room_for(1)
    out.frame_now([b"p"], 0)
    assert not out.room_for(1), "whoever waits for the next frame hears of it then"


async def test_a_line_whose_socket_cannot_be_had_is_over_and_the_source_that_publishes_hears_nothing_of_it(
    sockets: tuple[socket.socket, socket.socket],
) -> None:
    """Closed, or no file descriptor is left: the error went on to the camera's connection and ended it for all."""
    line = line_between(*sockets)
    out = RtpSending(line, RtpNumbers(42, 96), asyncio.get_running_loop().time)
    sockets[0].close()
    assert out.room_for(1)
    out.frame_now([b"p"], 0)
    assert not out.room_for(1)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await out.frame(OutgoingFrame([b"p"], 0))


async def test_what_leaves_at_once_is_counted_on_and_paced_with_the_rest() -> None:
    wire, told = Wire(), []
    clock = asyncio.get_running_loop().time
    out = RtpSending(wire, RtpNumbers(42, 96, b"", (77, 97)), clock, lambda sent: told.append(sent.packets))
    await out.frame(OutgoingFrame([b"a", b"b"], 0))
    assert out.room_for(2)
    out.frame_now([b"c", b"d"], 3600)
    assert [packet.marker for packet in wire.packets] == [0, 1, 0, 1]
    assert all(b.sequence_number - a.sequence_number == 1 for a, b in pairwise(wire.packets))
    assert wire.packets[2].timestamp - wire.packets[1].timestamp in (3600, 3600 - 2**32)
    out.again(wire.packets[3].sequence_number)
    assert wire.packets[-1].payload[2:] == b"d"
    assert not out.room_for(BURST_BYTES), "a large one is sent in bursts"
    assert out.room_for(BURST_BYTES - 100)
    assert not out.room_for(BURST_BYTES - 100), "the pace is one for both ways"
    assert told == [2]
