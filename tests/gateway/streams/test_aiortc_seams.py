"""The private names of aiortc that the gateway leans on are where they were; a release that moves one fails here."""

from __future__ import annotations

import asyncio
import inspect

import aiortc
import aiortc.rtcrtpreceiver
import pytest
from aiortc import RTCPeerConnection
from aiortc.rtp import (
    RTCP_PSFB_APP,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtpPacket,
    pack_remb_fci,
)

from gateway.refusals import Refusal
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams


def test_the_release_is_the_one_the_seams_were_read_from() -> None:
    assert aiortc.__version__.startswith(seams.AIORTC)


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in seams.SEAMS.items() for name in names])
def test_every_private_name_is_where_it_was(owner: object, name: str) -> None:
    assert hasattr(owner, name)


async def test_a_sender_has_the_private_parts_that_ours_fills_in() -> None:
    connection = seams.new_connection()
    sender = connection.addTransceiver("video", direction="sendonly").sender
    for name in seams.SENDER_SEAMS:
        assert hasattr(sender, f"_RTCRtpSender__{name}"), name
    assert "self._run_rtp(parameters.codecs[0])" in inspect.getsource(aiortc.RTCRtpSender.send)
    heard = inspect.getsource(aiortc.RTCRtpSender._handle_rtcp_packet)
    assert "self._send_keyframe()" in heard
    assert "await self._retransmit(seq)" in heard
    reports = inspect.getsource(aiortc.RTCRtpSender._run_rtcp)
    assert all(f"self.__{name}" in reports for name in seams.SENDER_SEAMS[-4:])
    await connection.close()


async def test_the_receiver_hands_packets_to_the_tap_and_sends_the_pli_it_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = seams.new_connection()
    receiver = connection.addTransceiver("video", direction="recvonly").receiver
    taken: list[seams.IncomingPacket] = []
    asked: list[int] = []

    async def pli(ssrc: int) -> None:
        asked.append(ssrc)

    monkeypatch.setattr(receiver, "_send_rtcp_pli", pli)
    codec = aiortc.codecs.CODECS["video"][-2]
    receiver._RTCRtpReceiver__codecs[codec.payloadType] = codec  # type: ignore[attr-defined]  # what receive() does
    seams.receive_encoded(receiver, lambda packet: not taken.append(packet))  # type: ignore[func-returns-value]
    packet = RtpPacket(codec.payloadType, 1, 7, 9000, 42, b"\x65abc")
    await receiver._handle_rtp_packet(packet, 0)
    assert taken == [seams.IncomingPacket(7, 9000, 42, True, b"\x00\x00\x00\x01\x65abc")]
    assert asked == [42]
    await connection.close()


async def test_a_sender_hears_what_its_receiver_loses_and_says_it_can_take(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = seams.new_connection()
    sender = connection.addTransceiver("video", direction="sendonly").sender
    heard: list[seams.Feedback] = []

    async def nothing() -> None:
        return None

    seams.send_encoded(sender, nothing, on_feedback=heard.append)
    now = 100.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)

    def report(lost: int, highest: int) -> RtcpRrPacket:
        """Of a few packets only: the share lost since the report before says little."""
        told = RtcpReceiverInfo(
            sender._ssrc, fraction_lost=255, packets_lost=lost, highest_sequence=highest, jitter=0, lsr=0, dlsr=0
        )
        return RtcpRrPacket(ssrc=1, reports=[told])

    def estimate(fci: bytes) -> RtcpPsfbPacket:
        return RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=1, media_ssrc=0, fci=fci)

    for lost, highest in ((0, 1000), (9, 1010), (50, 1200)):
        await sender._handle_rtcp_packet(report(lost, highest))
        now += 0.6
    await sender._handle_rtcp_packet(estimate(pack_remb_fci(500_000, [sender._ssrc])))
    await sender._handle_rtcp_packet(estimate(pack_remb_fci(500_000, [7])))
    await sender._handle_rtcp_packet(estimate(b"REMB\xff\x00\x00\x01short"))
    assert heard == [seams.Feedback(loss=0.25), seams.Feedback(takes=500_000, sent=0.0)]
    monkeypatch.undo()
    await connection.close()


async def _offered(connection: RTCPeerConnection) -> str:
    connection.addTransceiver("video", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    return connection.localDescription.sdp


async def _answered(network: WebRtcSettings, offer: str) -> RTCPeerConnection:
    connection = seams.new_connection()
    await connection.setRemoteDescription(aiortc.RTCSessionDescription(offer, "offer"))
    seams.bind_addresses(connection, network)
    await connection.setLocalDescription(await connection.createAnswer())
    return connection


async def test_addresses_and_ports_of_the_settings_are_offered_and_a_full_range_is_refused() -> None:
    asker = seams.new_connection()
    offer = await _offered(asker)
    taken, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    port = taken.get_extra_info("sockname")[1]
    network = WebRtcSettings(addresses=("127.0.0.1",), port_from=port, port_to=port)
    with pytest.raises(Refusal, match="webrtc_no_port"):
        await _answered(network, offer)
    taken.close()
    await asyncio.sleep(0)
    answered = await _answered(network, offer)
    candidates = [line for line in answered.localDescription.sdp.splitlines() if line.startswith("a=candidate")]
    assert len(candidates) == 1
    assert f"127.0.0.1 {port} typ host" in candidates[0]
    await asyncio.gather(asker.close(), answered.close())
