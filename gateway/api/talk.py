"""``/api/v1/cameras/{code}/talk`` and ``/api/v1/whip/cameras/{code}``: speaking through a camera's loudspeaker (WHIP).

One person at a time, a minute at most; each speech is in the audit chain before a word is heard.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_lookup import found_camera
from gateway.api.front import PREFIX
from gateway.api.guard import permit
from gateway.api.media import MEDIA_TYPE, sdp_offer
from gateway.api.services import Doors
from gateway.api.whep import SDP_BODY
from gateway.refusals import Refusal
from gateway.storage.ids import new_id
from gateway.streams.talk_line import CANNOT

router = APIRouter(tags=["video"])

Speaker = Annotated[Caller, Depends(permit("cameras.talk"))]


class TalkShown(BaseModel):
    """``offered``: the camera can be spoken through, in ``codec``; else ``detail`` says why not."""

    offered: bool
    codec: Literal["pcm_alaw", "pcm_mulaw"] | None = None
    reason: str | None = None
    detail: str | None = None
    detail_en: str | None = None


@router.get("/cameras/{code}/talk")
async def get_talk(code: str, caller: Speaker, doors: Doors) -> TalkShown:
    """Asks the camera. Refuses where it does not answer now."""
    async with doors.db.reading() as session:
        await found_camera(session, caller, code)
    try:
        codec = await doors.media.talk_codec(code)
    except Refusal as refusal:
        if refusal.reason not in CANNOT:
            raise
        return TalkShown(offered=False, reason=refusal.reason, detail=refusal.zh, detail_en=refusal.en)
    return TalkShown(offered=True, codec="pcm_alaw" if codec == "pcm_alaw" else "pcm_mulaw")


@router.post("/whip/cameras/{code}", status_code=201, response_class=Response, openapi_extra=SDP_BODY)
async def talk(code: str, request: Request, caller: Speaker, doors: Doors) -> Response:
    """Answer a WHIP offer of G.711 sound. Refuses ``camera_spoken_through`` while somebody else speaks; ``Location``
    ends the speech by DELETE, and a minute ends it anyway."""
    offer = await sdp_offer(request)
    async with doors.db.transaction() as session:
        camera = await found_camera(session, caller, code)
        act = audit.Act(caller.username, "camera.talk", f"camera:{code}", camera.platform)
        await audit.append(session, act, doors.clock())
    talk_id = new_id()
    answer = await doors.media.open_talk(code, f"{caller.username}:{talk_id}", offer)
    return Response(answer, 201, {"Location": f"{PREFIX}/whip/talks/{talk_id}"}, MEDIA_TYPE)


@router.delete("/whip/talks/{talk_id}", status_code=204)
async def stop_talking(talk_id: str, caller: Speaker, doors: Doors) -> None:
    """End one's own speech; one that has ended already does no harm."""
    doors.media.close_talk(f"{caller.username}:{talk_id}")
