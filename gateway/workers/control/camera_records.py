"""The camera records as the control process uses them: what is to be pulled, and whose an alert is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from camera_registry.health import STATES
from camera_registry.ports import HealthNote, StreamOrder
from detectors.rules.parsing import as_json
from gateway.api.camera_rules import first_rules
from gateway.api.camera_shown import shown_camera
from gateway.clock import Clock, system_clock
from gateway.events.cameras import CameraFact
from gateway.events.suppressions import in_force, note_held_back
from gateway.processes.messages import HeldBack
from gateway.refusals import Refusal
from gateway.settings import RuleSettings
from gateway.storage import camera_health
from gateway.storage.camera_health import change_of
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.ids import new_id
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.vault import Vault
from gateway.workers.control.assignments import HealthHeard, PulledCamera

log = structlog.get_logger(__name__)

HISTORY_KEPT = timedelta(days=180)
LONGEST_PRESET = 64
LARGEST_SCENE = 200_000


class CameraRecords:
    """Implements ``PulledCameras`` for the assignments and ``CameraFacts`` for intake and doors."""

    def __init__(
        self,
        db: Database,
        vault: Vault,
        rules: RuleSettings,
        clock: Clock = system_clock,
        files: EvidenceFiles | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._files = files
        self._vault = vault
        self._first_rules = tuple(as_json(first_rules(rules)))

    async def codes(self) -> list[str]:
        """Of the cameras in use. No more of them is read: one that is amiss keeps no other from being placed."""
        query = select(CameraRow.code).where(CameraRow.status == "in_use").order_by(CameraRow.code)
        async with self._db.reading() as session:
            return list(await session.scalars(query))

    async def one(self, code: str) -> PulledCamera | None:
        """None: gone, or stopped."""
        async with self._db.reading() as session:
            orders = await DatabaseCameraStore(session, self._vault).orders([code])
            rejected = await in_force(session, [code], self._clock())
            scenes = await camera_health.scenes(session, [code])
        return self._pulled(orders[0], rejected.get(code, []), scenes.get(code, {})) if orders else None

    async def note_health(self, code: str, heard: HealthHeard) -> tuple[str, dict[str, Any]] | None:
        """Keep it; answers the platform and the camera as the doors show it, None for a camera that is not pulled."""
        state = heard.state
        if state not in STATES:
            raise Refusal(
                "invalid", "state_unknown", f"没有状态“{state}”。", f"There is no state {state!r}.", field="state"
            )
        evidence = await self._kept(code, heard.evidence)
        async with self._db.transaction() as session:
            store = DatabaseCameraStore(session, self._vault)
            if await store.note_health(code, HealthNote(state, heard.reason, heard.at), evidence) is None:
                return None
            row = await store.row(code)
            return None if row is None else (row.platform, shown_camera(row).model_dump(mode="json"))

    async def _kept(self, code: str, picture: bytes | None) -> str | None:
        """Where the picture lies. A full disk costs the picture, not the state."""
        if picture is None or self._files is None:
            return None
        try:
            return (await self._files.write(picture, new_id(), ".jpg")).path
        except Refusal as refusal:
            log.error("health_evidence_lost", camera=code, reason=refusal.reason)
            return None

    async def begin_again(self, at: datetime) -> None:
        """At a start nobody has looked at any camera yet: what the last run saw is no state of now. What is older than
        ``HISTORY_KEPT`` is forgotten, but of each camera its last change before."""
        async with self._db.transaction() as session:
            old = await camera_health.forget_before(session, at - HISTORY_KEPT)
        if self._files is not None:
            await self._files.forget(old)
        async with self._db.transaction() as session:
            await session.execute(
                update(CameraRow)
                .where(CameraRow.status == "in_use")
                .values(health_state="connecting", health_reason="restarted", health_since=at)
            )
            session.add_all(
                change_of(row) for row in await session.scalars(select(CameraRow).where(CameraRow.status == "in_use"))
            )

    async def keep_scene(self, code: str, preset: str, scene: bytes, at: datetime) -> None:
        """For the camera's next owner. Of a preset with too long a name nothing is kept: it is learned anew."""
        if len(preset) > LONGEST_PRESET or len(scene) > LARGEST_SCENE:
            return
        async with self._db.transaction() as session:
            await camera_health.keep_scene(session, code, preset, scene, at)

    async def held_back(self, told: HeldBack) -> None:
        """A rejection kept an alert from being raised: that is counted and shown."""
        async with self._db.transaction() as session:
            await note_held_back(session, told.suppression_id, told.code, told.at)

    async def fact(self, session: AsyncSession, code: str) -> CameraFact | None:
        return (await self.facts(session, [code])).get(code)

    async def facts(self, session: AsyncSession, codes: Collection[str]) -> dict[str, CameraFact]:
        row = CameraRow
        query = select(row.code, row.name, row.platform, row.grid, row.lng, row.lat, row.address)
        found = await session.execute(query.where(row.code.in_(codes), row.status != "removed"))
        return {one.code: CameraFact(*one) for one in found}

    def _pulled(self, order: StreamOrder, rejected: list[dict[str, Any]], scenes: dict[str, bytes]) -> PulledCamera:
        return PulledCamera(
            code=order.code,
            camera_id=order.camera_id,
            platform=order.platform,
            stream_url=order.stream_url,
            username=order.login.username if order.login else None,
            password=order.login.password if order.login else None,
            rules=self._first_rules if order.rules is None else order.rules,
            sub_stream_url=order.sub_stream_url,
            clear_login=order.clear_login,
            suppressions=tuple(rejected),
            scenes=scenes,
            preset=order.preset,
        )
