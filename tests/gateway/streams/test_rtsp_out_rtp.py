"""RTP and RTCP as another implementation (aiortc's) reads them; what a reader is told before it plays."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpSdesPacket, RtcpSrPacket, RtpPacket

from gateway.streams.frame import AudioFormat, EncodedFrame
from gateway.streams.nal import nal_units
from gateway.streams.rtsp_out_rtp import NTP_EPOCH, RtpStream, RtpTimeline
from gateway.streams.rtsp_out_sdp import describe, parameters_of


def frame(
    pts: int = 0, *, arrival: float = 1000.0, epoch: int = 0, offset: int = 0, rate: int = 90_000
) -> EncodedFrame:
    return EncodedFrame("video", "h264", b"", pts, rate, arrival, False, epoch, composition_offset=offset)


def test_packets_of_a_frame_share_a_time_and_the_last_is_marked() -> None:
    stream = RtpStream(7, 0xFFFE, 0xFFFFFFFF)
    made = stream.packets(frame(5000), [b"a", b"bb", b"ccc"]) + stream.packets(frame(8600), [b"d"])
    packets = [RtpPacket.parse(header + payload) for header, payload in made]
    assert [packet.payload for packet in packets] == [b"a", b"bb", b"ccc", b"d"]
    assert [packet.sequence_number for packet in packets] == [0xFFFE, 0xFFFF, 0, 1]
    assert [packet.marker for packet in packets] == [0, 0, 1, 1]
    assert [packet.timestamp for packet in packets] == [0xFFFFFFFF] * 3 + [3599]
    assert {(packet.ssrc, packet.payload_type) for packet in packets} == {(7, 96)}


def test_reports_tie_the_times_of_the_stream_to_the_time_of_day() -> None:
    stream = RtpStream(7, 0, 90_000)
    assert stream.report(1000.0) == b""
    stream.packets(frame(0, arrival=1000.0), [b"a" * 10, b"b" * 5])
    report, description = RtcpPacket.parse(stream.report(1002.5))
    assert isinstance(report, RtcpSrPacket)
    assert isinstance(description, RtcpSdesPacket)
    assert report.sender_info.ntp_timestamp == (NTP_EPOCH + 1002 << 32) + (1 << 31)
    assert report.sender_info.rtp_timestamp == 90_000 + 225_000
    assert (report.sender_info.packet_count, report.sender_info.octet_count) == (2, 15)
    assert description.chunks[0].items == [(1, b"gateway")]


def test_the_end_is_said() -> None:
    bye = RtcpPacket.parse(RtpStream(7, 0, 0).goodbye())[-1]
    assert isinstance(bye, RtcpByePacket)
    assert bye.sources == [7]


def test_times_are_the_sources_own_to_the_tick() -> None:
    timeline = RtpTimeline(100)
    assert [timeline.of(frame(pts)) for pts in (70_000, 73_600, 77_200)] == [100, 3700, 7300]
    assert RtpTimeline(0).of(frame(48_000, rate=48_000)) == 0


def test_a_frame_that_is_shown_later_than_decoded_has_the_time_at_which_it_is_shown() -> None:
    timeline = RtpTimeline(0)
    shown = [timeline.of(frame(pts, offset=offset)) for pts, offset in ((0, 0), (3600, 7200), (7200, 0), (10800, 0))]
    assert shown == [0, 10800, 7200, 10800]


def test_after_a_source_began_anew_the_time_that_passed_is_counted() -> None:
    timeline = RtpTimeline(0)
    timeline.of(frame(1_000_000, arrival=1000.0))
    assert timeline.of(frame(50, arrival=1003.0, epoch=1)) == 270_000
    assert timeline.of(frame(3650, arrival=1003.04, epoch=1)) == 273_600
    assert timeline.of(frame(7, arrival=900.0, epoch=2)) == 273_601, "a clock that was set back does not turn it back"


def test_the_past_is_drawn_together_and_what_is_live_keeps_its_times() -> None:
    timeline = RtpTimeline(0, live_from=1000.0)
    past = [timeline.of(frame(number * 3600, arrival=999.0)) for number in range(50)]
    assert past == [number * 36 for number in range(50)]
    live = [timeline.of(frame(number * 3600, arrival=1000.0 + number / 25)) for number in range(50, 53)]
    assert live == [past[-1] + 3600, past[-1] + 7200, past[-1] + 10_800]
    reordered = RtpTimeline(0, live_from=1000.0)
    shown = [reordered.of(frame(pts, arrival=1.0, offset=late)) for pts, late in ((0, 0), (3600, 7200), (7200, 0))]
    assert shown == [0, 108, 72]


def test_a_reader_is_told_the_parameter_sets(film: list[EncodedFrame]) -> None:
    text = describe(parameters_of(film[0]), 1, "127.0.0.1").decode()
    assert text.startswith("v=0\r\n")
    assert "o=- 1 1 IN IP4 127.0.0.1\r\n" in text
    assert "a=rtpmap:96 H264/90000\r\n" in text
    sps, pps = (b64decode(part) for part in text.split("sprop-parameter-sets=")[1].split("\r\n")[0].split(","))
    assert (sps, pps) == tuple(unit for unit in nal_units(film[0].data) if unit[0] & 0x1F in (7, 8))
    assert f"profile-level-id={sps[1:4].hex().upper()}" in text


@pytest.mark.parametrize(
    ("audio", "media", "mapped"),
    [
        (AudioFormat("pcm_alaw", 8000, 1), "m=audio 0 RTP/AVP 8", "a=rtpmap:8 PCMA/8000"),
        (AudioFormat("pcm_mulaw", 8000, 1), "m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000"),
        (AudioFormat("opus", 48_000, 1), "m=audio 0 RTP/AVP 98", "a=rtpmap:98 opus/48000/2"),
        (AudioFormat("aac", 16_000, 1, b"\x14\x08"), "m=audio 0 RTP/AVP 97", "a=rtpmap:97 mpeg4-generic/16000/1"),
    ],
)
def test_a_reader_is_told_of_the_sound(film: list[EncodedFrame], audio: AudioFormat, media: str, mapped: str) -> None:
    text = describe(parameters_of(film[0]), 1, "127.0.0.1", audio).decode()
    assert f"{media}\r\n{mapped}\r\n" in text
    assert text.endswith("a=control:audio\r\n")
    assert ("config=1408" in text) == (audio.codec == "aac")


def test_the_same_for_h265(h265_film: list[EncodedFrame]) -> None:
    parameters = parameters_of(h265_film[0])
    assert parameters.complete
    text = describe(parameters, 1, "::1").decode()
    assert "IN IP6 ::1" in text
    assert "a=rtpmap:96 H265/90000\r\n" in text
    assert all(f"sprop-{name}=" in text for name in ("vps", "sps", "pps"))
    assert not parameters_of(replace(h265_film[1])).complete
