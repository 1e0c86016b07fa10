"""Camera records from a sheet into the registry: all good rows in one transaction, faulty ones named and left out.

What is imported is on record and ``awaiting``: no camera has been asked. The transaction is short, for it holds up
every other writer of an SQLite: rows are checked before it begins, and written by statements of many rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from camera_registry.camera_sheet import CameraLine, CameraSheet, LineFault
from camera_registry.codes import CodeRange
from camera_registry.record import Description
from gateway.grid.locator import GridLocator
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.ids import new_id
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.grid import Grid, Platform
from gateway.storage.vault import Vault

AT_ONCE = 200
"""Rows in one statement; between two the loop is let go."""
_DESCRIPTIVE = tuple(one.name for one in fields(Description))
_KEPT = ("code", "name", "platform", "grid", "lng", "lat", "address", "note", "vendor", "model", *_DESCRIPTIVE)
"""What a row may change of a camera that is there."""

Outcome = Literal["added", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class LineResult:
    """What became of a good row; ``code`` of the camera it is about."""

    row: int
    code: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class CameraImport:
    results: tuple[LineResult, ...]
    faults: tuple[LineFault, ...]
    moved: tuple[str, ...] = ()
    """Codes of cameras in use whose platform is another now: their workers are to be told."""


@dataclass(frozen=True, slots=True)
class Importer:
    """Whose import it is. ``platform`` owns rows that name none and lie in no grid of ``visible`` (None: all)."""

    platform: str
    visible: frozenset[str] | None
    centre: str

    def sees(self, platform: str) -> bool:
        return self.visible is None or platform in self.visible


async def import_cameras(
    session: AsyncSession, sheet: CameraSheet, importer: Importer, grids: GridLocator, vault: Vault, now: datetime
) -> CameraImport:
    """Store the good rows in the caller's transaction; nothing is stored where it is rolled back."""
    known = await _Known.read(session)
    place_of = await grids.at(session)
    faults = [line for line in sheet.lines if isinstance(line, LineFault)]
    results: list[LineResult] = []
    added: list[tuple[CameraLine, dict[str, Any]]] = []
    changed: list[dict[str, Any]] = []
    moved: list[str] = []
    for number, line in enumerate(sheet.lines):
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
        if isinstance(line, LineFault):
            continue
        camera = known.camera(line)
        fault = known.fault(line, camera, importer)
        if fault is not None:
            faults.append(fault)
            continue
        hit = place_of(line.lng, line.lat) if line.lng is not None and line.lat is not None else None
        grid = line.texts.get("grid") or (hit.code if hit else None)
        if camera is None:
            owner = line.texts.get("platform") or _owner(importer, known.grids.get(grid or ""))
            added.append((line, _new(line, owner, grid, now)))
            continue
        values = _different(camera, line, grid)
        results.append(LineResult(line.row, camera["code"], "changed" if values else "unchanged"))
        if values:
            changed.append({"id": camera["id"], "revision": camera["revision"], "changed_at": now, **values})
            if values.get("platform", camera["platform"]) != camera["platform"] and camera["status"] == "in_use":
                moved.append(camera["code"])
    await _give_codes(session, added, importer.centre, known, vault)
    await _write(session, [values for _, values in added], changed)
    results += [LineResult(line.row, values["code"], "added") for line, values in added]
    return CameraImport(
        tuple(sorted(results, key=lambda one: one.row)), tuple(sorted(faults, key=lambda one: one.row)), tuple(moved)
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is in the registry as the import begins; the cameras are held until the transaction ends."""

    by_code: Mapping[str, dict[str, Any]]
    by_address: Mapping[str, dict[str, Any]]
    grids: Mapping[str, str]
    platforms: frozenset[str]

    @classmethod
    async def read(cls, session: AsyncSession) -> _Known:
        columns = [getattr(CameraRow, name) for name in ("id", "revision", "status", "onvif_address", "stream_url")]
        columns += [getattr(CameraRow, name) for name in _KEPT]
        query = select(*columns).with_for_update(of=CameraRow, key_share=True)
        cameras: list[dict[str, Any]] = []
        read = await session.stream(query.execution_options(yield_per=AT_ONCE))
        async for rows in read.mappings().partitions():
            cameras += [dict(row) for row in rows]
            await asyncio.sleep(0)
        there = [camera for camera in cameras if camera["status"] != "removed"]
        addresses = {url: one for one in there for url in (one["onvif_address"], one["stream_url"]) if url}
        grids = {row.code: row.platform for row in await session.execute(select(Grid.code, Grid.platform))}
        return cls(
            {camera["code"]: camera for camera in cameras},
            addresses,
            grids,
            frozenset(await session.scalars(select(Platform.code))),
        )

    def camera(self, line: CameraLine) -> dict[str, Any] | None:
        """The camera a row is about: by its code, else by its address."""
        if line.code is not None:
            return self.by_code.get(line.code)
        return self.by_address.get(line.onvif_address or line.rtsp_url or "")

    def fault(self, line: CameraLine, camera: Mapping[str, Any] | None, importer: Importer) -> LineFault | None:
        """What keeps a row, right by itself, from being stored here."""
        address = line.onvif_address or line.rtsp_url
        holder = self.by_address.get(address or "")
        if camera is not None and camera["status"] == "removed":
            return _fault(line, "code", "code_used", "该编码属于已删除的摄像机。", "A removed camera had this code.")
        if camera is not None and not importer.sees(camera["platform"]):
            return _beyond(line)
        if holder is not None and (camera is None or holder["code"] != camera["code"]):
            said = f"该地址已登记，编码 {holder['code']}。" if importer.sees(holder["platform"]) else "该地址已登记。"
            return _fault(line, _address_field(line), "camera_already_registered", said, "The address is registered.")
        if camera is None:
            if address is None:
                return _fault(line, "onvif_address", "address_missing", "新摄像机须有地址。", "A new camera needs one.")
            if line.name is None:
                return _fault(line, "name", "name_missing", "新摄像机须有名称。", "A new camera needs a name.")
        elif address is not None and address not in (camera["onvif_address"], camera["stream_url"]):
            said = "已登记摄像机的地址不能由导入更改，请在其档案中修改。"
            return _fault(line, _address_field(line), "address_differs", said, "Change its address in its record.")
        if (grid := line.texts.get("grid")) is not None and grid not in self.grids:
            return _fault(line, "grid", "grid_unknown", f"没有网格“{grid}”。", f"There is no grid {grid!r}.")
        if (platform := line.texts.get("platform")) is not None:
            if platform not in self.platforms:
                return _fault(
                    line, "platform", "platform_unknown", f"没有平台“{platform}”。", f"No platform {platform!r}."
                )
            if not importer.sees(platform):
                return _beyond(line)
        return None


def _owner(importer: Importer, grid_platform: str | None) -> str:
    return grid_platform if grid_platform is not None and importer.sees(grid_platform) else importer.platform


def _new(line: CameraLine, owner: str, grid: str | None, now: datetime) -> dict[str, Any]:
    description = Description(**line.described)  # type: ignore[arg-type]  # checked as the sheet was read
    return {
        "id": new_id(),
        "platform": owner,
        "revision": 1,
        "code": line.code,
        "name": line.name,
        "status": "awaiting",
        "onvif_address": line.onvif_address,
        "stream_url": line.rtsp_url or "",
        "stream_key": line.rtsp_url,
        "encoding": "",
        "grid": grid,
        "lng": line.lng,
        "lat": line.lat,
        **{name: line.texts.get(name, "") for name in ("address", "note", "vendor", "model")},
        **dict.fromkeys(("firmware", "serial"), ""),
        **asdict(description),
        "notices": [],
        "profiles": [],
        "offers": [],
        "clear_login": False,
        "device_events": False,
        "health_state": "offline",
        "health_reason": "awaiting",
        "health_since": now,
        "registered_at": now,
        "changed_at": now,
    }


def _different(camera: Mapping[str, Any], line: CameraLine, grid: str | None) -> dict[str, Any]:
    """What the row says otherwise; an empty cell says nothing. ``vendor`` and ``model`` the camera tells itself."""
    said: dict[str, Any] = {"name": line.name, "lng": line.lng, "lat": line.lat, **line.described}
    told = ("address", "note", "platform") + (("vendor", "model") if camera["status"] == "awaiting" else ())
    said |= {name: line.texts.get(name) for name in told}
    said["grid"] = grid
    different = {name: value for name, value in said.items() if value is not None and value != camera[name]}
    return {name: different.get(name, camera[name]) for name in _KEPT if name != "code"} if different else {}


async def _give_codes(
    session: AsyncSession,
    added: Sequence[tuple[CameraLine, dict[str, Any]]],
    centre: str,
    known: _Known,
    vault: Vault,
) -> None:
    """A code for each row that brought none, from the range of its industry and network. Raises ``codes_exhausted``."""
    taken = {*known.by_code, *(values["code"] for _, values in added if values["code"])}
    waiting: dict[CodeRange, list[dict[str, Any]]] = {}
    for line, values in added:
        if values["code"] is None:
            waiting.setdefault(CodeRange(centre, line.industry, network=line.network), []).append(values)
    store = DatabaseCameraStore(session, vault)
    for code_range, rows in waiting.items():
        codes = await store.next_codes(code_range, len(rows), taken)
        for values, code in zip(rows, codes, strict=True):
            values["code"] = str(code)


async def _write(session: AsyncSession, added: Sequence[dict[str, Any]], changed: Sequence[dict[str, Any]]) -> None:
    for rows in _portions(added):
        await session.execute(insert(CameraRow), rows)
    for rows in _portions(changed):
        await session.execute(update(CameraRow), rows)


def _portions(rows: Sequence[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    return (list(rows[start : start + AT_ONCE]) for start in range(0, len(rows), AT_ONCE))


def _address_field(line: CameraLine) -> str:
    return "onvif_address" if line.onvif_address is not None else "rtsp_url"


def _fault(line: CameraLine, field: str, reason: str, zh: str, en: str) -> LineFault:
    return LineFault(line.row, line.code or "", field, reason, zh, en)


def _beyond(line: CameraLine) -> LineFault:
    return _fault(
        line, "platform", "platform_beyond_yours", "该摄像机属于其他平台。", "It belongs to another platform."
    )
