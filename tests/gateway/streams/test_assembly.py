"""What comes out can be shown: whole pictures, keyframes with their parameter sets, nothing behind a loss."""

from __future__ import annotations

import pytest

from gateway.streams.assembly import AccessUnit, Assembler, CodecChanged
from gateway.streams.nal import ParameterSets, annexb
from gateway.streams.pictures import Picture

SPS, PPS, SEI, AUD = b"\x67\x42\x00\x1f", b"\x68\xce\x3c", b"\x06\x05\x01\x00\x80", b"\x09\xf0"
IDR_1, IDR_2, P_1, P_2 = b"\x65\x88\x01", b"\x65\x48\x02", b"\x41\x9a\x03", b"\x41\x4a\x04"
RECOVERY = b"\x06\x01\x01\x00\x06\x01\xc4\x80"
NOTHING = ParameterSets("h264", ())
OF_SDP = ParameterSets("h264", (SPS, PPS))


def taken(assembler: Assembler, *pictures: list[bytes]) -> list[AccessUnit]:
    made = (assembler.take(Picture(units, at, whole=True, after_loss=False)) for at, units in enumerate(pictures))
    return [unit for unit in made if unit is not None]


def test_parameter_sets_of_the_sdp_are_put_before_each_keyframe() -> None:
    done = taken(Assembler("h264", OF_SDP), [IDR_1], [P_1], [IDR_1], [P_1])
    assert [unit.data for unit in done] == [annexb([SPS, PPS, IDR_1]), annexb([P_1])] * 2
    assert [unit.keyframe for unit in done] == [True, False] * 2


def test_nothing_comes_before_a_keyframe_that_can_be_decoded() -> None:
    assembler = Assembler("h264", NOTHING)
    done = taken(assembler, [P_1], [IDR_1], [P_1], [SPS, PPS, IDR_1], [P_1])
    assert [unit.data for unit in done] == [annexb([SPS, PPS, IDR_1]), annexb([P_1])]
    assert assembler.drops == 0, "what came before the first picture was not lost"


def test_parameter_sets_repeated_before_each_slice_stand_once_in_front() -> None:
    done = taken(Assembler("h264", NOTHING), [AUD, SEI, SPS, PPS, IDR_1, SPS, PPS, IDR_2], [P_1, P_2])
    assert [unit.data for unit in done] == [annexb([AUD, SPS, PPS, SEI, IDR_1, IDR_2]), annexb([P_1, P_2])]


def test_a_damaged_picture_takes_all_that_follow_along_up_to_the_next_keyframe() -> None:
    assembler = Assembler("h264", OF_SDP)
    assert len(taken(assembler, [IDR_1], [P_1])) == 2
    assert assembler.take(Picture([P_1], 2, whole=False, after_loss=True)) is None
    assert taken(assembler, [P_1], [P_1]) == []
    assert (assembler.drops, assembler.waiting) == (3, True)
    assert [unit.keyframe for unit in taken(assembler, [IDR_1], [P_1])] == [True, False]


def test_a_whole_keyframe_right_behind_a_loss_is_shown() -> None:
    assembler = Assembler("h264", OF_SDP)
    taken(assembler, [IDR_1], [P_1])
    assert assembler.take(Picture([IDR_1], 5, whole=True, after_loss=True)) is not None
    assert assembler.take(Picture([P_1], 9, whole=True, after_loss=True)) is None


def test_what_stands_before_a_picture_goes_with_it() -> None:
    done = taken(Assembler("h264", NOTHING), [AUD, b"\x67\x80"], [SPS, PPS, IDR_1], [AUD, b"\x06\x80"], [P_1])
    assert done[0].data == annexb([AUD, b"\x67\x80", SPS, PPS, IDR_1])
    assert done[1].data == annexb([AUD, b"\x06\x80", P_1])


def test_new_parameters_are_those_of_the_next_keyframe() -> None:
    other = b"\x67\x64\x00\x28"
    done = taken(Assembler("h264", OF_SDP), [IDR_1], [P_1], [other, PPS, IDR_1], [P_1])
    assert [unit.parameters.units[0] for unit in done] == [SPS, SPS, other, other]


def test_a_recovery_point_is_a_keyframe() -> None:
    done = taken(Assembler("h264", OF_SDP), [SEI, P_1], [RECOVERY, P_1], [P_1])
    assert [unit.keyframe for unit in done] == [True, False]


def test_parameter_sets_of_the_other_codec_say_that_it_changed() -> None:
    with pytest.raises(CodecChanged):
        taken(Assembler("h264", OF_SDP), [IDR_1], [b"\x40\x01\x0c", b"\x26\x01\xaf"])
