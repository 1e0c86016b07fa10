"""What a room's media need from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.rooms.composer_messages import Recorded
from gateway.rooms.presence import MemberChange
from gateway.settings import WebRtcSettings
from gateway.streams.outgoing import PacketisedFrames
from gateway.streams.transcodings import Transcodings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``clock``: wall time, ``monotonic``: steady time, both in seconds. ``on_unsent`` hears of a room and viewer whose
    pictures its line does not carry, and of whom it is sent smaller ones. ``folder``: where recordings are written."""

    network: WebRtcSettings
    packetised: PacketisedFrames
    transcodings: Transcodings
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    on_change: Callable[[MemberChange], None]
    on_speaker: Callable[[str, str | None], None]
    on_unsent: Callable[[str, str, list[str], list[str]], None]
    on_recorded: Callable[[str, Recorded], None]
    on_recording_failed: Callable[[str, str], None]
    folder: Path
