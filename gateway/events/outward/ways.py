"""What every way to a receiver has in common: a letter goes out, an outcome comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.events.outward.mapping import Mapping as FieldMapping
from gateway.events.outward.standard_webhooks import CloudEvent


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver as it was when its way was opened. ``secret``: the signing secret, or the broker's password."""

    id: str
    kind: str
    platform: str
    address: str
    options: Mapping[str, Any]
    secret: str = field(repr=False)
    revision: int = 1
    mapping: FieldMapping | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in the form in which its receiver wants it. ``mapped``: the body is no CloudEvent, and its receiver
    wants none; ``binary``: the body is the data alone, the attributes go beside it (CloudEvents' binary mode)."""

    event: CloudEvent
    body: bytes
    media_type: str
    mapped: bool = False
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """``error`` None: the receiver has it. ``status``: an HTTP status or an MQTT reason code."""

    status: int | None
    error: str | None


class WayLost(Exception):
    """The receiver cannot be reached: no letter is to blame. ``reason`` is for machines and operators."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Way(Protocol):
    """An open way. ``at_once``: letters that may be under way together, each of another subject."""

    at_once: int

    async def send(self, letter: Letter) -> Outcome:
        """Raises ``WayLost`` where the letter did not come into it."""
        ...

    def check(self) -> None:
        """Raises ``WayLost`` once the way has broken."""
        ...


OpenWay = Callable[[Receiver], AbstractAsyncContextManager[Way]]
