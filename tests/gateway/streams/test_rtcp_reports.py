"""A camera learns from receiver reports how its packets reach us: what was lost, how unevenly the rest came."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtcpPacket, RtcpReceiverInfo, RtcpRrPacket
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.rtcp_reports import REPORT_EVERY, Jitter, ReceiverReports, SenderReport
from gateway.streams.rtp_packet import Arrivals

RATE = 90_000


def told(reports: ReceiverReports, now: float) -> RtcpReceiverInfo:
    packet = reports.due(now)
    assert packet is not None
    receiver, _names = RtcpPacket.parse(packet)
    assert isinstance(receiver, RtcpRrPacket)
    return receiver.reports[0]


def test_packets_that_come_as_evenly_as_they_were_sent_have_no_jitter_whatever_the_clocks_say() -> None:
    jitter = Jitter(RATE)
    for number in range(100):
        jitter.came(1, (0xFFFF_FF00 + number * 3600) & 0xFFFF_FFFF, 1_000_000.0 + number * 0.04)
    assert jitter.ticks == 0


def test_the_jitter_is_that_of_the_rfc() -> None:
    jitter, expected = Jitter(RATE), 0.0
    late = [0.0, 0.003, 0.001, 0.02, 0.0, 0.007] * 20
    for number, by in enumerate(late):
        jitter.came(1, number * 3600, 5.0 + number * 0.04 + by)
        if number:  # RFC 3550, 6.4.1: J(i) = J(i-1) + (|D(i-1,i)| - J(i-1)) / 16
            expected += (abs(by - late[number - 1]) * RATE - expected) / 16
    assert jitter.ticks == pytest.approx(expected, abs=2)
    jitter.came(2, 7, 20.0)
    assert jitter.ticks == 0, "another source"


def test_a_report_tells_what_is_missing_and_when_the_senders_own_came() -> None:
    arrivals, heard = Arrivals(), [SenderReport(9, 0x1234_5678, 3.0)]
    reports = ReceiverReports(arrivals, lambda: heard[-1], own=77, begun=0.0)
    assert reports.due(REPORT_EVERY) is None, "nothing came yet"
    for sequence in (65_534, 65_535, 65_536, 65_539):
        arrivals.came(sequence & 0xFFFF, 9)
    info = told(reports, 2 * REPORT_EVERY)
    assert (info.ssrc, info.packets_lost, info.fraction_lost) == (9, 2, 2 * 256 // 6)
    assert info.highest_sequence == 65_539, "the wraps are in the upper half"
    assert (info.lsr, info.dlsr) == (0x1234_5678, 7 * 65_536)
    assert reports.due(2 * REPORT_EVERY + 1) is None
    arrivals.came(4, 9)
    heard.append(SenderReport(8, 1, 3.0))
    info = told(reports, 3 * REPORT_EVERY)
    assert (info.packets_lost, info.fraction_lost) == (2, 0), "of late nothing was lost, in all two were"
    assert (info.lsr, info.dlsr) == (0, 0), "that of another source says nothing"


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 3), st.integers(0, 0xFFFF_FFFF), st.floats(0, 1e6))),
    st.floats(-1e9, 1e9),
)
def test_whatever_comes_a_report_can_be_written(came: list[tuple[int, int, int, float]], heard_at: float) -> None:
    arrivals, jitter = Arrivals(), Jitter(RATE)
    heard = SenderReport(1, 0xFFFF_FFFF, heard_at)
    reports = ReceiverReports(arrivals, lambda: heard, own=1, begun=0.0, jitter=jitter)
    for number, (sequence, source, timestamp, at) in enumerate(came, 1):
        arrivals.came(sequence, source)
        jitter.came(source, timestamp, at)
        packet = reports.due(number * REPORT_EVERY)
        assert packet is None or len(RtcpPacket.parse(packet)) == 2
