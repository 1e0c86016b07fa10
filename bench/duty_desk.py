"""The duty officer's side of the doors: events, alerts and their evidence, looked at as a person would."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import av
import cv2
import httpx
import numpy as np

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Clip:
    """``frames`` were decoded out of it; ``lead``: seconds from its beginning to the hazard's."""

    frames: int
    seconds: float
    lead: float
    partial: bool


class DutyDesk:
    """Signed in with a bearer token and a viewing grant."""

    def __init__(self, address: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{address}/api/v1", timeout=20, trust_env=False)
        self._grant = ""

    async def __aenter__(self) -> DutyDesk:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._http.aclose()

    async def sign_in(self, username: str, password: str, platform: str = "hub") -> None:
        asked = {"username": username, "password": password, "kind": "bearer"}
        self._http.headers["Authorization"] = f"Bearer {(await self._post('/session', asked))['token']}"
        until = (datetime.now(UTC) + timedelta(hours=4)).isoformat()
        grant = {"purpose": "值班巡查", "scope": f"platform:{platform}", "until": until}
        self._grant = (await self._post("/access/grants", grant))["id"]

    async def cameras(self) -> list[Record]:
        return await self._items("/cameras")

    async def alerts(self) -> list[Record]:
        return await self._items("/alerts")

    async def events(self) -> list[Record]:
        return await self._items("/events")

    async def event(self, no: str) -> Record:
        return _answer(await self._http.get(f"/events/{no}"))

    async def snapshot(self, evidence_id: str) -> tuple[int, int]:
        """Width and height of the picture; it decodes."""
        data = await self._evidence(evidence_id)
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None  # noqa: S101 - a snapshot that is no picture is the defect looked for
        return picture.shape[1], picture.shape[0]

    async def clip(self, evidence: Record, hazard_from: str) -> Clip:
        """Play a clip to its end."""
        data = await self._evidence(evidence["id"])
        frames, seconds = await asyncio.to_thread(_played, data)
        lead = (moment(hazard_from) - moment(evidence["starts_at"])).total_seconds()
        return Clip(frames, seconds, lead, evidence["partial"])

    async def _evidence(self, evidence_id: str) -> bytes:
        response = await self._http.get(f"/evidence/{evidence_id}", params={"grant": self._grant})
        response.raise_for_status()
        return response.content

    async def _items(self, path: str) -> list[Record]:
        found: list[Record] = _answer(await self._http.get(path))["items"]
        return found

    async def _post(self, path: str, body: Record) -> Record:
        return _answer(await self._http.post(path, json=body))


async def until(check: Callable[[], Awaitable[Record | None]], seconds: float, every: float = 0.5) -> Record | None:
    """The first answer of ``check`` that is not None, or None after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        found = await check()
        if found is not None or time.monotonic() >= end:
            return found
        await asyncio.sleep(every)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _answer(response: httpx.Response) -> Record:
    response.raise_for_status()
    answer: Record = response.json()
    return answer


def _played(data: bytes) -> tuple[int, float]:
    frames, last = 0, 0.0
    with av.open(io.BytesIO(data), "r") as container:
        for frame in container.decode(video=0):
            frames, last = frames + 1, float(frame.time or 0.0)
    return frames, last
