"""One source's pictures made into what a browser plays: H.264, or VP8. It blocks: call it in a thread of its own.

Decoding and encoding 1080p25 takes most of a core, so the picture is made smaller first, and what came before anybody
watched is decoded (the rest depends on it) but not encoded.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import av
import av.error
from av import VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from gateway.streams.decoding import MOST_PIXELS
from gateway.streams.frame import EncodedFrame, PictureCodec

CLOCK_RATE = 90_000
LARGEST = (1280, 720)
"""Width and height into which the picture is fitted: 720p25 costs a third of 1080p25 to encode."""
KEYFRAME_SECONDS = 2.0
MOST_BITS_PER_SECOND = 3_000_000
LEAST_VP8_BITS = 500_000
_QUALITY = 24
_MOST_WAITING = 64


class Transcoder:
    """``take`` gives a source's frames in their order; whatever they hold, it answers with whole frames of ``codec``
    (H.264 or VP8)."""

    def __init__(self, live_from: float, codec: PictureCodec = "h264") -> None:
        self._live_from = live_from
        self._codec: PictureCodec = codec
        self._decoder: VideoCodecContext | None = None
        self._decoded_as: tuple[str, int] | None = None
        self._encoder: VideoCodecContext | None = None
        self._epoch = 0
        self._last_pts: int | None = None
        self._keyframe_at = float("-inf")
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=_MOST_WAITING)
        self.pictures = 0
        self.damaged = 0

    def take(self, frame: EncodedFrame) -> list[EncodedFrame]:
        """Begins, and after each change of the source begins anew, at a keyframe."""
        if frame.kind != "video" or (self._decoded_as != (frame.codec, frame.epoch) and not frame.keyframe):
            return []
        if self._decoded_as != (frame.codec, frame.epoch):
            self._begin(frame)
        shown = (frame.pts + frame.composition_offset) * CLOCK_RATE // frame.clock_rate
        self._arrivals.append((shown, frame.arrival))
        packet = av.Packet(frame.data)
        packet.pts, packet.time_base = shown, Fraction(1, CLOCK_RATE)
        assert self._decoder is not None  # noqa: S101 - begun above
        try:
            pictures = self._decoder.decode(packet)
        except av.error.FFmpegError:
            self.damaged += 1
            return []
        return [made for picture in pictures for made in self._encoded(picture)]

    def _begin(self, frame: EncodedFrame) -> None:
        decoder = av.CodecContext.create(frame.codec, "r")
        assert isinstance(decoder, VideoCodecContext)  # noqa: S101 - of a video codec
        decoder.thread_count = 1
        decoder.options = {"max_pixels": str(MOST_PIXELS)}
        self._decoder, self._decoded_as = decoder, (frame.codec, frame.epoch)
        self._encoder, self._last_pts = None, None
        self._arrivals.clear()
        self._epoch += 1

    def _encoded(self, picture: VideoFrame) -> list[EncodedFrame]:
        pts = picture.pts
        arrival = next((arrival for shown, arrival in self._arrivals if shown == pts), None)
        if pts is None or arrival is None or arrival < self._live_from or picture.is_corrupt:
            return []
        if self._last_pts is not None and pts <= self._last_pts:
            return []
        self._last_pts = pts
        width, height = _fitted(picture.width, picture.height)
        if self._encoder is None or (self._encoder.width, self._encoder.height) != (width, height):
            self._encoder = _vp8(width, height) if self._codec == "vp8" else _h264(width, height)
            self._keyframe_at = float("-inf")
        small = picture.reformat(width, height, "yuv420p", threads=1)
        small.pts, small.time_base = pts, Fraction(1, CLOCK_RATE)
        small.pict_type = PictureType.NONE
        if arrival - self._keyframe_at >= KEYFRAME_SECONDS:
            small.pict_type, self._keyframe_at = PictureType.I, arrival
        made = []
        for packet in self._encoder.encode(small):
            self.pictures += 1
            made.append(
                EncodedFrame(
                    "video", self._codec, bytes(packet), packet.pts or 0, CLOCK_RATE, arrival, packet.is_keyframe,
                    self._epoch, width, height,
                )
            )  # fmt: skip
        return made


def _fitted(width: int, height: int) -> tuple[int, int]:
    factor = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
    return max(2, int(width * factor) // 2 * 2), max(2, int(height * factor) // 2 * 2)


def _vp8(width: int, height: int) -> VideoCodecContext:
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, CLOCK_RATE)
    encoder.thread_count = 1
    encoder.bit_rate = max(LEAST_VP8_BITS, MOST_BITS_PER_SECOND * width * height // (LARGEST[0] * LARGEST[1]))
    encoder.gop_size = 100_000  # keyframes are asked for by time, as below
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "static-thresh": "1"}
    return encoder


def _h264(width: int, height: int) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, CLOCK_RATE)
    encoder.thread_count = 1
    encoder.profile = "Baseline"
    kilobits = MOST_BITS_PER_SECOND // 1000
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "crf": str(_QUALITY),
        "forced-idr": "1",
        # Keyframes are asked for by time: a camera's frame rate is not to be relied on.
        "x264-params": "keyint=100000:scenecut=0:annexb=1:repeat-headers=1"
        f":vbv-maxrate={kilobits}:vbv-bufsize={kilobits}",
    }
    return encoder
