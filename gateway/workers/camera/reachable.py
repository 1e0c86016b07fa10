"""Whether anybody is there at a stream's address: a connection opened and closed, nothing said."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

SECONDS = 2.0
_PORT = 554


async def reachable(url: str, seconds: float = SECONDS) -> bool:
    """Within ``seconds``."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or _PORT)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
