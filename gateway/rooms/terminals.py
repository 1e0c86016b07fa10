"""Known conference terminals: a name, and what their digest is checked by, sealed. Anybody else waits in the lobby."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.passwords import checked_password
from gateway.clock import Clock
from gateway.refusals import Refusal
from gateway.rooms.sip.digest import secret
from gateway.storage.database import Database
from gateway.storage.ids import new_id
from gateway.storage.tables.rooms import TerminalRow
from gateway.storage.vault import Vault

_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")


class Terminals:
    """The list of known terminals."""

    def __init__(self, db: Database, vault: Vault, clock: Clock) -> None:
        self._db = db
        self._vault = vault
        self._clock = clock
        self._registered: dict[str, tuple[str, float]] = {}

    async def add(self, caller: Caller, username: str, name: str, password: str, address: str = "") -> dict[str, Any]:
        """``address``: where it is rung while it has not registered. Refuses ``terminal_name_invalid``,
        ``terminal_exists`` and a password that is too simple."""
        if _USERNAME.fullmatch(username) is None:
            raise Refusal(
                "invalid", "terminal_name_invalid", "终端号应由 1 至 64 个字母、数字、点、横线组成。",
                "A terminal's number has 1 to 64 letters, digits, dots, dashes.", field="username",
            )  # fmt: skip
        password = checked_password(password, username)
        now = self._clock()
        row = TerminalRow(
            id=new_id(), platform=caller.platform, username=username, name=name, address=address, created_at=now
        )
        row.sealed_secret = self._vault.seal(secret(username, password), row.id)
        try:
            async with self._db.transaction() as session:
                session.add(row)
                await session.flush()
                await audit.append(
                    session, audit.Act(caller.username, "terminal.add", f"terminal:{username}", row.platform, name), now
                )
        except IntegrityError:
            raise Refusal(
                "conflict", "terminal_exists", "该终端已登记。", "That terminal is known already.", field="username"
            ) from None
        return self._shown(row)

    async def listed(self, caller: Caller) -> list[dict[str, Any]]:
        query = select(TerminalRow).where(caller.visible(TerminalRow.platform)).order_by(TerminalRow.username)
        async with self._db.reading() as session:
            return [self._shown(row) for row in await session.scalars(query)]

    async def remove(self, caller: Caller, terminal_id: str) -> None:
        now = self._clock()
        async with self._db.transaction() as session:
            row = await session.get(TerminalRow, terminal_id)
            if row is None or not caller.sees(row.platform):
                raise Refusal("not_found", "terminal_unknown", "没有这台终端。", "There is no such terminal.")
            await session.delete(row)
            await session.flush()
            act = audit.Act(caller.username, "terminal.remove", f"terminal:{row.username}", row.platform, row.name)
            await audit.append(session, act, now)

    async def secret_of(self, username: str) -> tuple[str, str] | None:
        """Digest HA1 and name; None for a stranger."""
        query = select(TerminalRow).where(TerminalRow.username == username[:64], TerminalRow.removed_at.is_(None))
        async with self._db.reading() as session:
            row = await session.scalar(query)
        return (self._vault.open(row.sealed_secret, row.id), row.name) if row is not None else None

    async def known(self, caller: Caller, *, terminal_id: str | None, username: str | None) -> TerminalRow:
        """By id or by number. Refuses ``terminal_unknown``."""
        which = TerminalRow.id == terminal_id if terminal_id is not None else TerminalRow.username == (username or "")
        query = select(TerminalRow).where(which, TerminalRow.removed_at.is_(None), caller.visible(TerminalRow.platform))
        async with self._db.reading() as session:
            row = await session.scalar(query)
        if row is None:
            raise Refusal(
                "not_found", "terminal_unknown", "没有这台终端。", "There is no such terminal.", field="terminal"
            )
        return row

    def registered(self, username: str, address: str, until: float) -> None:
        """It can be rung at ``address`` until then (seconds since the epoch); 0: no longer."""
        self._registered.pop(username, None)
        if until > 0:
            self._registered[username] = (address, until)

    def forget_registrations(self) -> None:
        """Whoever kept them has gone; the terminals register again by themselves."""
        self._registered.clear()

    def _shown(self, row: TerminalRow) -> dict[str, Any]:
        address, until = self._registered.get(row.username, ("", 0.0))
        registered = until > self._clock().timestamp()
        return {
            "id": row.id,
            "username": row.username,
            "name": row.name,
            "platform": row.platform,
            "address": row.address,
            "registered": registered,
            "registered_at": address if registered else None,
        }
