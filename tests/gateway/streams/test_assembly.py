"""Pictures come out whole, once, keyframes with their parameter sets, however the demuxer cuts them."""

from __future__ import annotations

from gateway.streams.assembly import AccessUnit, Assembler, Piece
from gateway.streams.nal import ParameterSets, annexb, begins_picture, is_slice

SPS, PPS, SEI, AUD = b"\x67\x42\x00\x1f", b"\x68\xce\x3c", b"\x06\x05\x01", b"\x09\xf0"
IDR_1, IDR_2, P_1, P_2 = b"\x65\x88\x01", b"\x65\x48\x02", b"\x41\x9a\x03", b"\x41\x4a\x04"
NOTHING = ParameterSets("h264", ())
OF_SDP = ParameterSets("h264", (SPS, PPS))


def taken(assembler: Assembler, *pieces: list[bytes], start: int = 0) -> list[AccessUnit]:
    """What comes out; only the first piece of a picture has a time, as FFmpeg's parser gives it."""
    done = []
    for number, units in enumerate(pieces, start):
        first = next((begins_picture("h264", unit) for unit in units if is_slice("h264", unit)), False)
        piece = Piece(annexb(units), number if first else None, None, float(number))
        done += assembler.take(piece, marked_keyframe=False)
    return done


def test_parameter_sets_of_the_sdp_are_put_before_each_keyframe() -> None:
    done = taken(Assembler("h264", OF_SDP), [IDR_1], [P_1], [IDR_1], [P_1])
    assert [unit.data for unit in done] == [annexb([SPS, PPS, IDR_1]), annexb([P_1])] * 2
    assert [unit.keyframe for unit in done] == [True, False] * 2


def test_nothing_comes_before_a_keyframe_that_can_be_decoded() -> None:
    done = taken(Assembler("h264", NOTHING), [P_1], [IDR_1], [P_1], [SPS, PPS, IDR_1], [P_1])
    assert [unit.data for unit in done] == [annexb([SPS, PPS, IDR_1]), annexb([P_1])]


def test_a_keyframe_cut_by_repeated_parameter_sets_comes_out_as_one() -> None:
    cut = ([SEI, SPS, PPS, IDR_1], [SPS, PPS, IDR_2], [P_1, P_2])
    done = taken(Assembler("h264", NOTHING), *cut, *cut, *cut)
    assert [unit.data for unit in done] == [annexb([SPS, PPS, SEI, IDR_1, IDR_2]), annexb([P_1, P_2])] * 3
    assert [unit.pts for unit in done] == [0, 2, 3, 5, 6, 8]
    assert not any(unit.gap for unit in done)


def test_after_two_whole_keyframes_nothing_is_held_back() -> None:
    assembler = Assembler("h264", OF_SDP)
    assert taken(assembler, [IDR_1]) == []
    assert len(taken(assembler, [P_1], [IDR_1], [P_1])) == 4
    assert len(taken(assembler, [IDR_1])) == 1


def test_a_stream_that_begins_to_cut_its_pictures_goes_on_at_a_keyframe_and_says_so() -> None:
    assembler = Assembler("h264", OF_SDP)
    taken(assembler, [IDR_1], [P_1], [IDR_1], [P_1], [IDR_1])
    assert taken(assembler, [IDR_2], [P_1, P_2]) == []
    done = taken(assembler, [IDR_1], [IDR_2], [P_1], [P_1])
    assert [unit.gap for unit in done] == [True, False, False]
    assert done[0].data == annexb([SPS, PPS, IDR_1, IDR_2])
    assert taken(assembler, [P_2], [P_1]) == []
    done = taken(assembler, [IDR_1], [P_1], [P_2], [P_1])
    assert [unit.data for unit in done] == [annexb([SPS, PPS, IDR_1]), annexb([P_1, P_2])]


def test_what_stands_before_a_picture_goes_with_it() -> None:
    done = taken(Assembler("h264", NOTHING), [AUD, b"\x67\x80"], [SPS, PPS, IDR_1], [AUD, b"\x06\x80"], [P_1])
    assert done[0].data == annexb([AUD, b"\x67\x80", SPS, PPS, IDR_1])
    assert done[1].data == annexb([AUD, b"\x06\x80", P_1])


def test_new_parameters_are_those_of_the_next_keyframe() -> None:
    other = b"\x67\x64\x00\x28"
    done = taken(Assembler("h264", OF_SDP), [IDR_1], [P_1], [other, PPS, IDR_1], [P_1])
    assert [unit.parameters.units[0] for unit in done] == [SPS, SPS, other, other]


def test_ffmpegs_mark_of_a_recovery_point_is_taken_for_a_keyframe() -> None:
    assembler = Assembler("h264", OF_SDP)
    assembler.take(Piece(annexb([SEI, P_1]), 0, 0, 0.0), marked_keyframe=True)
    done = taken(assembler, [P_1], start=1)
    assert [unit.keyframe for unit in done] == [True, False]
