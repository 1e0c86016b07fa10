"""Speaking through cameras from a browser (WHIP, RFC 9725): one person at a time, for a bounded time.

Browsers send G.711 over WebRTC where they are asked for nothing else, and cameras take it: nothing is decoded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from gateway.refusals import Refusal
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams
from gateway.streams.address import StreamAddress
from gateway.streams.offers import read_offer
from gateway.streams.outgoing_sound import PCMA, PCMU
from gateway.streams.peer import Peer
from gateway.streams.pull_reasons import PullEnded
from gateway.streams.rtsp_in_sdp import TalkCodec
from gateway.streams.talk_line import CANNOT, TalkLine, talk_track
from gateway.streams.way import Way

log = structlog.get_logger(__name__)

LONGEST = 60.0
"""Seconds of one speech: whoever forgets to let go does not sound in a street for ever."""
BYTES_PER_SECOND = 8000
"""Of G.711. What a browser sends beyond it, and a second in advance, is let go."""
LARGEST_PACKET = 1200
KNOWN_FOR = 600.0
"""Seconds for which a camera is not asked again what it takes."""
_MIME: dict[TalkCodec, str] = {"pcm_alaw": PCMA, "pcm_mulaw": PCMU}


@dataclass
class _Speech:
    talk_id: str
    code: str
    line: TalkLine | None = None
    peer: Peer | None = None
    running: asyncio.Task[None] | None = None
    ends: asyncio.TimerHandle | None = None
    begun: float = 0.0
    taken: int = 0
    last: int | None = field(default=None)


class TalkDoor:
    """All speeches of a process; ``on_closed`` hears each end with its reason."""

    def __init__(
        self,
        network: WebRtcSettings,
        way: Way,
        *,
        longest: float = LONGEST,
        on_closed: Callable[[str, str], None] | None = None,
    ) -> None:
        self._network = network
        self._way = way
        self._longest = longest
        self._on_closed = on_closed
        self._speeches: dict[str, _Speech] = {}
        self._known: dict[str, tuple[StreamAddress, float, TalkCodec | Refusal]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def speaking(self) -> int:
        return len(self._speeches)

    async def codec(self, code: str, address: StreamAddress) -> TalkCodec:
        """What a camera's loudspeaker takes; refuses as ``TalkLine.open``."""
        now = asyncio.get_running_loop().time()
        known = self._known.get(code)
        if known is None or known[0] != address or now - known[1] > KNOWN_FOR:
            learnt: TalkCodec | Refusal
            try:
                learnt = (await talk_track(address, self._way)).codec
            except Refusal as refusal:
                if refusal.reason not in CANNOT:
                    raise
                learnt = refusal
            known = self._known[code] = (address, now, learnt)
        if isinstance(known[2], Refusal):
            raise known[2]
        return known[2]

    async def open(self, code: str, address: StreamAddress, offer_sdp: str, talk_id: str) -> str:
        """Answer the offer of whoever speaks through a camera. Refuses ``camera_spoken_through``, the reasons of
        ``TalkLine.open`` and of ``offers.read_offer``, and ``g711_not_offered``."""
        if any(one.code == code for one in self._speeches.values()) or talk_id in self._speeches:
            raise Refusal(
                "conflict",
                "camera_spoken_through",
                "已有人正在通过该摄像机喊话，请稍后再试",
                "somebody speaks through this camera already; try again shortly",
            )
        speech = self._speeches[talk_id] = _Speech(talk_id, code)
        try:
            return await self._opened(speech, address, offer_sdp)
        except BaseException:
            await self._end(speech, "refused")
            raise

    async def close(self, talk_id: str, reason: str = "closed") -> None:
        """End a speech; one that has ended already does no harm."""
        speech = self._speeches.get(talk_id)
        if speech is not None:
            await self._end(speech, reason)

    def leave(self, code: str) -> None:
        """The camera is pulled no more."""
        self._known.pop(code, None)
        for speech in tuple(self._speeches.values()):
            if speech.code == code:
                self._end_later(speech, "camera_released")

    async def close_all(self) -> None:
        await asyncio.gather(*(self.close(key, "shut_down") for key in tuple(self._speeches)))
        if self._closing:
            await asyncio.wait(self._closing)

    async def _opened(self, speech: _Speech, address: StreamAddress, offer_sdp: str) -> str:
        offer = read_offer(offer_sdp)
        if not {PCMA, PCMU} & offer.sound:
            raise _not_g711()
        line = speech.line = await TalkLine.open(address, self._way)
        self._goes_on(speech)
        mime = _MIME[line.track.codec]
        if mime not in offer.sound:
            raise _not_g711()
        loop = asyncio.get_running_loop()
        speech.begun = loop.time()
        speech.running = asyncio.create_task(self._run(speech, line), name=f"talk-{speech.code}")
        speech.ends = loop.call_later(self._longest, self._end_later, speech, "time_over")
        peer = speech.peer = Peer(self._network, lambda reason: self._end_later(speech, reason))
        receivers = peer.prepare_receiving(offer, video=False, audio=True, sound=mime)
        seams.receive_encoded(receivers["audio"], lambda packet: self._take(speech, line, packet))
        answer = await peer.answer(offer)
        self._goes_on(speech)
        log.info("talk_opened", talk=speech.talk_id, camera=speech.code, codec=line.track.codec)
        return answer

    def _goes_on(self, speech: _Speech) -> None:
        """Refuses where it was ended meanwhile."""
        if self._speeches.get(speech.talk_id) is not speech:
            if speech.line is not None:
                speech.line.close()
            raise Refusal("unavailable", "talk_ended", "喊话已结束", "the speech has ended")

    def _take(self, speech: _Speech, line: TalkLine, packet: seams.IncomingPacket) -> bool:
        passed = asyncio.get_running_loop().time() - speech.begun
        late = speech.last is not None and not 0 < (packet.sequence_number - speech.last) & 0xFFFF < 0x8000
        size = len(packet.data)
        if late or not 0 < size <= LARGEST_PACKET or speech.taken + size > BYTES_PER_SECOND * (passed + 1):
            return False
        begins, speech.last = speech.last is None, packet.sequence_number
        speech.taken += size
        try:
            line.say(packet.sequence_number, packet.timestamp, packet.data, begins=begins)
        except OSError:
            self._end_later(speech, "camera_lost")
        return False

    async def _run(self, speech: _Speech, line: TalkLine) -> None:
        try:
            await line.run()
        except PullEnded:
            self._end_later(speech, "camera_lost")

    def _end_later(self, speech: _Speech, reason: str) -> None:
        if self._speeches.get(speech.talk_id) is not speech:
            return
        task = asyncio.get_running_loop().create_task(self._end(speech, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _end(self, speech: _Speech, reason: str) -> None:
        if self._speeches.get(speech.talk_id) is not speech:
            return
        del self._speeches[speech.talk_id]
        if speech.ends is not None:
            speech.ends.cancel()
        if speech.running is not None:
            speech.running.cancel()
        if speech.line is not None:
            speech.line.close()
        if speech.peer is not None:
            await speech.peer.close()
        log.info(
            "talk_closed",
            talk=speech.talk_id,
            camera=speech.code,
            reason=reason,
            seconds_of_sound=round(speech.taken / BYTES_PER_SECOND, 1),
        )
        if self._on_closed is not None:
            self._on_closed(speech.talk_id, reason)


def _not_g711() -> Refusal:
    return Refusal(
        "invalid",
        "g711_not_offered",
        "浏览器未提供摄像机所需的 G.711 音频",
        "the offer has no G.711 sound such as the camera takes",
        field="offer",
    )
