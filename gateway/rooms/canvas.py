"""The canvas of a composed picture: planar 4:2:0, painted with OpenCV and never converted to RGB and back."""

from __future__ import annotations

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.rooms.captions import mask
from gateway.rooms.layouts import Tile, fitted

Plane = NDArray[np.uint8]

BLACK, WHITE, GREY = 16, 235, 128


class Canvas:
    """``width`` × ``height``, both even; Y, U and V lie one after the other, as FFmpeg's yuv420p does."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._data = np.empty((height * 3 // 2, width), np.uint8)
        luma = width * height
        flat = self._data.reshape(-1)
        self._y = flat[:luma].reshape(height, width)
        self._u = flat[luma : luma * 5 // 4].reshape(height // 2, width // 2)
        self._v = flat[luma * 5 // 4 :].reshape(height // 2, width // 2)
        self.clear()

    def clear(self, tile: Tile | None = None) -> None:
        """Paint black."""
        place = tile or Tile(0, 0, self.width, self.height)
        for plane, half, value in ((self._y, 1, BLACK), (self._u, 2, GREY), (self._v, 2, GREY)):
            _part(plane, place, half)[:] = value

    def paint(self, tile: Tile, picture: av.VideoFrame) -> Tile:
        """Scale a picture into a tile, in its proportions; answers the place it took."""
        if picture.format.name not in ("yuv420p", "yuvj420p"):
            picture = picture.reformat(format="yuv420p")
        place = fitted(tile, picture.width, picture.height)
        planes = ((self._y, 1), (self._u, 2), (self._v, 2))
        for (plane, half), source in zip(planes, picture.planes, strict=True):
            whole = np.frombuffer(memoryview(source), np.uint8).reshape(-1, source.line_size)
            pixels = whole[: source.height, : source.width]
            target = _part(plane, place, half)
            target[:] = cv2.resize(pixels, (target.shape[1], target.shape[0]), interpolation=cv2.INTER_LINEAR)
        return place

    def write(self, tile: Tile, text: str, size: int, *, top: bool = False) -> None:
        """Text on a dark strip along the lower (or upper) edge of a tile."""
        letters = mask(text, size, max(2, tile.width))
        down, across = min(letters.shape[0], tile.height), min(letters.shape[1], tile.width)
        x = tile.x + (tile.width - across if top else 0)
        y = tile.y if top else tile.y + tile.height - down
        place = Tile(x // 2 * 2, y // 2 * 2, across, down)
        cover = letters[:down, :across].astype(np.uint16)
        under = _part(self._y, place, 1).astype(np.uint16) * 2 // 5 + BLACK * 3 // 5
        _part(self._y, place, 1)[:] = ((under * (255 - cover) + WHITE * cover) // 255).astype(np.uint8)
        for plane in (self._u, self._v):
            _part(plane, place, 2)[:] = GREY

    def frame(self) -> av.VideoFrame:
        """A copy for the encoder."""
        return av.VideoFrame.from_ndarray(self._data, format="yuv420p")


def _part(plane: Plane, tile: Tile, half: int) -> Plane:
    return plane[
        tile.y // half : (tile.y + tile.height) // half,
        tile.x // half : (tile.x + tile.width) // half,
    ]
