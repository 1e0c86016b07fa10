"""To a webhook over HTTPS, signed as Standard Webhooks. One request at a time; the answer's body is not read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from gateway.clock import Clock
from gateway.events.outward.addresses import checked_url
from gateway.events.outward.standard_webhooks import signed_headers
from gateway.events.outward.ways import Letter, Outcome, Receiver
from gateway.refusals import Refusal

_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""What a header's value may hold as it is (CloudEvents HTTP binding, 3.1.3.2)."""


@dataclass(slots=True)
class WebhookWay:
    client: httpx.AsyncClient
    receiver: Receiver
    clock: Clock
    try_seconds: float
    at_once: int = 1

    def check(self) -> None:
        """Each request makes its own way."""

    async def send(self, letter: Letter) -> Outcome:
        """The error never holds the address, which may hold a secret."""
        try:
            headers = signed_headers(
                self.receiver.secret, letter.event.id, self.clock(), letter.body, letter.media_type
            )
            if letter.binary:
                headers |= {
                    f"ce-{name}": quote(value, safe=_PLAIN) for name, value in letter.event.attributes().items()
                }
            url = checked_url(self.receiver.address)
            request = self.client.build_request("POST", url, content=letter.body, headers=headers)
            async with asyncio.timeout(self.try_seconds):
                response = await self.client.send(request, stream=True)
                await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(None, "timeout")
        except Refusal as refusal:
            return Outcome(None, refusal.reason)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            return Outcome(None, type(error).__name__)
        if response.is_success:
            return Outcome(response.status_code, None)
        if response.is_redirect:
            return Outcome(response.status_code, "redirect_refused")
        return Outcome(response.status_code, f"status_{response.status_code}")


@dataclass(slots=True)
class WebhookWays:
    """The client that all webhooks share."""

    clock: Clock
    try_seconds: float
    _client: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def ready(cls, clock: Clock, try_seconds: float) -> AsyncIterator[WebhookWays]:
        context = await asyncio.to_thread(ssl.create_default_context)
        async with httpx.AsyncClient(
            verify=context, follow_redirects=False, trust_env=False, timeout=try_seconds
        ) as client:
            yield cls(clock, try_seconds, client)

    @asynccontextmanager
    async def open(self, receiver: Receiver) -> AsyncIterator[WebhookWay]:
        yield WebhookWay(self._client, receiver, self.clock, self.try_seconds)
