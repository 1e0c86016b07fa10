"""A camera's main stream: one pull on one bus, as patient as its login needs, made anew when its address changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from camera_registry.login_patience import may_try
from gateway.processes.messages import Sample
from gateway.streams.address import StreamAddress
from gateway.streams.backoff import Backoff
from gateway.streams.bus import FrameBus
from gateway.streams.pull import CameraPull, PullLimits, PullState
from gateway.streams.rtsp_in_reading import Counted
from gateway.streams.way import Way
from gateway.workers.camera.login_retry import LoginRetry
from gateway.workers.camera.stream_samples import Lives

RETRY = Backoff(first=1.0, longest=8.0)
"""A camera that is back is live again within 15 s, however long it was away."""


class MainStream:
    """``says`` hears each state of the pull. ``logins``: how a refused login is tried again; what it knows of wrong
    ones lasts until one is taken, or another is sent. Whoever watches the bus stays when the address changes."""

    def __init__(
        self,
        address: StreamAddress,
        bus: FrameBus,
        says: Callable[[PullState], None],
        *,
        name: str,
        limits: PullLimits,
        way: Way,
        logins: LoginRetry,
    ) -> None:
        self._address = address
        self._bus = bus
        self._says = says
        self._name = name
        self._limits = limits
        self._way = way
        self._logins = logins
        self._lives = Lives()
        self._counted = Counted()
        self._waiting: asyncio.Task[None] | None = None
        self._pull = self._new_pull(0)

    @property
    def live(self) -> bool:
        return self._pull.state.phase == "live"

    @property
    def seconds_to_wait(self) -> float:
        """Until its login may be sent, where it was refused before the last owner of the camera went: a worker that is
        restarted again and again locks nobody out."""
        return self._logins.wrong.wait(self._logins.clock())

    async def start(self) -> None:
        """Begin, once its login may be sent; answers at once."""
        wait = self.seconds_to_wait
        if wait <= 0:
            return await self._pull.start()
        self._waiting = asyncio.create_task(self._start_later(wait), name=f"login-{self._name}")

    async def retry(self, *, proved: bool) -> None:
        """The login may be right now, or is ``proved`` to be: it is not waited for, as far as that locks nobody out."""
        if proved:
            self._logins.wrong.clear()
        elif not may_try(self._logins.wrong.times, self._logins.clock()):
            return
        if self.wait_no_more():
            await self._pull.start()
        elif self._pull.state.phase == "away":
            self._pull.readdress(self._address)

    async def change(self, address: StreamAddress) -> None:
        """Pull from there from now on. It is another login, or an address that control has seen it take this one at."""
        self._address = address
        self._logins.wrong.clear()
        self.wait_no_more()
        await self._pull.stop()
        self._pull = self._new_pull(self._pull.epoch + 1)
        await self._pull.start()

    def wait_no_more(self) -> bool:
        """Send no login that is still waited for; answers whether one was."""
        waiting, self._waiting = self._waiting, None
        return waiting is not None and waiting.cancel()

    async def stop(self) -> None:
        self.wait_no_more()
        await self._pull.stop()

    def samples(self) -> list[Sample]:
        labels = {"camera": self._name}
        return [
            Sample("gateway_camera_packets_total", labels, self._counted.packets, "counter"),
            Sample("gateway_camera_packets_lost_total", labels, self._counted.packets_lost, "counter"),
            Sample("gateway_camera_frames_left_out_total", labels, self._counted.drops, "counter"),
            Sample("gateway_camera_reconnects_total", labels, self._lives.reconnects, "counter"),
            Sample("gateway_camera_first_frame_seconds", labels, self._lives.first_frame_seconds),
        ]

    async def _start_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._waiting = None
        await self._pull.start()

    def _new_pull(self, first_epoch: int) -> CameraPull:
        return CameraPull(
            self._address,
            self._bus,
            self._told,
            name=self._name,
            limits=self._limits,
            way=self._way,
            retry=RETRY,
            retry_after_wrong_password=self._logins,
            first_epoch=first_epoch,
            sound=True,
            counted=self._counted,
        )

    def _told(self, state: PullState) -> None:
        if state.phase == "live":
            self._logins.wrong.clear()
        self._lives.told(state)
        self._says(state)
