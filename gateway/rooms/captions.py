"""Names and the clock, burned into composed pictures. A Chinese font is found on the machine; else Latin letters stay.

Rendered once for each text and kept: a name costs nothing once it stands.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

log = structlog.get_logger(__name__)

Mask = NDArray[np.uint8]

FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
)
"""Debian's fonts-noto-cjk first, which the package list names."""


@lru_cache(maxsize=8)
def font(size: int) -> Any:
    for path in FONTS:
        if Path(path).is_file():
            return ImageFont.truetype(path, size)
    log.warning("caption_font_missing", install="fonts-noto-cjk")
    return ImageFont.load_default(size)


@lru_cache(maxsize=256)
def mask(text: str, size: int, widest: int) -> Mask:
    """Coverage of the text, 0 to 255, of even height and width, at most ``widest`` pixels wide."""
    face = font(size)
    left, top, right, bottom = face.getbbox(text)
    across = min(int(right - left) + 8, widest) // 2 * 2
    down = (int(bottom - top) + 8) // 2 * 2
    image = Image.new("L", (max(2, across), max(2, down)), 0)
    ImageDraw.Draw(image).text((4 - left, 4 - top), text, fill=255, font=face)
    made = np.asarray(image)
    made.setflags(write=False)
    return made
