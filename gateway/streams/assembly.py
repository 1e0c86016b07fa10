"""From the pieces that FFmpeg's demuxer hands out to whole access units, keyframes with their parameter sets in front.

Two things that are met in the field make this more than copying. Parameter sets may be known from the SDP only. And
servers that put parameter sets before *every* IDR slice (GStreamer's payloader with several slices a picture) make
FFmpeg's parser cut one keyframe in pieces, of which the second would pass for a keyframe of its own.

A piece is known for the last of its picture only when the next comes. So keyframes are held back by one piece until
two came whole; a stream that cuts its pictures is held back for good, by one frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from gateway.streams import nal
from gateway.streams.frame import VideoCodec
from gateway.streams.nal import ParameterSets

WHOLE_KEYFRAMES = 2
MOST_BYTES = 16 * 1024 * 1024
"""A larger access unit is no picture but a broken or hostile stream."""


class CodecChanged(Exception):
    """The stream goes on in another codec than it was announced in."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What came from the demuxer, with its times (in the stream's time base) and its arrival."""

    data: bytes
    pts: int | None
    dts: int | None
    arrival: float


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """A whole picture. ``parameters``: those in force; ``gap``: pictures before it were lost."""

    data: bytes
    pts: int | None
    dts: int | None
    arrival: float
    keyframe: bool
    parameters: ParameterSets
    gap: bool


@dataclass(frozen=True, slots=True)
class _Held:
    piece: Piece
    units: list[bytes]
    keyframe: bool


class Assembler:
    """One for each connection. ``parameters`` are those of the SDP. Begins at the first decodable keyframe."""

    def __init__(self, codec: VideoCodec, parameters: ParameterSets) -> None:
        self._codec = codec
        self._parameters = parameters
        self._hold: Literal["nothing", "keyframes", "all"] = "keyframes"
        self._whole = 0
        self._cut = False
        self._held: _Held | None = None
        self._last_was_keyframe = False
        self._prefix: list[bytes] = []
        self._waiting = True
        self._gap = False

    @property
    def waiting(self) -> bool:
        """Whether nothing comes out before the next keyframe."""
        return self._waiting

    def take(self, piece: Piece, marked_keyframe: bool) -> list[AccessUnit]:
        """The access units that are whole now. ``marked_keyframe``: FFmpeg's own mark, which knows recovery points.

        Raises ``CodecChanged``."""
        units = nal.nal_units(piece.data)
        if any(nal.tells_other_codec(self._codec, unit) for unit in units):
            raise CodecChanged
        first = next((unit for unit in units if nal.is_slice(self._codec, unit)), None)
        if first is None:
            if sum(map(len, self._prefix)) + len(piece.data) <= MOST_BYTES:
                self._prefix += units
            return []
        if self._prefix:
            units, self._prefix = self._prefix + units, []
            piece = replace(piece, data=nal.annexb(units))
        if not nal.begins_picture(self._codec, first):
            self._continue(units)
            return []
        keyframe = nal.is_random_access(self._codec, first) or marked_keyframe
        arrived = _Held(piece, units, keyframe)
        finished, self._held = self._held, None
        done = [] if finished is None else self._finish(finished)
        self._last_was_keyframe = keyframe
        if self._hold == "all" or (self._hold == "keyframes" and keyframe):
            self._held = arrived
            return done
        return done + self._finish(arrived)

    def _continue(self, units: list[bytes]) -> None:
        """A later part of the picture that came before."""
        self._cut = True
        held = self._held
        if held is not None and len(held.piece.data) + sum(map(len, units)) <= MOST_BYTES:
            data = held.piece.data + nal.annexb(units)
            self._held = replace(held, piece=replace(held.piece, data=data), units=held.units + units)
            return
        # Its beginning is gone out already: from the next keyframe on such pictures are held.
        self._held = None
        self._hold = "keyframes" if self._last_was_keyframe and self._hold == "nothing" else "all"
        self._waiting = self._gap = True

    def _finish(self, held: _Held) -> list[AccessUnit]:
        data = held.piece.data
        if held.keyframe:
            found = ParameterSets.found_in(self._codec, held.units)
            if found.complete:
                self._parameters = found
            self._count_whole()
            data = self._in_order(held.units)
        if self._waiting and not (held.keyframe and self._parameters.complete):
            return []
        gap = self._gap
        self._waiting = self._gap = False
        piece = held.piece
        return [AccessUnit(data, piece.pts, piece.dts, piece.arrival, held.keyframe, self._parameters, gap)]

    def _in_order(self, units: list[bytes]) -> bytes:
        """Delimiter, parameter sets once, then the rest (ITU-T H.264, 7.4.1.2.3)."""
        delimiters = [unit for unit in units[:1] if nal.is_delimiter(self._codec, unit)]
        rest = [
            unit
            for unit in units
            if not nal.is_parameter_set(self._codec, unit) and not nal.is_delimiter(self._codec, unit)
        ]
        return nal.annexb(delimiters + list(self._parameters.units) + rest)

    def _count_whole(self) -> None:
        self._whole += 1
        if self._hold == "keyframes" and not self._cut and self._whole >= WHOLE_KEYFRAMES:
            self._hold = "nothing"
