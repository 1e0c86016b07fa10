"""Publishers and subscribers of one room, the same for the gateway and for Janus, in a process of their own.

``python -m bench.rooming.people`` reads one JSON line: ``kind`` (``gateway`` or ``janus``), ``url``, ``headers``,
``room``, ``address``, ``film``, ``publishers``, ``subscribers``, ``loss`` (share of the publishers' packets that are
lost on the way, resent ones as well), ``seconds``, ``joins``. It says ``ready`` when everybody sees everybody, and at
the end one JSON line: how late pictures came, for how much of the time one stood still, how long a join took.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import random
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCSessionDescription

from bench.viewing.film import FRAMES_PER_SECOND, GOP, Film
from gateway.rooms.assembly import AssembledFrame, VideoAssembly
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams.packetise import payloads
from gateway.streams.rtp_sending import OutgoingFrame

TICKS = 90_000 // FRAMES_PER_SECOND
TAIL = 24
FREEZE = 0.19
"""W3C webrtc-stats, freezeCount: longer than max(3 δ, δ + 150 ms) for a picture's time δ of 40 ms."""


class Publisher:
    """Sends the film in real time; asked for a keyframe it goes on at the film's next one."""

    def __init__(self, film: Film) -> None:
        self._units = film.units
        self._parts = [payloads("h264", unit, 1200) for unit in film.units]
        self._at = -1
        self._number = 0
        self._begun = 0.0
        self.sent: dict[bytes, float] = {}

    async def next_frame(self) -> OutgoingFrame:
        loop = asyncio.get_running_loop()
        if not self._number:
            self._begun = loop.time()
        self._number += 1
        await asyncio.sleep(max(0.0, self._begun + self._number / FRAMES_PER_SECOND - loop.time()))
        self._at = (self._at + 1) % len(self._units)
        self.sent[self._units[self._at][-TAIL:]] = time.time()
        return OutgoingFrame(self._parts[self._at], self._number * TICKS)

    def keyframe(self) -> None:
        self._at = ((self._at // GOP + 1) * GOP - 1) % len(self._units)


class Subscriber:
    """Assembles what comes; a picture counts when a decoder could show it."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._assembly = VideoAssembly()
        self._receiver: RTCRtpReceiver | None = None
        self._asked_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self.ssrc = 0
        self.late: list[float] = []
        self.shown: list[float] = []
        self.first = asyncio.Event()

    def receive(self, receiver: RTCRtpReceiver) -> None:
        self._receiver = receiver
        seams.receive_encoded(receiver, self._take)

    def look(self) -> None:
        now = asyncio.get_running_loop().time()
        self._show(self._assembly.overdue(now))
        numbers = self._assembly.missing(now)
        if numbers and self._receiver is not None:
            self._spawn(seams.request_packets(self._receiver, self.ssrc, numbers))

    def _take(self, packet: seams.IncomingPacket) -> bool:
        self.ssrc = packet.ssrc
        now = asyncio.get_running_loop().time()
        self._show(self._assembly.add(packet, now))
        wants = self._assembly.wants_keyframe and now - self._asked_at > 1.0
        self._asked_at = now if wants else self._asked_at
        return wants

    def _show(self, frames: Sequence[AssembledFrame]) -> None:
        for frame in frames:
            now = time.time()
            self.shown.append(now)
            self.first.set()
            sent = self._publisher.sent.get(frame.data[-TAIL:])
            if sent is not None:
                self.late.append(now - sent)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Gateway:
    """Signalling of a room of ours: WHIP and WHEP."""

    def __init__(self, client: httpx.AsyncClient, room: str, network: WebRtcSettings) -> None:
        self._client = client
        self._room = room
        self._network = network
        self._members: list[str] = []
        self._beats: set[asyncio.Task[httpx.Response]] = set()

    async def member(self) -> str:
        answer = await self._client.post(f"/rooms/{self._room}/members", json={"kind": "person"})
        answer.raise_for_status()
        self._members.append(str(answer.json()["id"]))
        return self._members[-1]

    async def beat(self) -> None:
        while True:
            await asyncio.sleep(2 / max(1, len(self._members)))
            for member in list(self._members):
                path = f"/rooms/{self._room}/members/{member}/heartbeat"
                self._beats.add(beat := asyncio.create_task(self._client.post(path)))
                beat.add_done_callback(self._beats.discard)
                await asyncio.sleep(2 / len(self._members))

    async def publish(self, peer: RTCPeerConnection) -> str:
        member = await self.member()
        await self._offer(peer, f"/whip/rooms/{self._room}?member={member}")
        return member

    async def subscribe(self, peer: RTCPeerConnection, viewer: str, feed: str, subscriber: Subscriber) -> None:
        transceiver = peer.addTransceiver("video", direction="recvonly")
        subscriber.receive(transceiver.receiver)
        await self._offer(peer, f"/whep/rooms/{self._room}/{feed}?viewer={viewer}")

    async def close(self) -> None:
        for member in self._members:
            await self._client.delete(f"/rooms/{self._room}/members/{member}")

    async def _offer(self, peer: RTCPeerConnection, path: str) -> None:
        await peer.createOffer()
        seams.bind_addresses(peer, self._network)
        await peer.setLocalDescription(await peer.createOffer())
        headers = {"Content-Type": "application/sdp"}
        answer = await self._client.post(path, content=peer.localDescription.sdp, headers=headers)
        if answer.is_error:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))


class JanusRoom:
    """Signalling of Janus' videoroom over HTTP."""

    def __init__(self, client: httpx.AsyncClient, room: str, network: WebRtcSettings) -> None:
        self._client = client
        self._room = int(room)
        self._network = network
        self._sessions: list[str] = []

    async def member(self) -> str:
        return ""

    async def beat(self) -> None:
        await asyncio.Event().wait()

    async def publish(self, peer: RTCPeerConnection) -> str:
        session, handle = await self._attach()
        feed = 1 + secrets.randbelow(1 << 30)  # those of an earlier run stay in the room
        await self._ask(handle, {"request": "join", "ptype": "publisher", "room": self._room, "id": feed})
        await self._event(session)
        await peer.createOffer()
        seams.bind_addresses(peer, self._network)
        await peer.setLocalDescription(await peer.createOffer())
        offer = {"type": "offer", "sdp": peer.localDescription.sdp}
        await self._ask(handle, {"request": "publish", "audio": False, "video": True}, offer)
        answer = await self._jsep(session)
        await peer.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        return str(feed)

    async def subscribe(self, peer: RTCPeerConnection, viewer: str, feed: str, subscriber: Subscriber) -> None:
        session, handle = await self._attach()
        streams = [{"feed": int(feed)}]
        join = {"request": "join", "ptype": "subscriber", "room": self._room, "streams": streams}
        await self._ask(handle, join)
        offer = await self._jsep(session)
        await peer.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        seams.bind_addresses(peer, self._network)
        subscriber.receive(peer.getTransceivers()[0].receiver)
        await peer.setLocalDescription(await peer.createAnswer())
        await self._ask(handle, {"request": "start"}, {"type": "answer", "sdp": peer.localDescription.sdp})

    async def close(self) -> None:
        for session in self._sessions:
            await self._post(session, janus="destroy")

    async def _attach(self) -> tuple[str, str]:
        session = f"/{(await self._post('', janus='create'))['data']['id']}"
        self._sessions.append(session)
        attached = await self._post(session, janus="attach", plugin="janus.plugin.videoroom")
        return session, f"{session}/{attached['data']['id']}"

    async def _ask(self, handle: str, body: dict[str, Any], jsep: dict[str, str] | None = None) -> None:
        await self._post(handle, janus="message", body=body, **({"jsep": jsep} if jsep else {}))

    async def _post(self, path: str, **body: Any) -> Any:
        answer = await self._client.post(path, json={"transaction": secrets.token_hex(8), **body})
        return answer.json()

    async def _event(self, session: str) -> dict[str, Any]:
        while True:
            event: dict[str, Any] = (await self._client.get(session, timeout=40)).json()
            if event.get("janus") == "event":
                return event

    async def _jsep(self, session: str) -> dict[str, str]:
        while True:
            event = await self._event(session)
            if "jsep" in event:
                found: dict[str, str] = event["jsep"]
                return found
            if "error" in event.get("plugindata", {}).get("data", {}):
                raise RuntimeError(str(event))


def lossy(share: float) -> None:
    """Lose this share of what the publishers' side sends from now on."""
    send, chance = seams.SecureLine.send, random.Random(11)

    def losing(line: seams.SecureLine, packets: Sequence[tuple[bytes, bytes]]) -> int:
        return send(line, [one for one in packets if chance.random() >= share])

    seams.SecureLine.send = losing  # type: ignore[method-assign, assignment]  # the lossy way


def freezes(shown: list[float], begin: float, end: float) -> list[float]:
    """How long each picture that stood still too long stood, in seconds."""
    times = [begin, *(at for at in shown if begin <= at <= end), end]
    gaps = np.diff(times)
    return [float(gap) for gap in gaps[gaps > FREEZE]]


async def connected(peer: RTCPeerConnection) -> None:
    """Janus knows a feed only from then on."""
    arrived = asyncio.Event()
    peer.on("connectionstatechange", lambda: arrived.set() if peer.connectionState == "connected" else None)
    if peer.connectionState != "connected":
        async with asyncio.timeout(15):
            await arrived.wait()


async def run(asked: dict[str, Any]) -> dict[str, Any]:
    network = WebRtcSettings(addresses=(asked["address"],))
    film: Film = pickle.loads(Path(asked["film"]).read_bytes())  # noqa: S301, ASYNC240 - written by the bench itself
    headers = asked.get("headers", {})
    async with httpx.AsyncClient(base_url=asked["url"], headers=headers, trust_env=False, timeout=30) as client:
        kind = Gateway if asked["kind"] == "gateway" else JanusRoom
        room: Gateway | JanusRoom = kind(client, asked["room"], network)
        peers: list[RTCPeerConnection] = []
        beating = asyncio.create_task(room.beat())

        def new_peer() -> RTCPeerConnection:
            peers.append(seams.new_connection())
            return peers[-1]

        feeds: dict[str, Publisher] = {}
        for _ in range(asked["publishers"]):
            publisher, peer = Publisher(film), new_peer()
            transceiver = peer.addTransceiver(seams.PassThroughTrack("video"), direction="sendonly")
            h264 = [one for one in RTCRtpSender.getCapabilities("video").codecs if "VP8" not in one.mimeType]
            transceiver.setCodecPreferences(h264)
            seams.send_encoded(transceiver.sender, publisher.next_frame, publisher.keyframe)
            feeds[await room.publish(peer)] = publisher
            await connected(peer)
        subscribers: list[Subscriber] = []
        joins: list[float] = []

        async def look() -> None:
            while True:
                for one in subscribers:
                    one.look()
                await asyncio.sleep(0.025)

        looking = asyncio.create_task(look())

        async def subscribe(viewer: str, feed: str) -> RTCPeerConnection:
            subscriber, peer = Subscriber(feeds[feed]), new_peer()
            begun = time.time()
            await room.subscribe(peer, viewer, feed, subscriber)
            subscribers.append(subscriber)
            async with asyncio.timeout(30):
                await subscriber.first.wait()
            joins.append(time.time() - begun)
            return peer

        for _ in range(asked["subscribers"]):
            viewer = await room.member()
            for feed in feeds:
                await subscribe(viewer, feed)
        if asked["loss"]:
            lossy(asked["loss"])
        print("ready", flush=True)
        begin = time.time()
        for one in subscribers:
            one.late.clear()
        await asyncio.sleep(asked["seconds"])
        end, watched = time.time(), list(subscribers)
        viewer = await room.member() if asked["joins"] else ""
        joins = joins if not asked["joins"] else []
        for number in range(asked["joins"]):
            await asyncio.sleep(random.random())
            peer = await subscribe(viewer, list(feeds)[number % len(feeds)])
            await peer.close()
            subscribers.pop()
        late = np.array([one for subscriber in watched for one in subscriber.late] or [np.nan])
        stood = [freezes(one.shown, begin, end) for one in watched]
        gaps = [gap for one in stood for gap in one]
        result = {
            "late_p50_ms": round(float(np.percentile(late, 50)) * 1000, 1),
            "late_p95_ms": round(float(np.percentile(late, 95)) * 1000, 1),
            "pictures": len(late),
            "frozen_share": round(sum(gaps) / (end - begin) / len(watched), 4),
            "frozen_streams": sum(1 for one in stood if one),
            "recovery_p95_ms": round(float(np.percentile(gaps, 95)) * 1000) if gaps else 0,
            "recovery_longest_ms": round(max(gaps, default=0.0) * 1000),
            "join_p50_ms": round(float(np.percentile(joins, 50)) * 1000),
            "join_p95_ms": round(float(np.percentile(joins, 95)) * 1000),
        }
        for task in (looking, beating):
            task.cancel()
        await asyncio.gather(*(peer.close() for peer in peers), return_exceptions=True)
        await room.close()
        return result


def main() -> None:
    print(json.dumps(asyncio.run(run(json.loads(sys.stdin.readline())))), flush=True)


if __name__ == "__main__":
    main()
