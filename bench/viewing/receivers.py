"""Viewers that receive and do not decode: the same ones for the gateway and for Janus, in a process of their own.

``python -m bench.viewing.receivers`` reads one JSON line (``kind``: ``whep`` with ``url`` and ``headers``, or ``janus``
with ``url``; ``address``; ``viewers``), connects them one after the other, says ``ready``, and to each line ``SECONDS
TIMES`` answers one JSON line with what came. Their RTP is read from its clear headers and goes no further; the time of
receipt is the kernel's, so that a reader that is late for want of processor does not make the sender late.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aioice.ice
import httpx
import numpy as np
from aiortc import RTCPeerConnection, RTCSessionDescription
from numpy.typing import NDArray

from bench.viewing.source import TICKS, times_at
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams

LATE = 0.1
_SO_TIMESTAMPNS, _TIMESPEC = 35, struct.Struct("qq")
_RECEIVE_BUFFER = 4 * 1024 * 1024


@dataclass(slots=True)
class Received:
    """Of one viewer: when the last packet of each picture came, by its timestamp; packets, and gaps between them."""

    pictures: list[tuple[int, float]] = field(default_factory=list)
    packets: int = 0
    missing: int = 0
    last: int = -1


class Receivers:
    """Reads RTP where datagrams come in, by the ICE connection they belong to."""

    def __init__(self, network: WebRtcSettings) -> None:
        self._network = network
        self._peers: list[RTCPeerConnection] = []
        self._received: dict[aioice.ice.Connection, Received] = {}
        self._sockets: list[socket.socket] = []

    @property
    def received(self) -> list[Received]:
        """In the order of connecting."""
        return list(self._received.values())

    def _take_over(self, ice: aioice.ice.Connection) -> None:
        """Read its sockets in aioice's place: what is no RTP is handed on."""
        loop = asyncio.get_running_loop()
        for protocol in ice._protocols:
            own = protocol.transport.get_extra_info("socket").dup()
            own.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            self._sockets.append(own)
            loop._remove_reader(protocol.transport.get_extra_info("socket").fileno())  # type: ignore[attr-defined]
            loop.add_reader(own, self._read, own, protocol, self._received[ice])

    def _read(self, own: socket.socket, protocol: aioice.ice.StunProtocol, received: Received) -> None:
        while True:
            try:
                data, ancillary, _, address = own.recvmsg(2048, 64)
            except BlockingIOError:
                return
            if 127 < data[0] < 192 and not 191 < data[1] < 224:
                seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
                self._take(received, data, seconds + nanoseconds * 1e-9)
            else:
                protocol.datagram_received(data, address)

    def _take(self, received: Received, data: bytes, at: float) -> None:
        sequence = int.from_bytes(data[2:4], "big")
        if received.last >= 0:
            received.missing += (sequence - received.last - 1) % 65536
        received.last = sequence
        received.packets += 1
        if data[1] & 0x80:
            received.pictures.append((int.from_bytes(data[4:8], "big"), at))

    async def whep(self, client: httpx.AsyncClient, url: str) -> None:
        peer = self._new_peer()
        peer.addTransceiver("video", direction="recvonly")
        await peer.createOffer()
        self._bind(peer)
        await peer.setLocalDescription(await peer.createOffer())
        answer = await client.post(
            url, content=peer.localDescription.sdp, headers={"Content-Type": "application/sdp"}, timeout=20
        )
        if answer.is_error:
            raise RuntimeError(f"{url}: {answer.status_code} {answer.text}")
        await self._connected(peer, lambda: peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer")))

    async def janus(self, client: httpx.AsyncClient, url: str) -> None:
        async def ask(path: str, **body: object) -> Any:
            answer = await client.post(url + path, json={"transaction": secrets.token_hex(8), **body}, timeout=20)
            return answer.json()

        session = f"/{(await ask('', janus='create'))['data']['id']}"
        attached = await ask(session, janus="attach", plugin="janus.plugin.streaming")
        handle = f"{session}/{attached['data']['id']}"
        await ask(handle, janus="message", body={"request": "watch", "id": 1})
        while True:
            event = (await client.get(url + session, timeout=40)).json()
            if "jsep" in event:
                break
        peer = self._new_peer()

        async def accept() -> None:
            await peer.setRemoteDescription(RTCSessionDescription(event["jsep"]["sdp"], "offer"))
            self._bind(peer)
            await peer.setLocalDescription(await peer.createAnswer())
            description = peer.localDescription
            await ask(
                handle, janus="message", body={"request": "start"}, jsep={"type": "answer", "sdp": description.sdp}
            )

        await self._connected(peer, accept)

    def measure(self) -> None:
        for received in self._received.values():
            received.pictures.clear()
            received.packets = received.missing = 0

    def result(self, sent: NDArray[np.float64]) -> dict[str, Any]:
        """``sent``: the time of each picture; lateness is counted from there. The timestamps' origin is not known: it
        is the one with which no picture came before it was sent, and the quickest within one picture's time."""
        late: list[list[float]] = []
        for received in self._received.values():
            if len(received.pictures) < 2:
                late.append([])
                continue
            stamps = np.array([stamp for stamp, _ in received.pictures], np.int64)
            came = np.array([at for _, at in received.pictures])
            numbers = (stamps - stamps[0] + (1 << 31)) % (1 << 32) - (1 << 31)
            numbers = np.round(numbers / TICKS).astype(int)
            first = int(np.searchsorted(sent, came[0], "right")) - 1
            while (came - sent[first + numbers]).min() < 0:
                first -= 1
            late.append(list(came - sent[first + numbers]))
        every = np.array([one for viewer in late for one in viewer] or [np.nan])
        return {
            "viewers": len(late),
            "without_late_frame": sum(len(viewer) > 0 and float(max(viewer)) <= LATE for viewer in late),
            "pictures": len(every),
            "packets": sum(received.packets for received in self._received.values()),
            "missing": sum(received.missing for received in self._received.values()),
            "late_p50_ms": round(float(np.percentile(every, 50)) * 1000, 1),
            "late_p95_ms": round(float(np.percentile(every, 95)) * 1000, 1),
            "late_max_ms": round(float(every.max()) * 1000, 1),
        }

    async def close(self) -> None:
        await asyncio.gather(*(peer.close() for peer in self._peers))

    def _new_peer(self) -> RTCPeerConnection:
        peer = seams.new_connection()
        self._peers.append(peer)
        return peer

    def _bind(self, peer: RTCPeerConnection) -> None:
        seams.bind_addresses(peer, self._network)
        for transceiver in peer.getTransceivers():
            self._received.setdefault(transceiver.receiver.transport.transport._connection, Received())

    async def _connected(self, peer: RTCPeerConnection, answer: Callable[[], Any]) -> None:
        done = asyncio.Event()
        peer.on("connectionstatechange", lambda: done.set() if peer.connectionState == "connected" else None)
        await answer()
        async with asyncio.timeout(20):
            await done.wait()
        for transceiver in peer.getTransceivers():
            self._take_over(transceiver.receiver.transport.transport._connection)


async def main() -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: lines.put_nowait(sys.stdin.readline()))
    asked = json.loads(await lines.get())
    receivers = Receivers(WebRtcSettings(addresses=(asked["address"],)))
    async with httpx.AsyncClient(headers=asked.get("headers", {}), trust_env=False, verify=False) as client:  # noqa: S501 - loopback
        for _ in range(asked["viewers"]):
            await getattr(receivers, asked["kind"])(client, asked["url"])
        print("ready", flush=True)
        while line := (await lines.get()).strip():
            seconds, times = line.split(" ", 1)
            receivers.measure()
            await asyncio.sleep(float(seconds))
            sent = times_at(Path(times))
            print(json.dumps(receivers.result(sent[sent > 0])), flush=True)
    await receivers.close()


if __name__ == "__main__":
    asyncio.run(main())
