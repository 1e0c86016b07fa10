"""What an alert takes over from its camera at intake. Whoever keeps the camera records implements the lookup."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class CameraFact:
    """A camera as of now. ``lng``/``lat`` are WGS-84; ``grid`` is the code of the grid it stands in."""

    code: str
    name: str
    platform: str
    grid: str | None = None
    lng: float | None = None
    lat: float | None = None
    address: str = ""


class CameraFacts(Protocol):
    """The lookup, in the transaction of the caller. None for a camera that is not (or no longer) registered."""

    async def fact(self, session: AsyncSession, code: str) -> CameraFact | None: ...

    async def facts(self, session: AsyncSession, codes: Collection[str]) -> dict[str, CameraFact]:
        """Many at once; a camera that is not registered is left out."""
        found = {code: await self.fact(session, code) for code in codes}
        return {code: fact for code, fact in found.items() if fact is not None}
