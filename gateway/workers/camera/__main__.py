"""Entry of a camera worker: ``python -m gateway.workers.camera --name camera-1 --socket …``."""

from __future__ import annotations

from gateway.workers.attachment import main
from gateway.workers.camera.heap import few_heaps
from gateway.workers.camera.worker import open_camera_worker

if __name__ == "__main__":
    few_heaps()
    main(open_camera_worker)
