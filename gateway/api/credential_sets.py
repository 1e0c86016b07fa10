"""``/api/v1/credential-sets``: logins for the cameras of some networks (凭据集), set once and rotated once.

A password goes in and never comes out. A new one reaches every camera that logs in by the set, at once and without
adding a camera anew.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from camera_registry.address_policy import Network
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.fields import one_line
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.refusals import Refusal
from gateway.storage.credential_store import MOST_SETS, CredentialStore, network_of
from gateway.storage.ids import new_id
from gateway.storage.tables.cameras import CameraRow, CredentialSetRow

router = APIRouter(tags=["cameras"])

SetName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), one_line]
Username = Annotated[str, StringConstraints(min_length=1, max_length=100), one_line]
Password = Annotated[SecretStr, Field(min_length=1, max_length=200)]
Networks = Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=64)]
Position = Annotated[int, Field(ge=0, le=10_000)]
Writer = Annotated[Caller, Depends(permit("credentials.write"))]


class SetAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: SetName
    networks: Networks = Field(description="CIDR; the set's login is sent nowhere else.")
    username: Username
    password: Password
    position: Position = Field(default=0, description="Among sets of equally narrow networks the lowest comes first.")


class SetChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: SetName | None = None
    networks: Networks | None = None
    username: Username | None = None
    password: Password | None = None
    position: Position | None = None
    revision: int | None = Field(default=None, ge=1)


class SetShown(BaseModel):
    id: str
    name: str
    networks: list[str]
    username: str
    position: int
    cameras: int = Field(description="How many cameras log in by it.")
    platform: str
    changed_at: datetime
    revision: int


class SetList(BaseModel):
    items: list[SetShown]


@router.get("/credential-sets")
async def list_sets(caller: Annotated[Caller, Depends(permit("credentials.read"))], doors: Doors) -> SetList:
    """The sets of your scope, in the order of their trial; never a password."""
    async with doors.db.reading() as session:
        query = select(CredentialSetRow).where(caller.visible(CredentialSetRow.platform))
        rows = list(await session.scalars(query.order_by(CredentialSetRow.position, CredentialSetRow.id)))
        counted = await session.execute(
            select(CameraRow.credential_set, func.count())
            .where(CameraRow.credential_set.in_([row.id for row in rows]), CameraRow.status != "removed")
            .group_by(CameraRow.credential_set)
        )
        cameras = {str(set_id): number for set_id, number in counted}
    return SetList(items=[_shown(row, cameras.get(row.id, 0)) for row in rows])


@router.post("/credential-sets", status_code=201)
async def add_set(asked: SetAsked, caller: Writer, doors: Doors) -> SetShown:
    networks = _checked(asked.networks, doors.settings.cameras.networks)
    now = doors.clock()
    async with doors.db.transaction() as session:
        store = CredentialStore(session, doors.vault)
        if not await store.room_left():
            raise Refusal(
                "conflict",
                "credential_sets_too_many",
                f"凭据集不得超过 {MOST_SETS} 个。",
                f"There may be at most {MOST_SETS} credential sets.",
            )
        row = CredentialSetRow(
            id=new_id(), platform=caller.platform, name=asked.name, networks=networks, position=asked.position,
            username=asked.username, changed_at=now,
        )  # fmt: skip
        store.fill(row, asked.password.get_secret_value())
        session.add(row)
        await session.flush()
        await _audited(session, caller, "credentials.add", row, doors)
        return _shown(row, 0)


@router.patch("/credential-sets/{set_id}")
async def change_set(set_id: str, asked: SetChange, caller: Writer, doors: Doors) -> SetShown:
    """Change a set; another login is used by all its cameras at once (凭据轮换)."""
    networks = None if asked.networks is None else _checked(asked.networks, doors.settings.cameras.networks)
    async with doors.db.transaction() as session:
        row = await _found(session, caller, set_id, asked.revision)
        store = CredentialStore(session, doors.vault)
        if asked.password is not None:
            store.fill(row, asked.password.get_secret_value())
        row.name = row.name if asked.name is None else asked.name
        row.username = row.username if asked.username is None else asked.username
        row.position = row.position if asked.position is None else asked.position
        row.networks = row.networks if networks is None else networks
        row.changed_at = doors.clock()
        await session.flush()
        codes = await store.cameras(row.id)
        await _audited(session, caller, "credentials.change", row, doors, ", ".join(sorted(asked.model_fields_set)))
        shown = _shown(row, len(codes))
    if asked.password is not None or asked.username is not None:
        for code in codes:
            await doors.cameras_changed(code)
    return shown


@router.delete("/credential-sets/{set_id}", status_code=204)
async def remove_set(
    set_id: str, caller: Writer, doors: Doors, revision: Annotated[int | None, Query(ge=1)] = None
) -> None:
    """Refused while a camera logs in by it."""
    async with doors.db.transaction() as session:
        row = await _found(session, caller, set_id, revision)
        used = await CredentialStore(session, doors.vault).cameras(row.id)
        if used:
            raise Refusal(
                "conflict",
                "credential_set_in_use",
                f"仍有 {len(used)} 台摄像机使用该凭据集。",
                f"{len(used)} cameras still log in by this set.",
            )
        await _audited(session, caller, "credentials.remove", row, doors)
        await session.delete(row)


async def _found(session: AsyncSession, caller: Caller, set_id: str, revision: int | None) -> CredentialSetRow:
    query = select(CredentialSetRow).where(CredentialSetRow.id == set_id, caller.visible(CredentialSetRow.platform))
    row = await session.scalar(query.with_for_update())
    if row is None:
        raise Refusal("not_found", "credential_set_unknown", "没有该凭据集。", "There is no such credential set.")
    if revision is not None and row.revision != revision:
        raise Refusal(
            "conflict",
            "revision_stale",
            "记录已被他人修改，请刷新后重试。",
            "The record was changed meanwhile; fetch it again and retry.",
            field="revision",
        )
    return row


def _checked(texts: list[str], allowed: tuple[Network, ...]) -> list[str]:
    """Each in its own form; refuses what is no network, and one that lies outside the camera networks."""
    found = []
    for number, text in enumerate(texts):
        try:
            network = network_of(text)
        except ValueError:
            raise Refusal(
                "invalid", "network_invalid", f"“{text}”不是网段（如 192.168.1.0/24）。",
                f"{text!r} is no network such as 192.168.1.0/24.", field=f"networks.{number}",
            ) from None  # fmt: skip
        if not any(network.version == one.version and network.subnet_of(one) for one in allowed):  # type: ignore[arg-type]  # the versions agree
            raise Refusal(
                "invalid", "address_not_allowed", f"网段 {network} 不在摄像机网络内（设置 cameras.networks）。",
                f"{network} lies outside the camera networks (setting cameras.networks).", field=f"networks.{number}",
            )  # fmt: skip
        found.append(str(network))
    return found


async def _audited(
    session: AsyncSession, caller: Caller, what: str, row: CredentialSetRow, doors: Services, why: str = ""
) -> None:
    act = audit.Act(caller.username, what, f"credential_set:{row.id}", row.platform, why=f"{row.name} {why}".strip())
    await audit.append(session, act, doors.clock())


def _shown(row: CredentialSetRow, cameras: int) -> SetShown:
    return SetShown(
        id=row.id, name=row.name, networks=[str(one) for one in row.networks], username=row.username,
        position=row.position, cameras=cameras, platform=row.platform, changed_at=row.changed_at, revision=row.revision,
    )  # fmt: skip
