"""A camera whose stream cannot be reached may have moved its stream: it is asked for the address anew, over ONVIF.

It is asked where it is registered and nowhere else: what is stored is sent nowhere but to where it was given for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from camera_registry.errors import CameraRefused
from gateway.access import audit
from gateway.api.camera_network import CameraNetwork
from gateway.clock import Clock
from gateway.refusals import Refusal
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.vault import Vault

log = structlog.get_logger(__name__)

PAUSE = 300.0
"""Seconds between two times that one camera is asked; each attempt is one login more."""
MOST_AT_ONCE = 4


class FreshAddresses:
    """``changed`` is told of a camera whose address is another now."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        network: CameraNetwork,
        changed: Callable[[str], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._db = db
        self._vault = vault
        self._network = network
        self._changed = changed
        self._clock = clock
        self._asked: dict[str, float] = {}
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def failed(self, code: str) -> None:
        """A worker cannot reach the camera's stream. Answers at once; the camera is asked soon, if not lately."""
        now = self._clock().timestamp()
        if now - self._asked.get(code, float("-inf")) < PAUSE:
            return
        self._asked[code] = now
        task = asyncio.create_task(self._ask(code), name="fresh-address")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Until whoever is being asked has answered."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self, code: str) -> None:
        async with self._at_once:
            try:
                moved = await self.ask(code)
            except Refusal as refusal:
                log.info("no_fresh_address", camera=code, reason=refusal.reason)
                return
            except Exception:  # one camera's oddity must not end the others' chance
                log.exception("no_fresh_address", camera=code)
                return
        if moved:
            log.info("stream_moved", camera=code)
            await self._changed(code)

    async def ask(self, code: str) -> bool:
        """Ask the camera now; whether its record holds another address than before. Raises ``Refusal``."""
        async with self._db.reading() as session:
            store = DatabaseCameraStore(session, self._vault)
            row = await store.row(code)
            if row is None or row.status != "in_use" or row.onvif_address is None:
                return False
            login = await store.login(row)
            address, clear_login, revision = row.onvif_address, row.clear_login, row.revision
        found, _ = await self._network.reach(
            address, [login] if login is not None else [], "onvif_address", clear_login=clear_login
        )
        now = self._clock()
        async with self._db.transaction() as session:
            store = DatabaseCameraStore(session, self._vault)
            row = await store.row(code, held=True)
            if row is None or row.revision != revision:
                return False  # somebody changed it meanwhile, and knows better
            if (row.stream_url, row.sub_stream_url) == (found.stream_url, found.sub_stream_url):
                return False
            own = login if row.credential_set is None else None
            try:
                await store.reached_anew(row, found, own, now, credential_set=row.credential_set)
            except CameraRefused as refused:
                raise Refusal("conflict", refused.reason, refused.zh, refused.en) from refused
            row.changed_at = now
            await session.flush()
            act = audit.Act("system", "camera.readdress", f"camera:{code}", row.platform, why="stream unreachable")
            await audit.append(session, act, now)
        return True
