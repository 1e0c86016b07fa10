"""Finds the system's Python with GStreamer's bindings and runs the RTSP server in it.

Debian's ``gi`` is built for Debian's Python and cannot be installed into our environment, hence the process of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog

from gateway.refusals import Refusal

log = structlog.get_logger(__name__)

SYSTEM_PYTHON = Path("/usr/bin/python3")
SCRIPT = Path(__file__).with_name("rtsp_server.py")
DEBIAN_PACKAGES = (
    "python3-gi",
    "gir1.2-gst-rtsp-server-1.0",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad",
)
START_SECONDS = 30.0
ORDER_SECONDS = 5.0
STOP_SECONDS = 5.0
_NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@dataclass(frozen=True, slots=True)
class ServedFilm:
    """Files of a prepared footage."""

    stream: str
    index: str


@dataclass(frozen=True, slots=True)
class ServedStream:
    """A path such as ``/main`` and the footage behind it by name; the first is what is shown as a rule."""

    path: str
    films: Mapping[str, ServedFilm]


@dataclass(frozen=True, slots=True)
class ServedCamera:
    """One camera's RTSP server as the script is told of it; ``password`` None: nobody gets in. Port 0: any."""

    username: str
    password: str | None = field(repr=False)
    streams: tuple[ServedStream, ...]
    port: int = 0
    silent_after: float | None = None
    frozen_after: float | None = None


async def require_gstreamer(python: Path = SYSTEM_PYTHON) -> None:
    """Raises ``Refusal`` ``gstreamer_missing`` where the Debian packages are not installed."""
    try:
        probe = await asyncio.create_subprocess_exec(
            python, "-c", _NEEDS, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(START_SECONDS):
            fits = await probe.wait() == 0
    except (OSError, TimeoutError):
        fits = False
    if not fits:
        packages = " ".join(DEBIAN_PACKAGES)
        raise Refusal(
            "unavailable",
            "gstreamer_missing",
            f"虚拟摄像机需要 Debian 软件包：{packages}",
            f"Virtual cameras need the Debian packages {packages}",
        )


class RtspProcess:
    """The script, running. It ends with its standard input, hence also when this process is killed."""

    def __init__(self, process: asyncio.subprocess.Process, ports: tuple[int, ...]) -> None:
        self._process = process
        self._one_at_a_time = asyncio.Lock()
        self.ports = ports

    @classmethod
    async def start(cls, cameras: Sequence[ServedCamera], host: str, python: Path = SYSTEM_PYTHON) -> RtspProcess:
        """Serve the cameras; ``ports`` are in their order. Raises ``Refusal``."""
        await require_gstreamer(python)
        process = await asyncio.create_subprocess_exec(
            python, SCRIPT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for above
        asked = {"host": host, "cameras": [asdict(camera) for camera in cameras]}
        answer = b""
        try:
            async with asyncio.timeout(START_SECONDS):
                process.stdin.write(json.dumps(asked).encode() + b"\n")
                await process.stdin.drain()
                answer = await process.stdout.readline()
            return cls(process, tuple(json.loads(answer)["ports"]))
        except (TimeoutError, ConnectionError, ValueError, KeyError) as error:
            process.kill()
            await process.wait()
            log.warning("virtual_rtsp_failed", answer=answer.decode(errors="replace")[:200], error=str(error))
            raise Refusal(
                "unavailable",
                "virtual_rtsp_failed",
                "虚拟摄像机的 RTSP 服务未能启动。",
                "The RTSP server of the virtual cameras did not start.",
            ) from error

    async def order(self, camera: int, **what: Any) -> None:
        """Change what a camera does: ``show``, ``plugged``, ``password``. Raises ``Refusal``."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101, PT018 - asked for at the start
        answer = b""
        try:
            async with self._one_at_a_time, asyncio.timeout(ORDER_SECONDS):
                stdin.write(json.dumps({"camera": camera, **what}).encode() + b"\n")
                await stdin.drain()
                answer = await stdout.readline()
                if "done" in json.loads(answer):
                    return
        except (TimeoutError, ConnectionError, ValueError) as error:
            log.warning("virtual_camera_disobeys", error=type(error).__name__)
        raise Refusal(
            "unavailable",
            "virtual_camera_disobeys",
            "虚拟摄像机未能切换。",
            f"The virtual camera did not change: {answer.decode(errors='replace').strip()[:200]}",
        )

    async def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
