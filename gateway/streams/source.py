"""Where a stream's frames come from, for whoever takes them without asking: a camera of this process, or of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from gateway.streams.address import StreamAddress
from gateway.streams.backoff import Backoff
from gateway.streams.bus import FrameBus
from gateway.streams.on_demand import OnDemandSource
from gateway.streams.pull import CameraPull, PullLimits, PullState

_NEAR = Backoff(first=0.5, longest=5.0)
"""Another process of the gateway is back within seconds. It locks nobody out, and new credentials may be under way."""


class FrameSource(Protocol):
    """``start`` before the first frame is wanted, ``stop`` when no more is; both answer within a bounded time."""

    @property
    def bus(self) -> FrameBus: ...

    @property
    def note(self) -> str | None:
        """What whoever is shown it should know, such as that it is a sub-stream; known once it has started."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class LocalSource:
    """A stream that this process pulls anyway: it is neither started nor stopped on anyone's behalf."""

    note = None

    def __init__(self, bus: FrameBus) -> None:
        self.bus = bus

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do: others read the same bus."""


class AcquiredSource:
    """A stream that this process pulls only while somebody uses it, used from ``start`` to ``stop``."""

    note = None

    def __init__(self, source: OnDemandSource) -> None:
        self.bus = source.bus
        self._source = source
        self._used = False

    async def start(self) -> None:
        self._used = True
        self._source.acquire()

    async def stop(self) -> None:
        if self._used:
            self._used = False
            self._source.release()


class RemoteSource:
    """A stream of another process of the gateway, pulled over RTSP with lent credentials. Started and stopped once.

    It asks for the cached pictures drawn together (``start=now``): whoever is viewing when a stream comes back would
    else be a group of pictures later each time.
    """

    def __init__(
        self,
        address: StreamAddress,
        on_state: Callable[[PullState], None] | None = None,
        *,
        name: str = "remote",
        limits: PullLimits | None = None,
    ) -> None:
        self.bus = FrameBus()
        self._pull = CameraPull(
            _from_now(address), self.bus, on_state or _not_told, name=name, limits=limits, retry=_NEAR,
            retry_after_wrong_password=_NEAR,
        )  # fmt: skip

    @property
    def state(self) -> PullState:
        return self._pull.state

    @property
    def note(self) -> str | None:
        """What the other process said of it."""
        return self._pull.title or None

    def readdress(self, address: StreamAddress) -> None:
        """Credentials were lent anew, or the owner of the camera is another process now. The bus stays the same."""
        self._pull.readdress(_from_now(address))

    async def start(self) -> None:
        await self._pull.start()

    async def stop(self) -> None:
        """The bus's subscribers see the end."""
        await self._pull.stop()
        self.bus.close()


class SmallerSource(OnDemandSource):
    """The smaller stream of a camera that another process owns: pulled from there only while somebody is sent it."""

    def __init__(self, address: StreamAddress, *, name: str) -> None:
        super().__init__(
            _from_now(address), name=name, limits=PullLimits(), retry=_NEAR, retry_after_wrong_password=_NEAR
        )

    def readdress(self, address: StreamAddress) -> None:
        super().readdress(_from_now(address))


def _from_now(address: StreamAddress) -> StreamAddress:
    parts = urlsplit(address.url)
    query = f"{parts.query}&start=now" if parts.query else "start=now"
    return replace(address, url=urlunsplit(parts._replace(query=query)))


def _not_told(_state: PullState) -> None:
    """Nobody asked."""
