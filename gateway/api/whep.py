"""``/api/v1/whep/cameras/…``: live video of a camera to a browser (WHEP), copied from the one pull of a stream that it
can play, and transcoded only where the camera has none."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from gateway.access.caller import Caller
from gateway.access.grants import Viewed, view
from gateway.api.front import PREFIX
from gateway.api.guard import GrantCited, permit
from gateway.api.media import MEDIA_TYPE, sdp_offer
from gateway.api.services import Doors
from gateway.processes.messages import Answer
from gateway.refusals import Refusal
from gateway.storage.ids import new_id

router = APIRouter(tags=["video"])

SDP_BODY = {
    "requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}, "description": "Offer"}
}
NOTE_HEADER = "X-Stream-Note"


@router.post("/whep/cameras/{code}", status_code=201, response_class=Response, openapi_extra=SDP_BODY)
async def watch_camera(
    code: str,
    request: Request,
    caller: Annotated[Caller, Depends(permit("video.view"))],
    doors: Doors,
    grant: GrantCited,
    stream: Annotated[
        Literal["playable", "main"],
        Query(
            description="playable: the sub-stream where browsers can play that one alone; main: the main stream, "
            "transcoded where they cannot play it. X-Stream-Note tells what came."
        ),
    ] = "playable",
) -> Response:
    """Answer a WHEP offer. The view is in the audit chain before a picture flows; ``Location`` ends it by DELETE."""
    offer = await sdp_offer(request)
    async with doors.db.transaction() as session:
        camera = await doors.cameras.fact(session, code)
        if camera is None or not caller.sees(camera.platform):
            raise Refusal("not_found", "camera_unknown", "没有这台摄像机。", "There is no such camera.", field="code")
        seen = Viewed("live", f"camera:{code}", code, camera.platform)
        await view(session, caller, grant, seen, doors.clock())
    session_id = new_id()
    main = stream == "main"
    answer = await doors.media.open_viewing(code, f"{caller.username}:{session_id}", offer, main=main)
    return answered(answer, f"{PREFIX}/whep/sessions/{session_id}")


def answered(answer: Answer, location: str) -> Response:
    """``location`` ends the session by DELETE."""
    headers = {"Location": location}
    if answer.note:
        headers[NOTE_HEADER] = answer.note
    return Response(answer.sdp, 201, headers, MEDIA_TYPE)


@router.delete("/whep/sessions/{session_id}", status_code=204)
async def stop_watching(
    session_id: str, caller: Annotated[Caller, Depends(permit("video.view"))], doors: Doors
) -> None:
    """End one's own viewing; one that has ended already does no harm."""
    doors.media.close_viewing(f"{caller.username}:{session_id}")
