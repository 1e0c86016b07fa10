"""A fleet of virtual cameras: footage, ONVIF devices, RTSP streams and discovery started and stopped as one."""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

from gateway.certificates import make_certificates
from gateway.refusals import Refusal
from gateway.virtual.answers import DeviceFacts, ServedProfile
from gateway.virtual.camera import VirtualCamera
from gateway.virtual.device import Device
from gateway.virtual.discovery_responder import Announced, Responder, respond_directed, respond_multicast
from gateway.virtual.footage import (
    ChangedFootage,
    ClipFootage,
    EncodedFootage,
    Footage,
    Prepared,
    Progress,
    RenderedFootage,
    prepare_footage,
)
from gateway.virtual.system_python import RtspProcess, ServedCamera, ServedFilm, ServedStream, require_gstreamer

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
        self._rtsp: RtspProcess | None = None
        self._tls: ssl.SSLContext | None = None
        self.devices: tuple[VirtualDevice, ...] = ()

    async def start(self, progress: Progress | None = None) -> None:
        """Prepare the footage and open every door. Raises ``Refusal`` (GStreamer missing, footage unreadable)."""
        await require_gstreamer()
        wanted = [
            footage for camera in self._cameras for films in _films(camera).values() for footage in films.values()
        ]
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

    async def show(self, number: int, fault: str | None) -> None:
        """From its next keyframe on camera ``number`` (from 0) shows one of its ``faults``; ``repeated``: one picture
        again and again; ``silent``: nothing over an open connection; None: all is well again. Raises ``Refusal``."""
        known = self.devices[number].camera.faults
        if fault not in (None, "repeated", "silent", *known):
            raise Refusal(
                "invalid",
                "fault_unknown",
                f"虚拟摄像机没有故障“{fault}”。",
                f"The virtual camera has no fault {fault!r}; it has: repeated, silent, {', '.join(known)}.",
            )
        await self._order(number, show=fault)

    async def unplug(self, number: int) -> None:
        """Every connection to the camera ends, and none is made."""
        await self.devices[number].device.unplug()
        await self._order(number, plugged=False)

    async def plug(self, number: int) -> None:
        """At the same ports as before."""
        await self.devices[number].device.plug()
        await self._order(number, plugged=True)

    async def change_password(self, number: int, password: str) -> None:
        """Whoever watches must sign in anew."""
        self.devices[number].device.logins.password = password
        await self._order(number, password=password)

    def shift_clock(self, number: int, seconds: float) -> None:
        """The camera's clock is wrong by so much from now on."""
        self.devices[number].device.clock_offset = timedelta(seconds=seconds)

    async def _order(self, number: int, **what: Any) -> None:
        if self._rtsp is None:
            raise RuntimeError("the fleet has not been started")
        await self._rtsp.order(number, **what)

    async def _open(self, prepared: dict[Footage, Prepared]) -> None:
        served = [_served(camera, prepared) for camera in self._cameras]
        self._rtsp = rtsp = await RtspProcess.start(served, self._host)
        self._stack.push_async_callback(rtsp.stop)
        if any(camera.quirks.https for camera in self._cameras):
            self._tls = await asyncio.to_thread(_tls, self._folder / "tls", self._host, self._clock())
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
        usual = {path.removeprefix("/"): next(iter(films.values())) for path, films in _films(camera).items()}
        posters = {token: prepared[footage].poster for token, footage in usual.items()}
        device = Device(camera.username, camera.password, camera.quirks, posters, self._clock)
        await device.open(self._host, self._tls if camera.quirks.https else None)
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
            profiles=_profiles(camera, {token: prepared[footage] for token, footage in usual.items()}),
            media=camera.quirks.media,
            scheme="https" if camera.quirks.https else "http",
            ptz=camera.ptz,
            events=camera.events,
            imaging=camera.imaging,
            by_ntp=not camera.quirks.clock_offset,
        )
        told = Announced(f"urn:uuid:{identity}", device.facts.device_address, device.facts.scopes)
        responder = await respond_directed(self._host, lambda: (told,))
        self._stack.callback(responder.close)
        return VirtualDevice(
            camera,
            f"{device.facts.scheme}://{self._host}:{device.port}/onvif/device_service",
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


def _films(camera: VirtualCamera) -> dict[str, dict[str, Footage]]:
    """For each path of a camera its footage by name, the usual one first."""
    quirks = camera.quirks
    shown = {"/main": camera.footage} | ({"/sub": camera.sub} if camera.sub is not None else {})
    films: dict[str, dict[str, Footage]] = {}
    for path, footage in shown.items():
        variants: dict[str, Footage] = {"usual": footage}
        if camera.faults and isinstance(footage, RenderedFootage | ClipFootage):
            variants["usual"] = ChangedFootage(footage, "clean")
            variants |= {fault: ChangedFootage(footage, fault) for fault in camera.faults}
        hevc = quirks.h265_only or (quirks.h265 and path == "/main")
        b_frames = 2 if quirks.b_frames else 0
        films[path] = {
            name: EncodedFootage(one, "hevc" if hevc else "h264", b_frames)
            if (hevc or b_frames) and not isinstance(one, EncodedFootage)
            else one
            for name, one in variants.items()
        }
    return films


def _served(camera: VirtualCamera, prepared: dict[Footage, Prepared]) -> ServedCamera:
    quirks = camera.quirks
    return ServedCamera(
        username=camera.username,
        password=None if quirks.refuses_rtsp or quirks.locked_out else camera.password,
        streams=tuple(
            ServedStream(
                path,
                {
                    name: ServedFilm(str(prepared[footage].stream), str(prepared[footage].index))
                    for name, footage in films.items()
                },
            )
            for path, films in _films(camera).items()
        ),
        silent_after=quirks.silent_after,
        frozen_after=quirks.frozen_after,
    )


def _profiles(camera: VirtualCamera, usual: dict[str, Prepared]) -> tuple[ServedProfile, ...]:
    names = {"main": "MainStream", "sub": "SubStream"}
    claimed = {"main": camera.quirks.main_encoding, "sub": "H264"}
    return tuple(
        ServedProfile(
            token,
            names[token],
            f"/{token}",
            "H265" if shown.codec == "hevc" else claimed[token],
            shown.width,
            shown.height,
            shown.fps,
        )
        for token, shown in usual.items()
    )


def _tls(folder: Path, host: str, now: datetime) -> ssl.SSLContext:
    made = make_certificates(folder, (host,), now)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.private_key)
    return context
