"""Entry of the inference process: ``python -m gateway.workers.inference --name inference --socket …``."""

from __future__ import annotations

import os

from gateway.workers.attachment import main
from gateway.workers.inference.server import open_inference

BEHIND = 5
"""Niceness: where the cores are full, packets are still taken in time, and looks are what is dropped and counted."""

if __name__ == "__main__":
    os.nice(BEHIND)
    main(open_inference)
