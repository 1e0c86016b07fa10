"""A keyframe as a picture: decoded alone, made smaller for a detector, written as JPEG for people.

Every function here blocks for milliseconds (25 for 1080p): call it in a thread, never on the event loop. A decoder
lives for one keyframe: opening one costs 0.2 ms, keeping one costs 10 MB a camera, and nothing is left of a stream
that sends nonsense.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.streams.decoding import MOST_PIXELS, decode_last, in_bgr
from gateway.streams.frame import EncodedFrame

UnreadableReason = Literal["not_a_keyframe", "too_large", "damaged"]

_SENTENCES: dict[UnreadableReason, tuple[str, str]] = {
    "not_a_keyframe": ("该帧不是视频关键帧，无法单独解码", "not a keyframe of a video, so it cannot be decoded alone"),
    "too_large": ("画面超过 8192×8192，不予解码", "the picture is larger than 8192 by 8192 and is not decoded"),
    "damaged": ("关键帧损坏，无法解码", "the keyframe is damaged and cannot be decoded"),
}


class PictureUnreadable(Exception):
    """There is no picture in this frame; ``reason`` is for machines, ``zh`` and ``en`` for people."""

    def __init__(self, reason: UnreadableReason) -> None:
        super().__init__(reason)
        self.reason: UnreadableReason = reason
        self.zh, self.en = _SENTENCES[reason]


def decode_keyframe(frame: EncodedFrame) -> NDArray[np.uint8]:
    """The picture at full size, height x width x 3, BGR. ``PictureUnreadable`` where there is none."""
    if frame.kind != "video" or not frame.keyframe:
        raise PictureUnreadable("not_a_keyframe")
    if frame.width * frame.height > MOST_PIXELS:
        raise PictureUnreadable("too_large")
    # The stream may announce another size than the frame says: the decoder holds to the same bound.
    decoded = decode_last("h264" if frame.codec == "h264" else "hevc", [frame.data])
    if decoded is None or decoded.is_corrupt:
        raise PictureUnreadable("damaged")
    return in_bgr(decoded)


def smaller(picture: NDArray[np.uint8], longest_width: int, longest_height: int) -> NDArray[np.uint8]:
    """The picture within these bounds, its proportions kept. One that fits already comes back as it is."""
    height, width = picture.shape[:2]
    factor = min(longest_width / width, longest_height / height)
    if factor >= 1:
        return picture
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(picture: NDArray[np.uint8], quality: int = 90) -> bytes:
    """``quality`` from 1 to 100."""
    written, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not written:
        raise ValueError("the picture cannot be written as JPEG")
    return data.tobytes()
