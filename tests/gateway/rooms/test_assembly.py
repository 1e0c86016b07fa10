"""Packets become frames by the marker bit; a loss ends in a keyframe, never in a damaged picture."""

from __future__ import annotations

import random

from gateway.rooms.assembly import GAP_WAIT, VP8, AssembledFrame, SoundAssembly, Unwrapped, VideoAssembly
from gateway.streams.aiortc_seams import IncomingPacket

SPS = b"\x00\x00\x00\x01\x67\x42\xe0\x1f"
IDR = b"\x00\x00\x00\x01\x65\xb8"
DELTA = b"\x00\x00\x00\x01\x41\x9a"
TICKS = 3000
FIRST = 65_530
"""The sequence number wraps within each film."""


def packets(frames: int, *, keyframes: tuple[int, ...] = (0,)) -> list[IncomingPacket]:
    """Three packets a frame."""
    made = []
    for number in range(frames):
        head = SPS + IDR if number in keyframes else DELTA
        for part, data in enumerate((head, b"%03d-b" % number, b"%03d-c" % number)):
            sequence = (FIRST + 3 * number + part) % 65_536
            made.append(IncomingPacket(sequence, (2**32 - 2 * TICKS + number * TICKS) % 2**32, 9, part == 2, data))
    return made


def assemble(given: list[IncomingPacket], *, spacing: float = 0.01) -> tuple[list[AssembledFrame], VideoAssembly]:
    assembly = VideoAssembly()
    frames = [frame for n, packet in enumerate(given) for frame in assembly.add(packet, n * spacing)]
    return frames, assembly


def numbers(frames: list[AssembledFrame]) -> list[int]:
    return [int(frame.data[-5:-2]) for frame in frames]


def test_a_frame_comes_out_with_its_last_packet_and_time_runs_on_over_the_wrap() -> None:
    assembly = VideoAssembly()
    given = packets(4)
    assert [bool(assembly.add(packet, 0)) for packet in given] == [False, False, True] * 4
    frames, assembly = assemble(given)
    assert [frame.timestamp - frames[0].timestamp for frame in frames] == [0, TICKS, 2 * TICKS, 3 * TICKS]
    assert [frame.keyframe for frame in frames] == [True, False, False, False]
    assert not assembly.wants_keyframe


def test_packets_out_of_order_and_twice_make_the_same_frames() -> None:
    given = packets(20)
    whole, _ = assemble(given)
    shuffled = given[:1]
    rng = random.Random(3)
    for at in range(1, len(given), 4):
        group = given[at : at + 4] * 2
        rng.shuffle(group)
        shuffled += group
    assert assemble(shuffled, spacing=0.001)[0] == whole


def test_nothing_comes_out_before_the_first_keyframe() -> None:
    frames, assembly = assemble(packets(6, keyframes=(3,)))
    assert numbers(frames) == [3, 4, 5]
    assert assembly.skipped == 3


def test_a_packet_that_comes_again_in_time_costs_nothing() -> None:
    given = packets(4)
    late = given.pop(4)
    given.insert(9, late)
    frames, assembly = assemble(given)
    assert numbers(frames) == [0, 1, 2, 3]
    assert assembly.lost == 0


def test_a_packet_that_is_lost_ends_in_the_next_keyframe_and_asks_for_it() -> None:
    given = packets(40, keyframes=(0, 36))
    del given[4]
    assembly = VideoAssembly()
    frames: list[AssembledFrame] = []
    wanted_at = None
    for number, packet in enumerate(given):
        frames += assembly.add(packet, number * 0.01)
        if wanted_at is None and number > 4 and assembly.wants_keyframe:
            wanted_at = number * 0.01
    assert numbers(frames) == [0, 36, 37, 38, 39]
    assert assembly.lost == 1
    assert wanted_at is not None
    assert GAP_WAIT < wanted_at - 0.04 < GAP_WAIT + 0.05
    assert not assembly.wants_keyframe


def test_vp8_after_a_loss_goes_on_with_a_keyframe_whose_beginning_was_there() -> None:
    key, delta = b"\x50\xbd\x00\x9d\x01\x2a\x80\x02\x68\x01", b"\x51" + bytes(9)
    given = []
    for number in range(60):
        for part in range(3):
            head = key if number in (0, 20, 50) else delta
            data = head if part == 0 else b"%03d-%d" % (number, part)
            sequence = (FIRST + 3 * number + part) % 65_536
            given.append(IncomingPacket(sequence, number * TICKS, 9, part == 2, data, begins=part == 0))
    del given[60]  # the first packet of the second keyframe
    del given[31]
    assembly = VideoAssembly(VP8)
    frames = [frame for at, packet in enumerate(given) for frame in assembly.add(packet, at * 0.01)]
    shown = [int(frame.data[-5:-2]) for frame in frames]
    assert shown == [*range(10), *range(50, 60)]
    assert [frame.keyframe for frame in frames] == [number in (0, 50) for number in shown]


def test_a_keyframe_that_lost_its_head_is_not_shown() -> None:
    given = packets(60, keyframes=(0, 10, 50))
    del given[30]
    frames, _ = assemble(given)
    assert 10 not in numbers(frames)
    assert numbers(frames)[-10:] == list(range(50, 60))


def test_padding_packets_make_no_frame() -> None:
    given = packets(2)
    end = given[-1]
    given.append(IncomingPacket(end.sequence_number + 1, end.timestamp, 9, False, b""))
    assert len(assemble(given)[0]) == 2


def test_a_long_flood_without_its_first_packet_holds_little() -> None:
    assembly = VideoAssembly()
    given = packets(2000)
    del given[1]
    for packet in given:
        assembly.add(packet, 0.0)
        assert len(assembly._pending) <= 513


def test_sound_keeps_its_order_and_leaves_out_what_is_late() -> None:
    assembly = SoundAssembly()
    order = [65_534, 65_535, 1, 0, 2]
    given = [IncomingPacket(n, n * 960, 5, False, b"%d" % n) for n in order]
    assert [frame.data for packet in given if (frame := assembly.add(packet))] == [b"65534", b"65535", b"1", b"2"]
    assert assembly.late == 1


def test_a_counter_is_extended_over_its_end_both_ways() -> None:
    extend = Unwrapped(16)
    assert [extend(value) for value in (65_534, 1, 65_535, 2)] == [65_534, 65_537, 65_535, 65_538]


def test_what_is_missing_is_asked_for_at_once_and_again_and_given_up_within_a_quarter_second() -> None:
    assembly = VideoAssembly()
    key = b"\0\0\0\1\x67\0\0\0\1\x68\0\0\0\1\x65\x88" + bytes(40)
    assembly.add(IncomingPacket(1, 0, 7, True, key), 0.0)
    assembly.add(IncomingPacket(3, 3000, 7, False, b"\0\0\0\1\x41\x9a" + bytes(9)), 0.10)
    assembly.add(IncomingPacket(6, 6000, 7, True, b"\0\0\0\1\x41\x9a" + bytes(9)), 0.11)
    asked = [(at, assembly.missing(at / 1000)) for at in range(110, 350, 25) if not assembly.overdue(at / 1000)]
    times = [at for at, numbers in asked if numbers]
    assert asked[0] == (110, [2, 4, 5])
    assert len(times) >= 4, "a request may be lost as well"
    assert assembly.wants_keyframe
    assert not assembly.waits
    assert assembly.lost == 3
    assert max(times) <= 310
