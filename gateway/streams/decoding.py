"""Decoding single keyframes: cheap enough to look at every camera, because nothing between them is decoded."""

from __future__ import annotations

import threading

import av
import av.error
import numpy as np
from av import VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from gateway.streams.frame import VideoCodec

MOST_PIXELS = 8192 * 8192
"""A hostile stream may announce a picture that fills the memory; none is larger than 8K by 8K."""


def decode_last(codec: VideoCodec, pictures: list[bytes]) -> VideoFrame | None:
    """The last picture of a run of access units that begins with a keyframe (Annex-B); None if it cannot be decoded.

    A context for each run: it costs 0.2 ms and nothing while no one looks, where one kept open costs 10 MB a camera.
    """
    context = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(MOST_PIXELS)}
    last = None
    try:
        for data in pictures:
            for decoded in context.decode(av.Packet(data)):
                last = decoded
        for decoded in context.decode(None):
            last = decoded
    except av.error.FFmpegError:
        return None
    return last


class KeyframeDecoders(threading.local):
    """A decoder for each codec and each thread that uses it, kept between keyframes of whatever cameras.

    Keeping one saves the sixth part of decoding a 1080p keyframe (fresh pictures of 3 MB are fresh pages each time);
    each keyframe carries its parameter sets, and what a stream left behind is flushed. One that met nonsense is thrown
    away.
    """

    def __init__(self) -> None:
        self._contexts: dict[VideoCodec, VideoCodecContext] = {}

    def decode(self, codec: VideoCodec, keyframe: bytes) -> VideoFrame | None:
        """Its picture; None where it cannot be decoded whole. Edges of blocks are left unsmoothed, which a detector
        does not see at its size: that saves an eighth."""
        context = self._contexts.pop(codec, None) or _quick(codec)
        picture = None
        try:
            for packet in (av.Packet(keyframe), None):
                for decoded in context.decode(packet):
                    picture = decoded
            context.flush_buffers()
        except av.error.FFmpegError:
            return None
        if picture is None or picture.is_corrupt:
            return None
        self._contexts[codec] = context
        return picture


class _Reformatters(threading.local):
    """One for each thread: a frame's own is one for all and crashes where two want it at once, and keeping one saves
    the tenth part of its work."""

    def __init__(self) -> None:
        self.own = VideoReformatter()


_reformatters = _Reformatters()


def in_bgr(picture: VideoFrame, width: int | None = None, height: int | None = None) -> NDArray[np.uint8]:
    """Height x width x 3, of that size in px, averaged over the area of each pixel; or of its own.

    In one thread: FFmpeg else starts and ends as many as there are processors, for each picture: 2.3 ms of processor
    for 1080p made 640x360, where one thread takes 0.8.
    """
    sized = _reformatters.own.reformat(picture, width, height, "bgr24", interpolation="AREA", threads=1)
    return np.asarray(sized.to_ndarray(), np.uint8)


def _quick(codec: VideoCodec) -> VideoCodecContext:
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, VideoCodecContext)  # noqa: S101 - of a video codec
    context.thread_count = 1
    context.options = {"max_pixels": str(MOST_PIXELS), "skip_loop_filter": "all"}
    return context
