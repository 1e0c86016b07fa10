"""Entry of the inference process: ``python -m gateway.workers.inference --name inference --socket …``."""

from __future__ import annotations

from gateway.workers.attachment import main
from gateway.workers.inference.server import open_inference

if __name__ == "__main__":
    main(open_inference)
