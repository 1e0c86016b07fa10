"""One WebRTC peer: answers its offer, watches that it connects and stays, and closes once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import ClassVar

import structlog
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.rtcrtpparameters import RTCRtpCodecCapability

from gateway.refusals import Refusal
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams.frame import PictureCodec
from gateway.streams.offers import Offer, malformed

log = structlog.get_logger(__name__)

CONNECT_WITHIN = 15.0
ANSWER_WITHIN = 5.0
CLOSE_WITHIN = 5.0


class Peer:
    """A peer that offered. ``on_ended`` is told once, with a reason, when it is over by any cause but ``close``.
    ``closed`` counts those of this process that were closed."""

    closed: ClassVar[int] = 0

    def __init__(
        self, network: WebRtcSettings, on_ended: Callable[[str], None], *, connect_within: float = CONNECT_WITHIN
    ) -> None:
        self._network = network
        self._on_ended = on_ended
        self._connect_within = connect_within
        self._connection: RTCPeerConnection = seams.new_connection()
        self._connection.on("connectionstatechange", self._state_changed)
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False

    @property
    def state(self) -> str:
        return self._connection.connectionState

    def prepare_sending(
        self, offer: Offer, *, video: bool, audio: bool, sound: str = "audio/opus"
    ) -> dict[str, RTCRtpSender]:
        """Senders by kind (``video``: whatever of the offer's ``pictures`` a frame is in, ``audio``: that of the MIME
        type ``sound``), of the kinds asked for that are offered."""
        prepared = {}
        for kind, wanted in self._in_order(offer, video, audio):
            if wanted:
                transceiver = self._connection.addTransceiver(seams.PassThroughTrack(kind), direction="sendonly")
                transceiver.setCodecPreferences(_preferred(kind, offer.pictures, sound))
                prepared[kind] = transceiver.sender
        return prepared

    def prepare_receiving(
        self, offer: Offer, *, video: bool, audio: bool, sound: str = "audio/opus"
    ) -> dict[str, RTCRtpReceiver]:
        """Receivers by kind, as ``prepare_sending``; of the offer's ``pictures`` the first alone is agreed."""
        prepared = {}
        for kind, wanted in self._in_order(offer, video, audio):
            if wanted:
                transceiver = self._connection.addTransceiver(kind, direction="recvonly")
                transceiver.setCodecPreferences(_preferred(kind, offer.pictures[:1], sound))
                prepared[kind] = transceiver.receiver
        return prepared

    def _in_order(self, offer: Offer, video: bool, audio: bool) -> Iterator[tuple[str, bool]]:
        """aiortc closes the shared transport when transceivers stand in another order than the offer's media; and
        preferences set after the offer are ignored (VP8 would be agreed). So each offered medium gets its own, now."""
        for kind in offer.kinds:
            wanted = video if kind == "video" else audio
            if not wanted:
                self._connection.addTransceiver(kind, direction="inactive")
            yield kind, wanted

    async def answer(self, offer: Offer) -> str:
        """The SDP answer, with all our candidates. Refuses what cannot be answered (``sdp_unanswerable``), or not in
        time (``answer_late``); then the peer is closed."""
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._connection.setRemoteDescription(RTCSessionDescription(offer.text, "offer"))
                seams.bind_addresses(self._connection, self._network)
                await self._connection.setLocalDescription(await self._connection.createAnswer())
        except TimeoutError:
            await self.close()
            raise Refusal(
                "unavailable", "answer_late", "网关繁忙，未能及时应答，请重试", "the gateway is busy; try again shortly"
            ) from None
        except (ValueError, OperationError, InvalidAccessError, InvalidStateError) as error:
            await self.close()
            raise malformed("sdp_unanswerable") from error
        except BaseException:
            await self.close()
            raise
        self._timer = asyncio.get_running_loop().call_later(self._connect_within, self._too_late)
        return self._connection.localDescription.sdp

    async def close(self) -> None:
        """Close for good; harmless when closed already."""
        Peer.closed += 1
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._connection.close()
        except TimeoutError:
            log.warning("peer_close_timed_out")

    def _state_changed(self) -> None:
        state = self._connection.connectionState
        if state == "connected" and self._timer is not None:
            self._timer.cancel()
        elif state in ("failed", "closed"):
            self._end("connection_lost")

    def _too_late(self) -> None:
        if self._connection.connectionState != "connected":
            self._end("never_connected")

    def _end(self, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._on_ended(reason)


def _preferred(kind: str, pictures: tuple[PictureCodec, ...], sound: str = "audio/opus") -> list[RTCRtpCodecCapability]:
    codecs = RTCRtpSender.getCapabilities(kind).codecs
    if kind == "audio":
        return [codec for codec in codecs if codec.mimeType.lower() == sound]
    codecs.sort(key=lambda codec: codec.parameters.get("profile-level-id") != "42e01f")
    return [codec for name in (*pictures, "rtx") for codec in codecs if codec.mimeType.lower() == f"video/{name}"]
