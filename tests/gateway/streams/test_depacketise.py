"""Units and pictures from RTP payloads: of both codecs, in all forms that cameras send, whole or said to be damaged."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.assembly import Assembler, CodecChanged
from gateway.streams.depacketise import Depacketiser, PacketisationUnsupported
from gateway.streams.frame import VideoCodec
from gateway.streams.nal import ParameterSets
from gateway.streams.pictures import Picture, Pictures
from gateway.streams.rtp_packet import Arrivals, read_packet
from gateway.virtual.scripted_camera import payloads

SPS, PPS, SEI = b"\x67\x42\x00\x1f", b"\x68\xce\x3c", b"\x06\x05\x01\x00\x80"
IDR_1, IDR_2, P_1, P_2 = b"\x65\x88\x01", b"\x65\x48\x02", b"\x41\x9a\x03", b"\x41\x4a\x04"
VPS_5, SPS_5, PPS_5 = b"\x40\x01\x0c\x01", b"\x42\x01\x01\x01", b"\x44\x01\xc1\x72"
IDR_5, P_5 = b"\x26\x01\xaf\x09", b"\x02\x01\xd0\x08"


def units(payload: bytes, codec: VideoCodec = "h264", *, numbered: bool = False) -> list[bytes]:
    return Depacketiser(codec, decoding_order_numbers=numbered).take(memoryview(payload), 0, len(payload))


def fragmented(codec: VideoCodec, unit: bytes) -> list[bytes]:
    made = list(payloads(codec, b"\0\0\1" + unit))
    assert len(made) > 1
    return made


class Sender:
    """A camera's packets, one after another; ``lose`` leaves one out."""

    def __init__(self, codec: VideoCodec = "h264") -> None:
        self.pictures = Pictures(codec, Depacketiser(codec))
        self.arrivals = Arrivals()
        self.sequence = 65_530

    def lose(self) -> None:
        self.sequence += 1

    def send(self, payload: bytes, time: int, *, marker: bool = False) -> list[Picture]:
        data = struct.pack("!BBHII", 0x80, 96 | marker << 7, self.sequence & 0xFFFF, time, 1) + payload
        self.sequence += 1
        packet = read_packet(memoryview(data), 0, len(data))
        assert packet is not None
        lost = self.arrivals.came(packet.sequence, packet.source)
        assert lost is not None
        return self.pictures.take(memoryview(data), packet, lost)

    def send_all(self, *packets: tuple[bytes, int, bool]) -> list[Picture]:
        return [done for payload, time, marker in packets for done in self.send(payload, time, marker=marker)]


def test_an_h264_payload_is_a_unit_or_several() -> None:
    assert units(P_1) == [P_1]
    assert units(b"\x78" + b"".join(struct.pack("!H", len(one)) + one for one in (SPS, PPS, IDR_1))) == [
        SPS,
        PPS,
        IDR_1,
    ]
    assert units(SPS + b"\0\0\0\1" + PPS) == [SPS, PPS], "start codes where none should be"
    assert units(b"\0\0\0\1" + SPS + b"\0\0\1" + PPS) == [SPS, PPS]
    assert units(b"\x0c" + b"\xff" * 100) == [], "filler"


@pytest.mark.parametrize(("codec", "first"), [("h264", b"\x65\x88"), ("hevc", b"\x26\x01\x80")])
def test_fragments_come_together(codec: VideoCodec, first: bytes) -> None:
    unit = first + bytes(range(256)) * 20
    depacketiser = Depacketiser(codec)
    parts = fragmented(codec, unit)
    made = [done for part in parts for done in depacketiser.take(memoryview(part), 0, len(part))]
    assert made == [unit]
    assert not depacketiser.damaged
    for part in parts[1:]:
        assert depacketiser.take(memoryview(part), 0, len(part)) == []
    assert depacketiser.damaged, "its beginning is missing"


def test_an_h265_payload_is_a_unit_or_several_with_their_numbers_or_without() -> None:
    sets = (VPS_5, SPS_5, PPS_5)
    assert units(IDR_5, "hevc") == [IDR_5]
    assert units(b"\x60\x01" + b"".join(struct.pack("!H", len(one)) + one for one in sets), "hevc") == [*sets]
    assert units(IDR_5[:2] + b"\0\7" + IDR_5[2:], "hevc", numbered=True) == [IDR_5]
    first, *rest = sets
    numbered = b"\x60\x01\0\7" + struct.pack("!H", len(first)) + first
    numbered += b"".join(b"\0" + struct.pack("!H", len(one)) + one for one in rest)
    assert units(numbered, "hevc", numbered=True) == [*sets]


@pytest.mark.parametrize(
    ("codec", "payload"), [("h264", b"\x79\0\0\0\0"), ("h264", b"\x7d\x85aa"), ("hevc", b"\x64\1aa")]
)
def test_packets_of_a_kind_that_is_not_understood_are_said(codec: VideoCodec, payload: bytes) -> None:
    with pytest.raises(PacketisationUnsupported):
        units(payload, codec)


