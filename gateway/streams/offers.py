"""Reads a WHIP or WHEP offer before aiortc sees it: bounded, complete, and free of names that would need a look-up."""

from __future__ import annotations

from dataclasses import dataclass

from aiortc import sdp
from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs

from gateway.refusals import Refusal
from gateway.streams.frame import PictureCodec

MOST_BYTES = 64 * 1024
MOST_MEDIA = 4
MOST_CANDIDATES = 64
PREFERRED: tuple[PictureCodec, ...] = ("h264", "vp8")
"""H.264 is what cameras and conference terminals speak; not every browser has it, every one has VP8 (RFC 7742)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer fit to be answered. ``kinds`` of its media, in its order; ``pictures``: the codecs that can be agreed,
    the preferred one first; ``sound``: MIME types of the sound that is offered, in lower case."""

    text: str
    kinds: tuple[str, ...]
    pictures: tuple[PictureCodec, ...]
    sound: frozenset[str]

    @property
    def opus(self) -> bool:
        return "audio/opus" in self.sound

    @property
    def h264(self) -> bool:
        return "h264" in self.pictures


def malformed(reason: str = "sdp_malformed") -> Refusal:
    return Refusal("invalid", reason, "SDP 提议无法解析", "the SDP offer cannot be read", field="offer")


def read_offer(text: str) -> Offer:
    """Check an SDP offer. Refuses ``sdp_too_large``, ``sdp_malformed``, ``sdp_incomplete``, ``sdp_unserved_media``."""
    if len(text) > MOST_BYTES:
        raise Refusal("too_large", "sdp_too_large", "SDP 提议过大", "the SDP offer is too large", field="offer")
    text = _without_names(text)
    try:
        session = sdp.SessionDescription.parse(text)
    except (ValueError, AssertionError, LookupError, AttributeError, TypeError, StopIteration) as error:
        raise malformed() from error
    if not 0 < len(session.media) <= MOST_MEDIA:
        raise malformed()
    kinds = [media.kind for media in session.media]
    if any(kind not in ("audio", "video") or kinds.count(kind) > 1 for kind in kinds):
        raise Refusal(
            "invalid",
            "sdp_unserved_media",
            "提议只能包含一路视频和一路音频",
            "an offer may hold one video and one audio medium, nothing else",
            field="offer",
        )
    bundle = next((group for group in session.group if group.semantic == "BUNDLE"), None)
    if len(kinds) > 1 and (bundle is None or list(bundle.items) != [media.rtp.muxId for media in session.media]):
        raise malformed("sdp_not_bundled")
    for media in session.media:
        known = media.ice is not None and media.ice.usernameFragment and media.ice.password
        if not known or media.dtls is None or not media.dtls.fingerprints or not media.rtp.muxId:
            raise malformed("sdp_incomplete")
        if len(media.ice_candidates) > MOST_CANDIDATES:
            raise malformed()
    codecs = {codec.mimeType.lower() for media in session.media for codec in media.rtp.codecs}
    sound = frozenset(codec for codec in codecs if codec.startswith("audio/"))
    video = [codec for media in session.media if media.kind == "video" for codec in media.rtp.codecs]
    try:
        # Of H.264 the packetization mode and the profile must be agreed as well, not the name alone.
        common = {codec.name.lower() for codec in find_common_codecs(CODECS["video"], video)}
    except (ValueError, TypeError) as error:
        raise malformed() from error
    return Offer(text, tuple(kinds), tuple(codec for codec in PREFERRED if codec in common), sound)


def pictures_offered(offer: Offer) -> None:
    """Refuses an offer of video that holds no codec of ours."""
    if not offer.pictures:
        raise Refusal(
            "invalid", "codecs_not_offered", "浏览器未提供 H.264 或 VP8 视频", "the offer has neither H.264 nor VP8",
            field="offer",
        )  # fmt: skip


def _without_names(text: str) -> str:
    """Leave out mDNS candidates and the end of candidates: resolving them takes seconds where multicast is filtered,
    and is not needed, since the browser's own checks tell its address (peer-reflexive, RFC 8445 section 7.3.1.3)."""
    lines = text.replace("\r\n", "\n").split("\n")
    kept = [
        line
        for line in lines
        if not (line.startswith("a=candidate:") and ".local " in line) and line.strip() != "a=end-of-candidates"
    ]
    return "\r\n".join(kept)
