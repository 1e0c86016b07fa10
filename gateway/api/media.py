"""What the doors ask of the media side: pictures and viewing of cameras. Offers and answers pass here, no frame."""

from __future__ import annotations

from typing import Protocol

from fastapi import Request

from gateway.processes.messages import Answer, Snapshot, StreamLent
from gateway.refusals import Refusal

MEDIA_TYPE = "application/sdp"
LONGEST_OFFER = 65_536
"""Bytes; a browser's offer for one stream has two to six thousand."""


class CameraMedia(Protocol):
    """Each method raises ``Refusal`` when the camera is not pulled, or its worker is away or too slow."""

    async def snapshot(self, code: str) -> Snapshot: ...
    async def open_viewing(self, code: str, session_id: str, offer: str, *, main: bool = False) -> Answer: ...
    def close_viewing(self, session_id: str) -> None: ...
    async def talk_codec(self, code: str) -> str: ...
    async def open_talk(self, code: str, talk_id: str, offer: str) -> str: ...
    def close_talk(self, talk_id: str) -> None: ...
    async def lend(self, code: str, reader: str, until: float, login: tuple[str, str] | None = None) -> StreamLent: ...
    def withdraw(self, code: str, reader: str) -> None: ...


class NoCameraMedia:
    """Where no workers run, such as in a test of other doors."""

    async def snapshot(self, code: str) -> Snapshot:
        raise _away()

    async def open_viewing(self, code: str, session_id: str, offer: str, *, main: bool = False) -> Answer:
        raise _away()

    def close_viewing(self, session_id: str) -> None:
        return None

    async def talk_codec(self, code: str) -> str:
        raise _away()

    async def open_talk(self, code: str, talk_id: str, offer: str) -> str:
        raise _away()

    def close_talk(self, talk_id: str) -> None:
        return None

    async def lend(self, code: str, reader: str, until: float, login: tuple[str, str] | None = None) -> StreamLent:
        raise _away()

    def withdraw(self, code: str, reader: str) -> None:
        return None


def _away() -> Refusal:
    return Refusal(
        "unavailable", "media_away", "视频处理进程未运行。", "The processes that handle video are not running."
    )


async def sdp_offer(request: Request) -> str:
    """The body of a WHIP or WHEP request. Raises ``Refusal`` for another media type, no text, or too much of it."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Refusal(
            "invalid",
            "not_sdp",
            f"请求内容类型应为 {MEDIA_TYPE}。",
            f"The content type must be {MEDIA_TYPE}.",
            field="content-type",
        )
    body = await request.body()
    if len(body) > LONGEST_OFFER:
        raise Refusal("too_large", "offer_too_large", "SDP 内容过大。", "The offer is too large.")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refusal("invalid", "offer_invalid", "SDP 内容无法解析。", "The offer is not valid SDP.") from None