def test_h265_units_are_taken_as_numbered_and_refused_where_another_order_would_be_needed() -> None:
    def numbered(number: int, kind: str) -> bytes:
        don = struct.pack("!H", number & 0xFFFF)
        match kind:
            case "single":
                return P_5[:2] + don + P_5[2:]
            case "fragment":
                return b"\x62\x01\x81" + don + P_5[2:]
        return b"\x60\x01" + don + struct.pack("!H", len(P_5)) + P_5

    for kind in ("single", "fragment", "aggregate"):
        depacketiser = Depacketiser("hevc", decoding_order_numbers=True)
        for number in (65_530, 65_535, 65_536, 65_536, 70_000):
            payload = memoryview(numbered(number, kind))
            assert depacketiser.take(payload, 0, len(payload)) + depacketiser.flush() == [P_5]
        back = memoryview(numbered(69_999, kind))
        with pytest.raises(PacketisationUnsupported):
            depacketiser.take(back, 0, len(back))
        depacketiser.lost()
        depacketiser.take(back, 0, len(back))


def film(sender: Sender, *, markers: bool, groups: int = 3) -> list[Picture]:
    done = []
    for number in range(groups * 3):
        slices = [SPS, PPS, IDR_1, IDR_2] if number % 3 == 0 else [P_1, P_2]
        done += sender.send_all(*((one, number * 3600, markers and one is slices[-1]) for one in slices))
    return done


@pytest.mark.parametrize("markers", [True, False])
def test_pictures_of_several_slices_come_out_whole_with_the_marker_and_without(markers: bool) -> None:
    done = film(Sender(), markers=markers)
    assert [len(picture.units) for picture in done[:6]] == [4, 2, 2] * 2
    assert all(picture.whole and not picture.after_loss for picture in done)
    assert len(done) == (9 if markers else 8), "a marker that told the truth is believed, else the next picture tells"


def test_a_marker_at_every_slice_is_not_believed_for_long() -> None:
    sender = Sender()
    film(sender, markers=True)
    assert len(sender.send_all((IDR_1, 90_000, True), (IDR_2, 90_000, True))) == 1
    done = sender.send_all((P_1, 93_600, True), (P_2, 93_600, True), (P_1, 97_200, True))
    assert [picture.whole for picture in done] == [False, True], "the rest of the keyframe, then whole pictures"
    assert done[1].units == [P_1, P_2]


def test_a_clock_that_stands_still_does_not_glue_pictures_together() -> None:
    done = Sender().send_all(*((unit, 0, last) for _ in range(4) for unit, last in ((P_1, False), (P_2, True))))
    assert [picture.units for picture in done] == [[P_1, P_2]] * 3
    done = Sender().send_all(*((unit, 0, False) for _ in range(4) for unit in (P_1, P_2)))
    assert [picture.units for picture in done] == [[P_1, P_2]] * 3


def test_what_a_loss_reaches_is_said_to_be_damaged_and_nothing_else() -> None:
    sender = Sender()
    film(sender, markers=True)
    sender.send(P_1, 90_000)
    sender.lose()
    done = sender.send_all((P_2, 93_600, True), (P_1, 97_200, False), (P_2, 97_200, True))
    assert [(picture.whole, picture.after_loss) for picture in done] == [(False, False), (False, True), (True, True)]
    sender.lose()
    done = sender.send_all((IDR_1, 100_800, True))
    assert [(picture.whole, picture.after_loss) for picture in done] == [(True, True)], "the loss was before it"


def test_a_picture_without_an_end_is_given_up() -> None:
    sender = Sender()
    sender.send(b"\x7c\x85" + b"\xaa" * 1000, 0)
    for _ in range(18_000):
        assert sender.send(b"\x7c\x05" + b"\xaa" * 1000, 0) == []
    done = sender.send_all((P_1, 3600, True), (P_1, 7200, True))
    assert [picture.whole for picture in done] == [False, True]


@given(
    st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 3), st.booleans(), st.booleans()), max_size=60),
    st.sampled_from(["h264", "hevc"]),
    st.booleans(),
)
def test_whatever_comes_nothing_breaks(
    sent: list[tuple[bytes, int, bool, bool]], codec: VideoCodec, numbered: bool
) -> None:
    pictures = Pictures(codec, Depacketiser(codec, decoding_order_numbers=numbered))
    assembler = Assembler(codec, ParameterSets(codec, ()))
    with contextlib.suppress(PacketisationUnsupported, CodecChanged):
        for sequence, (payload, time, marker, lost) in enumerate(sent):
            data = memoryview(struct.pack("!BBHII", 0x80, 96 | marker << 7, sequence, time, 1) + payload)
            packet = read_packet(data, 0, len(data))
            assert packet is not None
            for picture in pictures.take(data, packet, int(lost)):
                assembler.take(picture)


def test_what_is_missing_between_packets_is_counted_over_the_wrap_and_in_another_source() -> None:
    arrivals = Arrivals()
    came = [
        arrivals.came(sequence & 0xFFFF, 1) for sequence in (65_534, 65_535, 65_536, 65_538, 65_537, 65_538, 65_539)
    ]
    assert came == [0, 0, 0, 1, None, None, 0]
    assert (arrivals.expected, arrivals.received_of_source, arrivals.lost) == (6, 5, 1)
    assert arrivals.came(9, 2) == 1, "nobody knows how many"
    assert arrivals.came(60_000, 2) == 1, "begun anew without saying so"
    assert arrivals.came(60_001, 2) == 0


@given(st.binary(max_size=80))
def test_whatever_is_said_to_be_rtp_is_read_within_its_bounds(data: bytes) -> None:
    packet = read_packet(memoryview(data), 0, len(data))
    assert packet is None or 12 <= packet.begin <= packet.end <= len(data)
