"""From pictures to access units that can be shown: nothing damaged, keyframes with their parameter sets in front.

A picture of which something is missing takes all that follow it along, up to the next keyframe: whoever views sees it
stand for a moment rather than fall apart. What is left out for that is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.streams import nal
from gateway.streams.frame import VideoCodec
from gateway.streams.nal import ParameterSets
from gateway.streams.pictures import Picture

MOST_AHEAD = 1024 * 1024
"""Bytes of parameter sets and the like that may come before the picture they belong to."""


class CodecChanged(Exception):
    """The stream goes on in another codec than it was announced in."""


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """A whole picture (Annex-B); ``timestamp`` as in ``Picture``. ``parameters``: those in force."""

    data: bytes
    timestamp: int
    keyframe: bool
    parameters: ParameterSets


class Assembler:
    """One for each connection. ``parameters`` are those of the SDP. Begins at the first decodable keyframe.

    ``drops`` counts the pictures left out since then; ``waiting`` tells whether nothing comes out before a keyframe.
    """

    def __init__(self, codec: VideoCodec, parameters: ParameterSets) -> None:
        self._codec: VideoCodec = codec
        self._parameters = parameters
        self._ahead: list[bytes] = []
        self._begun = False
        self.waiting = True
        self.drops = 0

    def take(self, picture: Picture) -> AccessUnit | None:
        """None while nothing can be shown. Raises ``CodecChanged``."""
        codec, units = self._codec, picture.units
        if any(nal.tells_other_codec(codec, unit) for unit in units):
            raise CodecChanged
        if picture.after_loss or not picture.whole:
            self.waiting = True
        if not picture.whole:
            self._ahead = []
            self.drops += self._begun
            return None
        if not any(nal.is_slice(codec, unit) for unit in units):
            if sum(map(len, self._ahead)) + sum(map(len, units)) <= MOST_AHEAD:
                self._ahead += units
            return None
        if self._ahead:
            units, self._ahead = self._ahead + units, []
        keyframe = _is_keyframe(codec, units)
        if keyframe:
            found = ParameterSets.found_in(codec, units)
            if found.complete:
                self._parameters = found
            units = self._in_order(units)
        if self.waiting and not (keyframe and self._parameters.complete):
            self.drops += self._begun
            return None
        self.waiting = False
        self._begun = True
        return AccessUnit(nal.annexb(units), picture.timestamp, keyframe, self._parameters)

    def _in_order(self, units: list[bytes]) -> list[bytes]:
        """Delimiter, parameter sets once, then the rest (ITU-T H.264, 7.4.1.2.3)."""
        delimiters = [unit for unit in units[:1] if nal.is_delimiter(self._codec, unit)]
        rest = [
            unit
            for unit in units
            if not nal.is_parameter_set(self._codec, unit) and not nal.is_delimiter(self._codec, unit)
        ]
        return delimiters + list(self._parameters.units) + rest


def _is_keyframe(codec: VideoCodec, units: list[bytes]) -> bool:
    """Whether a decoder may begin here: IDR or IRAP; in H.264 also a recovery point, of which encoders that refresh
    their pictures step by step send nothing else."""
    return any(nal.is_slice(codec, unit) and nal.is_random_access(codec, unit) for unit in units) or (
        codec == "h264" and any(nal.is_recovery_point(unit) for unit in units)
    )
