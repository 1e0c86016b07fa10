"""A picture that several want at once is given to each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from av import VideoFrame

from gateway.workers.camera.glimpse import of_decoded


def test_many_threads_take_the_full_and_the_small_picture_of_one_frame_at_once() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (540, 960, 3), np.uint8)
    frame = VideoFrame.from_ndarray(noise, "bgr24").reformat(format="yuv420p")
    alone = of_decoded(frame, (384, 640), 0.0, "main")
    full = alone.full()

    def taken(number: int) -> bool:
        glimpse = of_decoded(frame, (384, 640), float(number), "main")
        return np.array_equal(glimpse.full(), full) and np.array_equal(glimpse.small, alone.small)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(taken, range(200)))
