"""Decoding every frame of a stream, for as long as somebody must look more often than its keyframes come.

Only the newest picture is handed out: the others are decoded because it is built upon them. Blocks: use a thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import av
import av.error
from av import VideoFrame
from av.video.codeccontext import VideoCodecContext

from gateway.streams.decoding import MOST_PIXELS
from gateway.streams.frame import EncodedFrame


class RunningDecoder:
    """One stream's decoder. It begins at a keyframe, and anew at one when the stream was changed or is damaged.

    ``seconds_used``: processor time that it has taken.
    """

    def __init__(self) -> None:
        self._context: VideoCodecContext | None = None
        self._epoch: int | None = None
        self.seconds_used = 0.0

    def begin_anew(self) -> None:
        """What comes next does not follow upon what came before."""
        self._context = None

    def take(self, frames: Sequence[EncodedFrame], *, alone: bool = False) -> VideoFrame | None:
        """Decode frames in the order in which they came; answers the newest whole picture, if there is one. ``alone``:
        no more will come that follows upon them, so that no picture is held back for those."""
        begun = time.thread_time()
        newest = None
        for frame in frames:
            if frame.kind == "video":
                newest = self._decode(frame, alone) or newest
        self.seconds_used += time.thread_time() - begun
        return newest

    def _decode(self, frame: EncodedFrame, alone: bool) -> VideoFrame | None:
        if frame.epoch != self._epoch:
            self._context = None
        if self._context is None:
            if not frame.keyframe:
                return None
            context = av.CodecContext.create("hevc" if frame.codec == "hevc" else "h264", "r")
            assert isinstance(context, VideoCodecContext)  # noqa: S101 - of a video codec
            context.thread_count = 1
            context.options = {"max_pixels": str(MOST_PIXELS)}
            self._context, self._epoch = context, frame.epoch
        newest = None
        try:
            for packet in (av.Packet(frame.data), None) if alone else (av.Packet(frame.data),):
                for decoded in self._context.decode(packet):
                    newest = decoded
        except av.error.FFmpegError:
            self._context = None
            return None
        if alone:
            self._context = None
        return None if newest is None or newest.is_corrupt else newest
