"""Credential sets in the database: logins for the cameras of some networks, and in which order they may be tried.

The order is the safe one: the narrowest network first, for who set a login for it meant these cameras; then by
``position``. A device is sent no more wrong logins than ``camera_registry.login.LoginBackoff`` allows, so sets beyond
the second matter only where an earlier one was not wrong. Passwords are sealed under the set's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from camera_registry.address_policy import Network
from camera_registry.login import Login
from gateway.refusals import Refusal
from gateway.storage.tables.cameras import CameraRow, CredentialSetRow
from gateway.storage.vault import Vault

log = structlog.get_logger(__name__)

MOST_SETS = 1_000


@dataclass(frozen=True, slots=True)
class SetLogin:
    """The login of a set."""

    set_id: str
    login: Login = field(repr=False)


class CredentialStore:
    """The sets within one transaction."""

    def __init__(self, session: AsyncSession, vault: Vault) -> None:
        self._session = session
        self._vault = vault

    async def for_host(self, host: str, platforms: Sequence[str] | None = None) -> list[SetLogin]:
        """The logins bound to a literal address, in the order in which they are tried. ``platforms``: of these alone.

        A set whose password does not open is left out and logged; the others are tried all the same.
        """
        query = select(CredentialSetRow).order_by(CredentialSetRow.position, CredentialSetRow.id)
        if platforms is not None:
            query = query.where(CredentialSetRow.platform.in_(platforms))
        rows = list(await self._session.scalars(query))
        found = [(width, row) for row in rows if (width := narrowest(host, row.networks)) is not None]
        found.sort(key=lambda one: -one[0])  # stable: those of one width stay in their order
        return [made for _, row in found if (made := self._opened(row)) is not None]

    async def logins(self, set_ids: Iterable[str]) -> dict[str, Login]:
        """The login of each of these sets that opens."""
        wanted = sorted(set(set_ids))
        if not wanted:
            return {}
        rows = await self._session.scalars(select(CredentialSetRow).where(CredentialSetRow.id.in_(wanted)))
        return {made.set_id: made.login for row in rows if (made := self._opened(row)) is not None}

    def fill(self, row: CredentialSetRow, password: str) -> None:
        """Seal a new password into a set that has its id."""
        row.sealed_password = self._vault.seal(password, row.id)

    async def cameras(self, set_id: str) -> list[str]:
        """Codes of the cameras that log in by the set."""
        query = select(CameraRow.code).where(CameraRow.credential_set == set_id, CameraRow.status != "removed")
        return list(await self._session.scalars(query.order_by(CameraRow.code)))

    async def room_left(self) -> bool:
        query = select(func.count()).select_from(CredentialSetRow)
        return (await self._session.execute(query)).scalar_one() < MOST_SETS

    def _opened(self, row: CredentialSetRow) -> SetLogin | None:
        try:
            return SetLogin(row.id, Login(row.username, self._vault.open(row.sealed_password, row.id)))
        except Refusal as refusal:
            log.error("credential_set_unreadable", credential_set=row.id, reason=refusal.reason)
            return None


def narrowest(host: str, networks: Iterable[str]) -> int | None:
    """Length of the longest of ``networks``' prefixes that holds ``host``; None where none does."""
    address = ip_address(host.strip("[]"))
    fitting = [one.prefixlen for one in map(network_of, networks) if address.version == one.version and address in one]
    return max(fitting, default=None)


def network_of(text: str) -> Network:
    """Raises ``ValueError`` for what is no network in CIDR form."""
    return ip_network(text.strip(), strict=False)
