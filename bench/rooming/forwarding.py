"""What one forwarded picture costs the room worker: from the bus through SRTP to the socket, without a browser.

``python -m bench.rooming.forwarding [PUBLISHERS] [SUBSCRIBERS]`` plays a film of small pictures on so many buses to so
many viewers of each, as fast as they are sent, and prints microseconds of CPU for each forwarded picture and packet.
The parts are those of a room (bus, gates, pacing, SRTP, socket); what is missing is ICE, DTLS and RTCP.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from types import SimpleNamespace
from typing import Any

from aiortc.rtcdtlstransport import State
from pylibsrtp import Policy, Session

from bench.viewing.film import FRAMES_PER_SECOND, GOP, Film, make_film
from gateway.streams import aiortc_seams as seams
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.outgoing import OutgoingVideo, PacketisedFrames
from gateway.streams.rtp_sending import RtpNumbers, RtpSending

PICTURES = 250


def line_to(sink: tuple[str, int], own: socket.socket) -> seams.SecureLine:
    """A line as after ICE and DTLS."""
    policy = Policy(key=bytes(range(30)), ssrc_type=Policy.SSRC_ANY_OUTBOUND)
    protocol = SimpleNamespace(transport=SimpleNamespace(get_extra_info=lambda _: own))
    ice = SimpleNamespace(_nominated={1: SimpleNamespace(protocol=protocol, remote_addr=sink)})
    transport: Any = SimpleNamespace(
        _state=State.CONNECTED, transport=SimpleNamespace(_connection=ice), _tx_srtp=Session(policy)
    )
    return seams.SecureLine(transport)


async def send(video: OutgoingVideo, sending: RtpSending) -> None:
    while (frame := await video.next_frame()) is not None:
        await sending.frame(frame)


async def forwarded(film: Film, publishers: int, subscribers: int) -> dict[str, float]:
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what nobody reads is dropped there
    packetised, extension = PacketisedFrames(256, slices_together=True), bytes.fromhex("bede000110300000")
    buses: list[FrameBus] = []
    sendings: list[RtpSending] = []
    tasks: list[asyncio.Task[None]] = []
    sockets = [sink]
    for _ in range(publishers):
        buses.append(FrameBus())
        for number in range(subscribers):
            own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sockets.append(own)
            video = OutgoingVideo(
                buses[-1], f"room-{number}", packetised, clock=time.time, start="next_keyframe",
                ask_source=lambda: None, passes=lambda: True,
            )  # fmt: skip
            line = line_to(sink.getsockname(), own)
            sendings.append(RtpSending(line, RtpNumbers(number + 1, 102, extension), time.monotonic))
            video.can_send_at_once(sendings[-1])
            tasks.append(asyncio.create_task(send(video, sendings[-1])))
    await asyncio.sleep(0.1)
    before = time.process_time()
    for number in range(PICTURES):
        at = number % len(film.units)
        for bus in buses:
            pts = number * 90_000 // FRAMES_PER_SECOND
            bus.publish(EncodedFrame("video", "h264", film.units[at], pts, 90_000, time.time(), at % GOP == 0, 1))
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)
    used = time.process_time() - before
    pictures = PICTURES * publishers * subscribers
    packets = sum(sending.sent.packets for sending in sendings)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for one in sockets:
        one.close()
    return {
        "pictures": pictures,
        "packets_per_picture": round(packets / pictures, 2),
        "us_per_picture": round(used / pictures * 1e6, 2),
        "us_per_packet": round(used / packets * 1e6, 2),
    }


def main() -> None:
    publishers, subscribers = (int(one) for one in sys.argv[1:3]) if len(sys.argv) > 2 else (12, 12)
    film = make_film(320, 180, 0.15)
    print(json.dumps(asyncio.run(forwarded(film, publishers, subscribers))), flush=True)


if __name__ == "__main__":
    main()
