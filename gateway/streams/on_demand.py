"""A second profile of a camera (its sub-stream), pulled only while somebody uses it: one connection, whoever asks."""

from __future__ import annotations

import asyncio

from gateway.streams.address import StreamAddress
from gateway.streams.backoff import Backoff
from gateway.streams.bus import FrameBus
from gateway.streams.pull import RETRY, RETRY_AFTER_WRONG_PASSWORD, CameraPull, PullLimits, PullState
from gateway.streams.way import Way

LINGER = 10.0
"""Seconds for which the connection is kept after its last user: whoever comes back finds a picture."""


class OnDemandSource:
    """``bus`` stays the same however often the profile is pulled and let go. All calls belong to the event loop.
    ``retry`` and ``retry_after_wrong_password`` as in ``CameraPull``."""

    def __init__(
        self,
        address: StreamAddress,
        *,
        name: str,
        limits: PullLimits,
        way: Way | None = None,
        retry: Backoff = RETRY,
        retry_after_wrong_password: Backoff = RETRY_AFTER_WRONG_PASSWORD,
        linger: float = LINGER,
    ) -> None:
        self.bus = FrameBus()
        self._address = address
        self._name = name
        self._limits = limits
        self._way = way
        self._retry = retry
        self._retry_after_wrong_password = retry_after_wrong_password
        self._linger = linger
        self._users = 0
        self._wanted = False
        self._letting_go: asyncio.TimerHandle | None = None
        self._pull: CameraPull | None = None
        self._epoch = 0
        self._settling = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.state: PullState | None = None
        self._told = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether the camera is being pulled, or is about to be."""
        return self._pull is not None

    def acquire(self) -> None:
        """Somebody uses the bus from now on; the pull begins, unless it stands."""
        self._users += 1
        if self._letting_go is not None:
            self._letting_go.cancel()
            self._letting_go = None
        self._want(True)

    def release(self) -> None:
        """One user fewer; after the last one, and a while, the camera is let go."""
        self._users -= 1
        if self._users == 0:
            self._letting_go = asyncio.get_running_loop().call_later(self._linger, self._want, False)

    async def picture_within(self, seconds: float) -> bool:
        """Whether there is a picture, or one comes in time. One that has been acquired is waited for, unless the camera
        is away just now."""
        try:
            async with asyncio.timeout(seconds):
                while self.bus.last_keyframe is None:
                    if self.bus.closed or (self.state is not None and self.state.phase == "away"):
                        return False
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            return False
        return True

    def readdress(self, address: StreamAddress) -> None:
        """Pull from there from now on. A connection that stands is kept until it fails."""
        self._address = address
        if self._pull is not None:
            self._pull.readdress(address)

    async def close(self) -> None:
        """Let the camera go, whoever uses it. The bus's subscribers see the end."""
        if self._letting_go is not None:
            self._letting_go.cancel()
        self._wanted = False
        await self._settle()
        self.bus.close()
        self._told.set()

    def _want(self, wanted: bool) -> None:
        self._wanted = wanted
        if wanted != (self._pull is not None):
            task = asyncio.create_task(self._settle(), name=f"profile-{self._name}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _settle(self) -> None:
        """Bring about what is wanted now; a pull that ends is waited for, so that there are never two. What is wanted
        may be another by then: whoever came meanwhile saw a pull, and asked for none."""
        async with self._settling:
            while self._wanted != (self._pull is not None):
                if self._pull is None:
                    self._pull = CameraPull(
                        self._address,
                        self.bus,
                        self._hear,
                        name=self._name,
                        limits=self._limits,
                        way=self._way,
                        retry=self._retry,
                        retry_after_wrong_password=self._retry_after_wrong_password,
                        first_epoch=self._epoch,
                    )
                    await self._pull.start()
                else:
                    await self._pull.stop()
                    self._epoch = self._pull.epoch + 1
                    self._pull = None

    def _hear(self, state: PullState) -> None:
        self.state = state
        self._told.set()
