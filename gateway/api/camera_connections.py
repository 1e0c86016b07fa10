"""``/api/v1/cameras/connections``: cameras that an import put on record, connected many at a time.

A job: started, followed by ``GET`` or on the live stream (``camera.connection``), ended by ``DELETE`` at any time. Each
camera's outcome is told with its reason, which stays in its record too, so those that failed can be tried again alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from camera_registry.login import device_of
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_connection import connect_camera
from gateway.api.camera_network import CameraNetwork
from gateway.api.camera_reach import network_of
from gateway.api.camera_shown import CONNECT_FAILED
from gateway.api.connection_jobs import ConnectionJob, Outcome, Waiting
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.live import Notice
from gateway.refusals import Refusal
from gateway.storage.tables.cameras import CameraRow

router = APIRouter(tags=["cameras"])

MOST_CAMERAS = 20_000
AT_ONCE = 500
Network = Annotated[CameraNetwork, Depends(network_of)]
Writer = Annotated[Caller, Depends(permit("cameras.write"))]


class ConnectionsAsked(BaseModel):
    """Which of the cameras that wait to be connected: all of them, or those whose last try failed; or these alone."""

    model_config = ConfigDict(extra="forbid")

    which: Literal["awaiting", "failed"] = "awaiting"
    platform: str | None = Field(default=None, max_length=32)
    codes: list[Annotated[str, Field(max_length=20)]] | None = Field(
        default=None, min_length=1, max_length=MOST_CAMERAS, description="One that is connected is left alone."
    )


class ConnectionProgress(BaseModel):
    id: str
    state: str = Field(description="running, done, cancelled or failed")
    reason: str | None
    detail: str | None
    detail_en: str | None
    total: int
    connected: int
    left_alone: int = Field(description="Connected already.")
    failed: int
    started_by: str
    started_at: datetime
    ended_at: datetime | None


class ConnectionResult(BaseModel):
    code: str
    name: str
    outcome: str = Field(description="connected, left_alone or failed")
    reason: str | None
    detail: str | None
    detail_en: str | None
    at: datetime


class ConnectionShown(ConnectionProgress):
    results: list[ConnectionResult] = Field(description="The newest first.")
    results_total: int = Field(description="How many there are of the outcome asked for.")


class ConnectionList(BaseModel):
    items: list[ConnectionProgress]


@router.post("/cameras/connections", status_code=202)
async def start_connections(
    caller: Writer, doors: Doors, network: Network, asked: ConnectionsAsked | None = None
) -> ConnectionProgress:
    """Begin to connect them, by the credential sets of their networks. It goes on by itself."""
    asked = asked or ConnectionsAsked()
    cameras = await _waiting(doors, caller, asked)
    if not cameras:
        raise Refusal(
            "conflict", "nothing_to_connect", "没有待接入的摄像机。", "No camera waits to be connected.", field="which"
        )

    async def connect(code: str) -> bool:
        return await connect_camera(doors, network, caller, code)

    def tell(job: ConnectionJob) -> None:
        doors.live.publish(Notice("camera.connection", job.platform, _progress(job).model_dump(mode="json")))

    job = network.connections.start(cameras, connect, caller.platform, caller.username, tell)
    try:
        async with doors.db.transaction() as session:
            why = f"{len(cameras)} {'chosen' if asked.codes else asked.which}"
            act = audit.Act(caller.username, "cameras.connect", "cameras", caller.platform, why=why)
            await audit.append(session, act, doors.clock())
    except Refusal:
        await network.connections.cancel(job)
        raise
    return _progress(job)


@router.get("/cameras/connections")
async def list_connections(caller: Writer, network: Network) -> ConnectionList:
    """The last few of your scope, the newest first."""
    return ConnectionList(items=[_progress(job) for job in network.connections.listed() if caller.sees(job.platform)])


@router.get("/cameras/connections/{job_id}")
async def get_connections(
    job_id: str,
    caller: Writer,
    network: Network,
    outcome: Outcome | None = None,
    limit: Annotated[int, Query(ge=0, le=MOST_CAMERAS)] = 200,
    offset: Annotated[int, Query(ge=0, le=MOST_CAMERAS)] = 0,
) -> ConnectionShown:
    """How far it is, and what became of each camera so far."""
    return _shown(_found(network, caller, job_id), outcome, limit, offset)


@router.delete("/cameras/connections/{job_id}")
async def cancel_connections(job_id: str, caller: Writer, network: Network) -> ConnectionShown:
    """End it now; what it has connected stays connected."""
    job = _found(network, caller, job_id)
    await network.connections.cancel(job)
    return _shown(job, None, 200, 0)


async def _waiting(doors: Services, caller: Caller, asked: ConnectionsAsked) -> list[Waiting]:
    row = CameraRow
    query = select(row.code, row.name, row.onvif_address, row.stream_url).where(caller.visible(row.platform))
    if asked.platform is not None:
        query = query.where(row.platform == asked.platform)
    if asked.codes is None:
        query = query.where(row.status == "awaiting").limit(MOST_CAMERAS)
        if asked.which == "failed":
            query = query.where(row.health_reason.startswith(CONNECT_FAILED, autoescape=True))
    else:
        query = query.where(row.status != "removed")
    portions = [None] if asked.codes is None else _portions(list(dict.fromkeys(asked.codes)))
    found = []
    async with doors.db.reading() as session:
        for portion in portions:
            wanted = query if portion is None else query.where(row.code.in_(portion))
            found += list(await session.execute(wanted.order_by(row.code)))
    return [Waiting(code, name, device_of(onvif or stream)) for code, name, onvif, stream in found]


def _portions(codes: list[str]) -> list[list[str] | None]:
    return [codes[start : start + AT_ONCE] for start in range(0, len(codes), AT_ONCE)]


def _found(network: CameraNetwork, caller: Caller, job_id: str) -> ConnectionJob:
    job = network.connections.get(job_id)
    if job is None or not caller.sees(job.platform):
        raise Refusal("not_found", "connection_unknown", "没有这次批量接入。", "There is no such job.")
    return job


def _progress(job: ConnectionJob) -> ConnectionProgress:
    return ConnectionProgress(
        id=job.id,
        state=job.state,
        reason=job.reason.code if job.reason else None,
        detail=job.reason.zh if job.reason else None,
        detail_en=job.reason.en if job.reason else None,
        total=job.total,
        **job.counts,
        started_by=job.started_by,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )


def _shown(job: ConnectionJob, outcome: Outcome | None, limit: int, offset: int) -> ConnectionShown:
    results = [one for one in reversed(job.results) if outcome is None or one.outcome == outcome]
    return ConnectionShown(
        **_progress(job).model_dump(),
        results=[
            ConnectionResult(
                code=one.code,
                name=one.name,
                outcome=one.outcome,
                reason=one.reason.code if one.reason else None,
                detail=one.reason.zh if one.reason else None,
                detail_en=one.reason.en if one.reason else None,
                at=one.at,
            )
            for one in results[offset : offset + limit]
        ],
        results_total=len(results),
    )
