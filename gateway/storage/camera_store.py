"""Camera records in the database: the store that ``camera_registry.ports`` asks for, and what the doors change.

One store lives as long as the transaction it is made for. Logins are sealed by the vault under the record's id and
leave here only as a ``Login`` inside a ``StreamOrder``, neither of which shows the password.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from camera_registry import reasons
from camera_registry.codes import MOST_SERIALS, CameraCode, CodeRange
from camera_registry.errors import CameraRefused, Reason
from camera_registry.health import HealthState
from camera_registry.login import Login
from camera_registry.ports import CameraRecord, HealthNote, Site, StreamOrder
from camera_registry.record import Description
from camera_registry.registration import CameraFound
from gateway.refusals import Refusal
from gateway.storage.camera_health import change_of, forget_scenes
from gateway.storage.credential_store import CredentialStore
from gateway.storage.ids import new_id
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.events import CounterRow
from gateway.storage.vault import Vault

log = structlog.get_logger(__name__)

_LONGEST_FACT = 200


class DatabaseCameraStore:
    """Implements ``camera_registry.ports.CameraStore`` on one writing transaction."""

    def __init__(self, session: AsyncSession, vault: Vault) -> None:
        self._session = session
        self._vault = vault

    async def next_code(self, code_range: CodeRange) -> CameraCode:
        """The next code of the range that no camera has had. Raises ``camera_codes_exhausted``."""
        while True:
            code = (await self._next(code_range, 1))[0]
            query = select(CameraRow.id).where(CameraRow.code == str(code))  # an import may have brought it
            if await self._session.scalar(query) is None:
                return code

    async def next_codes(self, code_range: CodeRange, count: int, taken: Collection[str]) -> list[CameraCode]:
        """``count`` codes of the range beside those that are ``taken``. Raises ``camera_codes_exhausted``."""
        found: list[CameraCode] = []
        while len(found) < count:
            given = await self._next(code_range, count - len(found))
            found += [code for code in given if str(code) not in taken]
        return found

    async def _next(self, code_range: CodeRange, count: int) -> list[CameraCode]:
        insert = postgresql.insert if self._session.get_bind().dialect.name == "postgresql" else sqlite.insert
        statement = (
            insert(CounterRow)
            .values(name=f"camera:{code_range}", value=count)
            .on_conflict_do_update(index_elements=["name"], set_={"value": CounterRow.value + count})
            .returning(CounterRow.value)
        )
        last = (await self._session.execute(statement)).scalar_one()
        if last > MOST_SERIALS:
            raise CameraRefused(reasons.CODES_EXHAUSTED)
        return [code_range.code(serial) for serial in range(last - count + 1, last + 1)]

    async def add(
        self,
        code: CameraCode,
        found: CameraFound,
        site: Site,
        login: Login | None,
        note: str,
        now: datetime,
        *,
        endpoint_reference: str | None = None,
        credential_set: str | None = None,
        clear_login: bool = False,
        description: Description | None = None,
    ) -> CameraRecord:
        """Keep a camera that has been seen to send video. Raises ``camera_already_registered``."""
        row = CameraRow(
            id=new_id(),
            platform=site.platform,
            code=str(code),
            name=site.name,
            status="in_use",
            endpoint_reference=endpoint_reference,
            grid=site.grid,
            lng=site.lng,
            lat=site.lat,
            address=site.address,
            note=note,
            credential_set=credential_set,
            clear_login=clear_login,
            **asdict(description or Description()),
            health_state="connecting",
            health_reason="registered",
            health_since=now,
            registered_at=now,
        )
        await self._keep(row, found, login, now)
        self._session.add(change_of(row))
        return record_of(row)

    async def reached_anew(
        self,
        row: CameraRow,
        found: CameraFound,
        login: Login | None,
        now: datetime,
        *,
        credential_set: str | None = None,
    ) -> None:
        """A camera that moved to another address or took another login. Raises ``camera_already_registered``."""
        row.credential_set = credential_set
        await self._keep(row, found, login, now)
        if row.status == "in_use":
            _begin_again(row, "reached_anew", now)
            self._session.add(change_of(row))

    async def get(self, code: str) -> CameraRecord | None:
        row = await self.row(code)
        return None if row is None else record_of(row)

    async def row(self, code: str, *, held: bool = False) -> CameraRow | None:
        """The record of a registered camera; ``held`` until the transaction ends."""
        query = select(CameraRow).where(CameraRow.code == code, CameraRow.status != "removed")
        return cast(
            CameraRow | None, await self._session.scalar(query.with_for_update(key_share=True) if held else query)
        )

    async def orders(self, codes: Sequence[str] | None = None) -> list[StreamOrder]:
        """The cameras in use, by code. A login that does not open is left out, so that the rest are pulled."""
        query = select(CameraRow).where(CameraRow.status == "in_use").order_by(CameraRow.code)
        if codes is not None:
            query = query.where(CameraRow.code.in_(codes))
        rows = list(await self._session.scalars(query))
        shared = await CredentialStore(self._session, self._vault).logins(
            row.credential_set for row in rows if row.credential_set is not None
        )
        return [
            StreamOrder(
                code=row.code,
                camera_id=row.id,
                platform=row.platform,
                stream_url=row.stream_url,
                login=shared.get(row.credential_set) if row.credential_set else self._login_or_none(row),
                rules=rules_in_force(row),
                sub_stream_url=row.sub_stream_url,
                clear_login=row.clear_login,
                preset="" if row.preset is None else row.preset or None,
            )
            for row in rows
        ]

    async def note_health(self, code: str, note: HealthNote, evidence: str | None = None) -> CameraRecord | None:
        """What a worker reports does not count as a revision. ``since`` moves only with the state; that is a line of
        its history, with the path of its ``evidence``."""
        row = await self.row(code, held=True)
        if row is None or row.status != "in_use":
            return None
        was = row.health_state
        since = row.health_since if was == note.state else note.since
        await self._session.execute(
            update(CameraRow)
            .where(CameraRow.id == row.id)
            .values(health_state=note.state, health_reason=note.reason[:64], health_since=since)
        )
        await self._session.refresh(row)
        if row.health_state != was:
            self._session.add(change_of(row, evidence))
        return record_of(row)

    async def set_status(self, row: CameraRow, status: str, now: datetime) -> None:
        """``in_use`` or ``stopped``; nobody watches a stopped camera, so it counts as offline."""
        if status == row.status:
            return
        row.status = status
        if status == "in_use":
            _begin_again(row, "registered", now)
        else:
            row.health_state, row.health_reason, row.health_since = "offline", "stopped", now
        self._session.add(change_of(row))

    async def remove(self, code: str, now: datetime) -> bool:
        row = await self.row(code, held=True)
        if row is None:
            return False
        row.status, row.removed_at, row.changed_at = "removed", now, now
        row.stream_key = row.sealed_login = row.credential_set = None
        row.health_state, row.health_reason, row.health_since = "offline", "removed", now
        self._session.add(change_of(row))
        await forget_scenes(self._session, code)
        await self._session.flush()
        return True

    async def login(self, row: CameraRow) -> Login | None:
        """The camera's login, its own or its set's. Raises ``Refusal`` ``secret_unreadable``."""
        if row.credential_set is not None:
            shared = await CredentialStore(self._session, self._vault).logins([row.credential_set])
            return shared.get(row.credential_set)
        return self._own_login(row)

    def _own_login(self, row: CameraRow) -> Login | None:
        if row.sealed_login is None:
            return None
        return Login(**json.loads(self._vault.open(row.sealed_login, row.id)))

    def _login_or_none(self, row: CameraRow) -> Login | None:
        try:
            return self._own_login(row)
        except Refusal as refusal:
            log.error("camera_login_unreadable", camera=row.code, reason=refusal.reason)
            return None

    async def _keep(self, row: CameraRow, found: CameraFound, login: Login | None, now: datetime) -> None:
        """Fill in what was found and write the row, unless another camera in the registry has the same stream."""
        await self._refuse_double(found.stream_url, row.id)
        try:
            # A savepoint flushes what is pending before it begins: the row is filled in inside of it.
            async with self._session.begin_nested():
                self._fill(row, found, login)
                row.changed_at = now
                self._session.add(row)
        except IntegrityError:
            await self._refuse_double(found.stream_url, row.id)
            raise

    def _fill(self, row: CameraRow, found: CameraFound, login: Login | None) -> None:
        row.onvif_address, row.sub_stream_url = found.onvif_address, found.sub_stream_url
        row.stream_url = row.stream_key = found.stream_url
        row.encoding, row.width, row.height = found.encoding, found.width, found.height
        row.fps, row.gop = found.fps, found.gop
        row.vendor, row.model = _fact(found.vendor), _fact(found.model)
        row.firmware, row.serial = _fact(found.firmware), _fact(found.serial)
        row.clock_offset = None if found.clock_offset is None else found.clock_offset.total_seconds()
        row.notices = [reason.code for reason in found.notes]
        row.profiles = [asdict(profile) for profile in found.profiles]
        row.offers = list(found.offers)
        row.snapshot_url, row.replay_url = found.snapshot_url, found.replay_url
        own = None if row.credential_set is not None or login == Login("", "") else login
        row.sealed_login = None if own is None else self._sealed(own, row.id)

    async def _refuse_double(self, stream_url: str, own_id: str) -> None:
        query = select(CameraRow.code).where(CameraRow.stream_key == stream_url, CameraRow.id != own_id)
        code = await self._session.scalar(query)
        if code is not None:
            same = reasons.ALREADY_REGISTERED
            raise CameraRefused(Reason(same.code, f"{same.zh}编码：{code}。", f"{same.en} Its code is {code}."))

    def _sealed(self, login: Login, record_id: str) -> str:
        return self._vault.seal(json.dumps({"username": login.username, "password": login.password}), record_id)


def rules_in_force(row: CameraRow) -> tuple[dict[str, Any], ...] | None:
    """The rules for the view the camera has now; None: none of its own, so the first values hold, which have no zones.

    Rules belong to a preset: those drawn for another view, or before the head was turned, mean nothing in this one.
    """
    rules = row.rules if row.preset is None else row.preset_rules.get(row.preset)
    return None if rules is None else tuple(dict(rule) for rule in rules)


def record_of(row: CameraRow) -> CameraRecord:
    """The record as the registry knows it, without the login."""
    return CameraRecord(
        id=row.id,
        code=row.code,
        site=Site(row.name, row.platform, row.grid, row.lng, row.lat, row.address),
        stream_url=row.stream_url,
        onvif_address=row.onvif_address,
        sub_stream_url=row.sub_stream_url,
        encoding=row.encoding,
        vendor=row.vendor,
        model=row.model,
        firmware=row.firmware,
        serial=row.serial,
        clock_offset=row.clock_offset,
        status=row.status,
        note=row.note,
        health=HealthNote(cast(HealthState, row.health_state), row.health_reason, row.health_since),
        registered_at=row.registered_at,
        revision=row.revision,
    )


def _begin_again(row: CameraRow, reason: str, now: datetime) -> None:
    row.health_state, row.health_reason, row.health_since = "connecting", reason, now


def _fact(text: str) -> str:
    """What a camera says of itself, as both databases take it."""
    return text.replace("\x00", "").strip()[:_LONGEST_FACT]
