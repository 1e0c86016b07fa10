"""What cameras do wrong in the field, as scripts for a scripted camera. Each begins well: a picture is seen first.

``Units`` is a film: access units (Annex-B, parameter sets before each keyframe) and whether each is a keyframe.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from gateway.streams import nal
from gateway.virtual.scripted_camera import CLOCK_RATE, Bytes, HangUp, Picture, Script, Step, Wait

Units = Sequence[tuple[bytes, bool]]
TICKS = CLOCK_RATE // 25
WELL = 50
"""Pictures for which everything is well: two seconds."""


def well(units: Units) -> Iterator[Step]:
    """No fault: over and over, its times going on."""
    for number in itertools.count():
        yield Picture(units[number % len(units)][0], number * TICKS)


def _well_for_a_while(units: Units) -> Iterator[Step]:
    return itertools.islice(well(units), WELL)


def garbage_in_pictures(units: Units) -> Iterator[Step]:
    """RTP that looks right and carries noise for slices, behind a right header byte."""
    yield from _well_for_a_while(units)
    noise = random.Random(1)
    for number in itertools.count(WELL):
        kind = units[number % len(units)][1]
        yield Picture(nal.annexb([bytes([0x65 if kind else 0x41]) + noise.randbytes(3000)]), number * TICKS)


def garbage_on_the_connection(units: Units) -> Iterator[Step]:
    """Bytes that are neither RTSP nor RTP, without an end."""
    yield from _well_for_a_while(units)
    noise = random.Random(2)
    while True:
        yield Bytes(noise.randbytes(4000))
        yield Wait(0.02)


def half_packets(units: Units) -> Iterator[Step]:
    """Every second packet of every picture is lost, as over a bad radio link."""
    yield from _well_for_a_while(units)
    for number in itertools.count(WELL):
        yield Picture(units[number % len(units)][0], number * TICKS, lost=lambda packet: packet % 2 == 1)


def cut_in_a_packet(units: Units) -> Iterator[Step]:
    """The connection ends in the middle of an RTP packet."""
    yield from _well_for_a_while(units)
    yield Bytes(b"$\x00\x05\x00" + b"\x80\x60" + b"\x00" * 100)
    yield HangUp()


def other_stream(units: Units, other: Units) -> Iterator[Step]:
    """From a keyframe on another film: another size, other parameter sets, or another codec under the same type."""
    yield from _well_for_a_while(units)
    for number, (data, _) in zip(itertools.count(WELL), itertools.cycle(other), strict=False):
        yield Picture(data, number * TICKS)


def no_keyframes(units: Units) -> Iterator[Step]:
    """After the first group none ever again: a "smart" encoder at its worst."""
    yield from _well_for_a_while(units)
    between = [data for data, key in units if not key]
    for number in itertools.count(WELL):
        yield Picture(between[number % len(between)], number * TICKS)


def times_going_backwards(units: Units) -> Iterator[Step]:
    """The camera's clock is set back by a minute, again and again, and stands still in between."""
    yield from _well_for_a_while(units)
    for number in itertools.count(WELL):
        yield Picture(units[number % len(units)][0], (number - number // 20 * 1500 - number % 3) * TICKS)


def flood(units: Units) -> Iterator[Step]:
    """50 Mbit/s: each picture is stuffed with filler data (NAL unit type 12) to 250 kB."""
    filler = nal.annexb([b"\x0c" + b"\xff" * 250_000])
    stuffed = [data + filler for data, _ in units]
    for number in itertools.count():
        yield Picture(stuffed[number % len(stuffed)], number * TICKS)


def endless_picture(units: Units) -> Iterator[Step]:
    """One access unit that never ends: slices of the same picture, as fast as they go."""
    yield from _well_for_a_while(units)
    later_slice = nal.annexb([b"\x41\x40" + b"\xaa" * 60_000])
    while True:
        yield Picture(later_slice, WELL * TICKS)
        yield Wait(0.001)


def silent(units: Units) -> Iterator[Step]:
    """Accepts and says nothing more."""
    yield Wait(None)


def falls_silent(units: Units) -> Iterator[Step]:
    yield from _well_for_a_while(units)
    yield Wait(None)


def hangs_up(units: Units) -> Iterator[Step]:
    yield from _well_for_a_while(units)
    yield HangUp()


FAULTS: Mapping[str, Callable[[Units], Iterator[Step]]] = {
    "garbage_in_pictures": garbage_in_pictures,
    "garbage_on_the_connection": garbage_on_the_connection,
    "half_packets": half_packets,
    "cut_in_a_packet": cut_in_a_packet,
    "no_keyframes": no_keyframes,
    "times_going_backwards": times_going_backwards,
    "flood": flood,
    "endless_picture": endless_picture,
    "silent": silent,
    "falls_silent": falls_silent,
    "hangs_up": hangs_up,
}


def script_of(name: str, units: Units) -> Script:
    return partial(FAULTS[name], units)
