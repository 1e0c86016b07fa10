"""A grid: so many members send small pictures, and as many watch all of them, in a process of their own.

``python -m bench.rooming.grid`` reads one JSON line: ``url`` (of the API), ``headers``, ``room``, ``address``,
``film``, ``size``, ``seconds``. It says ``ready`` when everybody sees everybody, and at the end one JSON line. The
watchers do not decode (``bench.viewing.receivers``): the time of receipt is the kernel's, so that a busy machine makes
no sender late.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from aiortc import RTCRtpSender
from numpy.typing import NDArray

from bench.rooming.people import FREEZE, TICKS, Gateway, Publisher, connected
from bench.viewing.film import FRAMES_PER_SECOND, Film
from bench.viewing.receivers import Received, Receivers
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams.rtp_sending import OutgoingFrame


class Timed(Publisher):
    """Notes when each picture was sent."""

    def __init__(self, film: Film) -> None:
        super().__init__(film)
        self.times: list[float] = []

    async def next_frame(self) -> OutgoingFrame:
        frame = await super().next_frame()
        self.times.append(max(self.sent.values()))
        return frame


def late_and_still(sent: NDArray[np.float64], received: Received) -> tuple[NDArray[np.float64], list[float]]:
    """How late each picture came, and how long each stood that stood too long though the next one had been sent.

    The timestamps' origin is not known: it is the one with which no picture came before it was sent.
    """
    if len(received.pictures) < 2:
        return np.array([]), [float("inf")]
    stamps = np.array([stamp for stamp, _ in received.pictures], np.int64)
    came = np.array([at for _, at in received.pictures])
    numbers = np.round(((stamps - stamps[0] + (1 << 31)) % (1 << 32) - (1 << 31)) / TICKS).astype(int)
    first = int(np.searchsorted(sent, came[0], "right")) - 1
    first = min(first, len(sent) - 1 - int(numbers.max()))
    while first + numbers.min() > 0 and (came - sent[first + numbers]).min() < 0:
        first -= 1
    gaps, between = np.diff(came), np.diff(sent[first + numbers])
    steps = np.diff(numbers)
    still = gaps[(gaps > FREEZE) & ((steps > 1) | (gaps - between > FREEZE - 1 / FRAMES_PER_SECOND))]
    return came - sent[first + numbers], [float(gap) for gap in still]


async def run(asked: dict[str, Any]) -> dict[str, Any]:
    network = WebRtcSettings(addresses=(asked["address"],))
    film: Film = pickle.loads(Path(asked["film"]).read_bytes())  # noqa: S301, ASYNC240 - written by the bench itself
    seconds, size = float(asked["seconds"]), int(asked["size"])
    async with httpx.AsyncClient(
        base_url=asked["url"], headers=asked["headers"], trust_env=False, timeout=30
    ) as client:
        room = Gateway(client, asked["room"], network)
        beating = asyncio.create_task(room.beat())
        receivers, publishing = Receivers(network), []
        feeds: dict[str, Timed] = {}
        for _ in range(size):
            publisher, peer = Timed(film), seams.new_connection()
            transceiver = peer.addTransceiver(seams.PassThroughTrack("video"), direction="sendonly")
            h264 = [one for one in RTCRtpSender.getCapabilities("video").codecs if "VP8" not in one.mimeType]
            transceiver.setCodecPreferences(h264)
            seams.send_encoded(transceiver.sender, publisher.next_frame, publisher.keyframe)
            feeds[await room.publish(peer)] = publisher
            publishing.append(peer)
            await connected(peer)
        watched: list[Timed] = []
        for _ in range(size):
            viewer = await room.member()
            for feed, publisher in feeds.items():
                await receivers.whep(client, f"{asked['url']}/whep/rooms/{asked['room']}/{feed}?viewer={viewer}")
                watched.append(publisher)
        await asyncio.sleep(3)  # the last ones have begun at a keyframe
        receivers.measure()
        print("ready", flush=True)
        await asyncio.sleep(seconds)
        streams = list(receivers.received)
        judged = [
            late_and_still(np.array(publisher.times), one) for publisher, one in zip(watched, streams, strict=True)
        ]
        late = np.concatenate([one for one, _ in judged] or [np.array([np.nan])])
        still = [gap for _, gaps in judged for gap in gaps]
        result = {
            "streams": len(streams),
            "pictures": len(late),
            "late_p50_ms": round(float(np.percentile(late, 50)) * 1000, 1),
            "late_p95_ms": round(float(np.percentile(late, 95)) * 1000, 1),
            "frozen_streams": sum(1 for _, gaps in judged if gaps),
            "frozen_share": round(sum(min(gap, seconds) for gap in still) / seconds / len(streams), 4),
            "missing_packets": sum(one.missing for one in streams),
        }
        beating.cancel()
        await asyncio.gather(receivers.close(), *(peer.close() for peer in publishing), return_exceptions=True)
        await room.close()
        return result


def main() -> None:
    print(json.dumps(asyncio.run(run(json.loads(sys.stdin.readline())))), flush=True)


if __name__ == "__main__":
    main()
