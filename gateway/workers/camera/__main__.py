"""Entry of a camera worker: ``python -m gateway.workers.camera --name camera-1 --socket …``."""

from __future__ import annotations

import os
import sys

import cv2

from gateway.workers.attachment import main
from gateway.workers.camera.heap import few_heaps
from gateway.workers.camera.worker import open_camera_worker

if __name__ == "__main__":
    few_heaps()
    cv2.setNumThreads(1)  # cameras are worked for side by side; OpenCV's own threads would stand in each other's way
    main(open_camera_worker)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # the interpreter would wait for a thread that a disk holds
