"""A fleet of virtual cameras: footage, ONVIF devices, RTSP streams and discovery started and stopped as one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import structlog

from gateway.virtual.answers import DeviceFacts, ServedProfile
from gateway.virtual.camera import VirtualCamera
from gateway.virtual.device import Device
from gateway.virtual.discovery_responder import Announced, Responder, respond_directed, respond_multicast
from gateway.virtual.footage import Footage, Prepared, Progress, prepare_footage
from gateway.virtual.system_python import RtspProcess, ServedCamera, ServedStream, require_gstreamer

log = structlog.get_logger(__name__)

_SERIALS = uuid.UUID("6f9d3c1e-6c54-5a0e-9a36-0d8a4c1f7e21")
"""Namespace of the devices' identities: the same camera out of the same folder has the same one at every start, and two
fleets on one network are never taken for one another."""


def _system_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class VirtualDevice:
    """A camera of the running fleet, as whoever registers it needs it."""

    camera: VirtualCamera
    onvif_address: str
    rtsp_url: str
    """Address of the main stream, without the login."""
    discovery_target: str
    """``host:port`` that answers directed probes for this device alone."""
    endpoint_reference: str
    device: Device = field(repr=False)


class VirtualFleet:
    """``async with VirtualFleet(cameras, folder) as fleet: fleet.devices``.

    ``folder`` keeps the prepared footage for the next start. ``multicast``: answer WS-Discovery's multicast on
    ``host``'s interface too; where the machine does not let us, that is logged and directed probes remain.
    """

    def __init__(
        self,
        cameras: Sequence[VirtualCamera],
        folder: Path,
        *,
        host: str = "127.0.0.1",
        multicast: bool = True,
        clock: Callable[[], datetime] = _system_clock,
    ) -> None:
        self._cameras = tuple(cameras)
        self._folder = folder
        self._host = host
        self._multicast = multicast
        self._clock = clock
        self._stack = AsyncExitStack()
        self.devices: tuple[VirtualDevice, ...] = ()

    async def start(self, progress: Progress | None = None) -> None:
        """Prepare the footage and open every door. Raises ``Refusal`` (GStreamer missing, footage unreadable)."""
        await require_gstreamer()
        wanted = [footage for camera in self._cameras for footage in (camera.footage, camera.sub) if footage]
        prepared = await prepare_footage(wanted, self._folder, progress)
        try:
            await self._open(prepared)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close every door; one that was never opened does no harm."""
        self.devices = ()
        await self._stack.aclose()

    async def __aenter__(self) -> VirtualFleet:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _open(self, prepared: dict[Footage, Prepared]) -> None:
        served = [_served(camera, prepared) for camera in self._cameras]
        rtsp = await RtspProcess.start(served, self._host)
        self._stack.push_async_callback(rtsp.stop)
        devices = []
        for number, (camera, rtsp_port) in enumerate(zip(self._cameras, rtsp.ports, strict=True)):
            devices.append(await self._device(number, camera, rtsp_port, prepared))
        self.devices = tuple(devices)
        if self._multicast:
            await self._answer_multicast()
        log.info("virtual_fleet_ready", cameras=len(self.devices))

    async def _device(
        self, number: int, camera: VirtualCamera, rtsp_port: int, prepared: dict[Footage, Prepared]
    ) -> VirtualDevice:
        profiles = _profiles(camera, prepared)
        posters = {"main": prepared[camera.footage].poster, "sub": prepared[camera.sub or camera.footage].poster}
        device = Device(camera.username, camera.password, camera.quirks, posters, self._clock)
        await device.open(self._host)
        self._stack.push_async_callback(device.close)
        identity = uuid.uuid5(_SERIALS, f"{self._folder.absolute()}:{number}:{camera.name}")
        advertised = camera.quirks.advertised_host or self._host
        device.facts = DeviceFacts(
            name=camera.name,
            model=camera.model,
            serial=f"VC{identity.hex[:10].upper()}",
            web=f"{advertised}:{device.port}",
            rtsp=f"{advertised}:{rtsp_port}",
            media2=camera.quirks.media2,
            services=not camera.quirks.without_services,
            profiles=profiles,
        )
        told = Announced(f"urn:uuid:{identity}", device.facts.device_address, device.facts.scopes)
        responder = await respond_directed(self._host, lambda: (told,))
        self._stack.callback(responder.close)
        return VirtualDevice(
            camera,
            f"http://{self._host}:{device.port}/onvif/device_service",
            f"rtsp://{self._host}:{rtsp_port}/main",
            f"{self._host}:{responder.port}",
            told.endpoint_reference,
            device,
        )

    async def _answer_multicast(self) -> None:
        def announced() -> tuple[Announced, ...]:
            facts = [(one.endpoint_reference, one.device.facts) for one in self.devices]
            return tuple(Announced(name, f.device_address, f.scopes) for name, f in facts if f is not None)

        try:
            responder: Responder = await respond_multicast(self._host, announced)
        except OSError as error:
            log.warning("virtual_multicast_unavailable", host=self._host, error=str(error))
            return
        self._stack.callback(responder.close)


def _served(camera: VirtualCamera, prepared: dict[Footage, Prepared]) -> ServedCamera:
    quirks = camera.quirks
    streams = [("/main", camera.footage)] + ([("/sub", camera.sub)] if camera.sub else [])
    return ServedCamera(
        username=camera.username,
        password=None if quirks.refuses_rtsp or quirks.locked_out else camera.password,
        streams=tuple(
            ServedStream(path, str(prepared[footage].stream), str(prepared[footage].index)) for path, footage in streams
        ),
        silent_after=quirks.silent_after,
        frozen_after=quirks.frozen_after,
    )


def _profiles(camera: VirtualCamera, prepared: dict[Footage, Prepared]) -> tuple[ServedProfile, ...]:
    main = prepared[camera.footage]
    profiles = [
        ServedProfile("main", "MainStream", "/main", camera.quirks.main_encoding, main.width, main.height, main.fps)
    ]
    if camera.sub is not None:
        sub = prepared[camera.sub]
        profiles.append(ServedProfile("sub", "SubStream", "/sub", "H264", sub.width, sub.height, sub.fps))
    return tuple(profiles)
