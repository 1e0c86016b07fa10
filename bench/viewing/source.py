"""The camera of the bench, a process of its own: the film over RTSP, and as plain RTP where Janus listens.

``python -m bench.viewing.source FILM TIMES RTP_PORT``: FILM is a pickle of ``Film``; TIMES is filled with the time
(seconds since the epoch) at which each picture was sent. Prints one JSON line: where to read, and as whom. Ends with
its standard input.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import random
import socket
import struct
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.viewing.film import FRAMES, FRAMES_PER_SECOND, GOP, Film
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.packetise import payloads
from gateway.streams.rtsp_out import RtspServer
from gateway.streams.source import LocalSource
from gateway.workers.logs import configure_logs

MOST_PICTURES = 100_000
TICKS = 90_000 // FRAMES_PER_SECOND
RTP_PAYLOAD = 1300
PATH = "cameras/bench"
_HEADER = struct.Struct("!BBHII")


def times_at(path: Path, mode: str = "r") -> NDArray[np.float64]:
    """The time at which each picture was sent; 0 for those to come."""
    return np.memmap(path, np.float64, "w+" if mode == "w" else "r", shape=(MOST_PICTURES,))


class PlainRtp:
    """The film as RTP without a session, as Janus' streaming plugin takes it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._address = ("127.0.0.1", port)
        self._sequence = random.getrandbits(15)

    def send(self, number: int, parts: list[bytes]) -> None:
        for at, payload in enumerate(parts, 1):
            marker = 0x80 if at == len(parts) else 0
            header = _HEADER.pack(0x80, 96 | marker, self._sequence, number * TICKS & 0xFFFFFFFF, 0x62656E63)
            self._sequence = self._sequence + 1 & 0xFFFF
            self._socket.sendto(header + payload, self._address)


async def play(film: Film, bus: FrameBus, times: NDArray[np.float64], rtp: PlainRtp | None) -> None:
    parts = [payloads("h264", unit, RTP_PAYLOAD) for unit in film.units]
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in range(MOST_PICTURES):
        now = time.time()
        times[number] = now
        unit, keyframe = film.units[number % FRAMES], number % GOP == 0
        bus.publish(
            EncodedFrame("video", "h264", unit, number * TICKS, 90_000, now, keyframe, 0, film.width, film.height)
        )
        if rtp is not None:
            rtp.send(number, parts[number % FRAMES])
        await asyncio.sleep(max(0.0, begun + (number + 1) / FRAMES_PER_SECOND - loop.time()))


async def main(film: Film, times: NDArray[np.float64], rtp_port: int) -> None:
    bus = FrameBus()
    server = RtspServer({PATH: LocalSource(bus)}.get)
    port = await server.start("127.0.0.1", 0)
    username, password = server.lend(PATH, "bench", time.time() + 86_400)
    playing = asyncio.create_task(play(film, bus, times, PlainRtp(rtp_port) if rtp_port else None))
    said = {"url": f"rtsp://127.0.0.1:{port}/{PATH}", "username": username, "password": password}
    print(json.dumps(said), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    playing.cancel()
    await server.stop()


if __name__ == "__main__":
    configure_logs("json", process="camera")
    shown: Film = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - written by the bench itself
    asyncio.run(main(shown, times_at(Path(sys.argv[2]), "w"), int(sys.argv[3])))
