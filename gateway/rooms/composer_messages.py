"""What the room worker and a room's composer say to each other, over a local socket of their own."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec

from gateway.processes.frames import framed, read_frame
from gateway.streams.frame import PictureCodec

LARGEST = 8 * 1024 * 1024
LARGEST_PICTURE = LARGEST - 64 * 1024
"""Bytes of a picture whose message is taken. A camera's may have twice as many (``gateway.streams.pictures``)."""


class Said(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of all; the class name is the tag."""


class Listener(msgspec.Struct, frozen=True):
    """Who is to hear the mix, in which codec."""

    member: str
    codec: Literal["opus", "pcm_alaw", "pcm_mulaw"]


class Shown(msgspec.Struct, frozen=True):
    """Whose picture is to be composed, with its caption."""

    member: str
    name: str


class Scene(Said, frozen=True):
    """What is composed and for whom, from now on. ``picture``: whether anybody takes the composed picture.
    ``recording``: ``composed``, ``sources`` or None; its files go into ``folder``."""

    title: str
    layout: str
    shown: list[Shown]
    present: list[str]
    listeners: list[Listener]
    picture: bool
    recording: str | None
    folder: str


class PictureIn(Said, frozen=True):
    member: str
    codec: PictureCodec
    data: bytes
    pts: int
    keyframe: bool
    epoch: int


class SoundIn(Said, frozen=True):
    member: str
    codec: Literal["opus", "pcm_alaw", "pcm_mulaw"]
    data: bytes
    pts: int


class NewKeyframe(Said, frozen=True):
    """Somebody lost the composed picture."""


class PictureOut(Said, frozen=True):
    """The composed picture; ``pts`` in 1/90000 s."""

    data: bytes
    pts: int
    keyframe: bool


class SoundOut(Said, frozen=True):
    """20 ms of the mix for one listener."""

    member: str
    codec: str
    data: bytes
    pts: int


class WantsKeyframe(Said, frozen=True):
    """The composer cannot decode a member's picture before its next keyframe."""

    member: str


class Recorded(Said, frozen=True):
    """A finished file. ``member`` None: the composed picture."""

    member: str | None
    path: str
    sha256: str
    size: int
    starts_at: float
    ends_at: float
    partial: bool


class RecordingFailed(Said, frozen=True):
    reason: str


class Cost(Said, frozen=True):
    """CPU seconds of the composer and pictures composed since it began."""

    cpu_seconds: float
    pictures: int


AnySaid = (
    Scene | PictureIn | SoundIn | NewKeyframe
    | PictureOut | SoundOut | WantsKeyframe | Recorded | RecordingFailed | Cost
)  # fmt: skip

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnySaid] = msgspec.msgpack.Decoder(AnySaid)


def packed(said: Said) -> bytes:
    return framed(_encoder.encode(said))


async def heard(reader: asyncio.StreamReader) -> AnySaid:
    """The next message. Raises ``asyncio.IncompleteReadError`` at the end and ``ValueError`` for nonsense."""
    return _decoder.decode(await read_frame(reader, LARGEST))
