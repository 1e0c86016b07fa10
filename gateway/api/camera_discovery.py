"""``/api/v1/cameras/discover`` and ``/api/v1/cameras/discoveries``: cameras found on the network; none is registered.

``discover`` answers within a request. A sweep of larger ranges is a job: started, followed by ``GET`` or on the live
stream (``camera.discovery``), and ended by ``DELETE`` at any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import or_, select

from camera_registry.discovery import Wanted
from camera_registry.found_devices import DiscoveredDevice
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_network import CameraNetwork
from gateway.api.camera_reach import network_of
from gateway.api.discovery_jobs import DiscoveryJob
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.live import Notice
from gateway.refusals import Refusal
from gateway.storage.tables.cameras import CameraRow

router = APIRouter(tags=["cameras"])

Network = Annotated[CameraNetwork, Depends(network_of)]
Discoverer = Annotated[Caller, Depends(permit("cameras.discover"))]
Port = Annotated[int, Field(ge=1, le=65535)]


class DiscoveryAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    interfaces: list[Annotated[str, Field(max_length=64)]] | None = Field(
        default=None, max_length=64, description="IPv4 addresses of this machine to search from; left out: all."
    )
    targets: list[Annotated[str, Field(max_length=400)]] = Field(
        default=[],
        max_length=256,
        description="host[:port] to probe; then these alone, unless interfaces are given.",
    )
    ranges: list[Annotated[str, Field(max_length=100)]] = Field(
        default=[],
        max_length=256,
        description="Networks (192.0.2.0/24), from–to, or addresses, each asked for its clock.",
    )
    ports: list[Port] = Field(default=[80], min_length=1, max_length=16, description="HTTP ports to ask in the ranges.")
    rate: float = Field(default=200.0, ge=1, le=1000, description="Addresses of the ranges asked a second.")
    seconds: float = Field(default=3.0, gt=0, le=15, description="How long answers to probes are waited for.")


class DeviceShown(BaseModel):
    """``code``: of the camera in your scope as which the device is registered already."""

    address: str
    endpoint_reference: str
    name: str
    model: str
    scopes: list[str]
    found_by: str = Field(description="multicast, directed or sweep: what found it first")
    ways: list[str] = Field(description="All it was found by.")
    code: str | None


class DeviceList(BaseModel):
    devices: list[DeviceShown]


class JobProgress(BaseModel):
    """A search: ``found`` devices, ``asked`` of ``total`` addresses of its ranges."""

    id: str
    state: str = Field(description="running, done, cancelled or failed")
    reason: str | None
    detail: str | None
    detail_en: str | None
    found: int
    asked: int
    total: int
    started_by: str
    started_at: datetime
    ended_at: datetime | None


class JobShown(JobProgress):
    devices: list[DeviceShown]


class JobList(BaseModel):
    items: list[JobProgress]


@router.post("/cameras/discover")
async def discover_cameras(
    caller: Discoverer, doors: Doors, network: Network, asked: DiscoveryAsked | None = None
) -> DeviceList:
    """Search for ONVIF devices, for 20 s at most, one search at a time. For larger ranges see ``discoveries``."""
    found = await network.search(_wanted(network, asked or DiscoveryAsked()))
    shown = await _shown(doors, caller, found)
    async with doors.db.transaction() as session:
        act = audit.Act(caller.username, "cameras.discover", "cameras", caller.platform, why=f"found {len(found)}")
        await audit.append(session, act, doors.clock())
    return DeviceList(devices=shown)


@router.post("/cameras/discoveries", status_code=202)
async def start_discovery(
    caller: Discoverer, doors: Doors, network: Network, asked: DiscoveryAsked | None = None
) -> JobProgress:
    """Begin a search that goes on by itself."""
    asked = asked or DiscoveryAsked()
    wanted = _wanted(network, asked)
    await network.checked(wanted)
    async with doors.db.transaction() as session:
        why = ", ".join(asked.ranges)[:200] or "probes"
        await audit.append(
            session, audit.Act(caller.username, "cameras.discover", "cameras", caller.platform, why=why), doors.clock()
        )

    def tell(job: DiscoveryJob) -> None:
        doors.live.publish(Notice("camera.discovery", job.platform, _progress(job).model_dump(mode="json")))

    return _progress(network.jobs.start(wanted, caller.platform, caller.username, tell))


@router.get("/cameras/discoveries")
async def list_discoveries(caller: Discoverer, network: Network) -> JobList:
    """The last few searches of your scope, the newest first."""
    return JobList(items=[_progress(job) for job in network.jobs.listed() if caller.sees(job.platform)])


@router.get("/cameras/discoveries/{job_id}")
async def get_discovery(job_id: str, caller: Discoverer, doors: Doors, network: Network) -> JobShown:
    """How far it is, and the devices found so far."""
    return await _job(doors, caller, _found(network, caller, job_id))


@router.delete("/cameras/discoveries/{job_id}")
async def cancel_discovery(job_id: str, caller: Discoverer, doors: Doors, network: Network) -> JobShown:
    """End it now; what it has found stays."""
    job = _found(network, caller, job_id)
    await network.jobs.cancel(job)
    return await _job(doors, caller, job)


def _wanted(network: CameraNetwork, asked: DiscoveryAsked) -> Wanted:
    return network.wanted(
        asked.interfaces, asked.targets, asked.ranges, asked.ports, seconds=asked.seconds, rate=asked.rate
    )


def _found(network: CameraNetwork, caller: Caller, job_id: str) -> DiscoveryJob:
    job = network.jobs.get(job_id)
    if job is None or not caller.sees(job.platform):
        raise Refusal("not_found", "discovery_unknown", "没有这次搜索。", "There is no such search.")
    return job


def _progress(job: DiscoveryJob) -> JobProgress:
    return JobProgress(
        id=job.id,
        state=job.state,
        reason=job.reason.code if job.reason else None,
        detail=job.reason.zh if job.reason else None,
        detail_en=job.reason.en if job.reason else None,
        found=len(job.progress.found),
        asked=job.progress.asked,
        total=job.progress.total,
        started_by=job.started_by,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )


async def _job(doors: Services, caller: Caller, job: DiscoveryJob) -> JobShown:
    devices = await _shown(doors, caller, job.progress.found.devices)
    return JobShown(**_progress(job).model_dump(), devices=devices)


async def _shown(doors: Services, caller: Caller, found: Iterable[DiscoveredDevice]) -> list[DeviceShown]:
    """With the codes of those that are registered."""
    async with doors.db.reading() as session:
        known = await session.execute(
            select(CameraRow.code, CameraRow.onvif_address, CameraRow.endpoint_reference).where(
                CameraRow.status != "removed",
                caller.visible(CameraRow.platform),
                or_(CameraRow.onvif_address.is_not(None), CameraRow.endpoint_reference.is_not(None)),
            )
        )
        codes = {key: row.code for row in known for key in (row.onvif_address, row.endpoint_reference) if key}
    return [
        DeviceShown(
            address=device.address,
            endpoint_reference=device.endpoint_reference,
            name=device.name,
            model=device.model,
            scopes=list(device.scopes),
            found_by=device.found_by,
            ways=list(device.ways),
            code=codes.get(device.endpoint_reference) or codes.get(device.address),
        )
        for device in found
    ]
