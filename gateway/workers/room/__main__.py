"""Entry of the room worker: ``python -m gateway.workers.room --name room --socket …``."""

from __future__ import annotations

from gateway.workers.attachment import main
from gateway.workers.room.worker import open_room_worker

if __name__ == "__main__":
    main(open_room_worker)
