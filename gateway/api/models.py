"""``/api/v1/models``: the weights in force and how good they are, what new ones in shadow see otherwise, promotion.

New weights come with the setting ``inference.shadow``; here a person looks through what they see otherwise, puts them
in force or takes that back. The engine alone begins again, within seconds; cameras stay connected.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from detectors.card import Card
from detectors.sees import HAZARDS, hazards_of
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.grants import Viewed, view
from gateway.api.camera_lookup import found_camera
from gateway.api.guard import GrantCited, permit
from gateway.api.services import Doors, Services
from gateway.api.weights_desk import Source, WeightsDesk, make_change
from gateway.refusals import Refusal
from gateway.storage.tables.cameras import CameraRow

router = APIRouter(tags=["models"])

ENGINE = "inference"
"""The process that runs the weights."""


class WeightsShown(BaseModel):
    """A card. ``figures_on_test``: on pictures never trained on; ``thresholds``: the score of each class from which it
    counts; ``trained_from``: how many pictures of what, and under which licences."""

    name: str
    sha256: str
    classes: list[str]
    input_size: tuple[int, int] = Field(description="Height and width in px.")
    precision: str = Field(description="Of two the first is computed where the processor multiplies bytes by itself.")
    licence: str
    note: str
    thresholds: dict[str, float]
    figures_on_test: dict[str, float | None]
    fails_where: list[str]
    fails_where_zh: list[str]
    trained_from: dict[str, Any]
    blind_to: list[str] = Field(description="Hazards that these weights cannot tell: their rules never fire.")


class DifferenceCount(BaseModel):
    label: str
    only_old: int
    only_new: int


class ModelsShown(BaseModel):
    """``ready``: the engine answers. ``looks`` it has answered since it began, ``looks_dropped``: pictures, the oldest
    first, that it had no time for; ``looks_waiting`` now. Of ``shadow`` the counts are those since the engine began;
    ``kept``: looks whose differences are kept, ``counted`` what was seen in them by one of the two alone."""

    in_force: WeightsShown
    source: Source
    ready: bool
    looks: int
    looks_dropped: int
    looks_waiting: int
    shadow: WeightsShown | None
    shadow_looks: int
    shadow_differing: int
    kept: int
    counted: list[DifferenceCount]


class Difference(BaseModel):
    """``box`` normalised x1, y1, x2, y2; null for people, of whom ``score`` is by how many more were seen."""

    seen_by: Literal["old", "new"]
    label: str
    score: float
    box: tuple[float, float, float, float] | None


class DifferingLook(BaseModel):
    id: str
    at: datetime
    camera_code: str
    camera_name: str
    differences: list[Difference]


class DifferingLooks(BaseModel):
    items: list[DifferingLook]
    total: int


class PromotionAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the weights that were looked through.")


def _desk(doors: Services) -> WeightsDesk:
    if doors.weights is None:
        raise Refusal("unavailable", "weights_unavailable", "本机不运行模型。", "No weights run here.")
    return doors.weights


@router.get("/models")
async def get_models(caller: Annotated[Caller, Depends(permit("models.read"))], doors: Doors) -> ModelsShown:
    """What runs, how good it is and where it fails; and what looks beside it in shadow."""
    stand = await asyncio.to_thread(_desk(doors).stand)
    looks = await _seen_otherwise(doors, caller)
    counted: Counter[tuple[str, str]] = Counter((one.label, one.seen_by) for look in looks for one in look.differences)
    told: Counter[str] = Counter()
    for one in doors.extra_metrics():
        if one.labels.get("worker") == ENGINE:
            told[one.name] += int(one.value)
    return ModelsShown(
        in_force=_shown(stand.card),
        source=stand.source,
        ready=doors.workers_ready().get(ENGINE, False),
        looks=told["gateway_looks_total"],
        looks_dropped=told["gateway_looks_dropped_total"],
        looks_waiting=told["gateway_looks_waiting"],
        shadow=None if stand.shadow is None else _shown(stand.shadow),
        shadow_looks=told["gateway_shadow_looks_total"],
        shadow_differing=told["gateway_shadow_differing_total"],
        kept=len(looks),
        counted=[
            DifferenceCount(label=label, only_old=counted[label, "old"], only_new=counted[label, "new"])
            for label in sorted({label for label, _ in counted})
        ],
    )


@router.get("/models/differences")
async def list_differences(
    caller: Annotated[Caller, Depends(permit("models.read"))],
    doors: Doors,
    label: Annotated[str | None, Query(max_length=32, description="Only looks in which this differs.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 24,
    offset: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> DifferingLooks:
    """What only the weights in force or only those in shadow saw, at the caller's cameras, the newest first."""
    looks = await _seen_otherwise(doors, caller)
    if label is not None:
        looks = [look for look in looks if any(one.label == label for one in look.differences)]
    return DifferingLooks(items=looks[offset : offset + limit], total=len(looks))


@router.get(
    "/models/differences/{difference_id}/picture.jpg",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "The picture that both looked at."}},
)
async def get_difference_picture(
    difference_id: str, caller: Annotated[Caller, Depends(permit("video.view"))], doors: Doors, grant: GrantCited
) -> Response:
    """The picture of a difference; a view like any other."""
    found = await asyncio.to_thread(_desk(doors).picture, difference_id)
    if found is None:
        raise Refusal(
            "not_found", "difference_unknown", "没有这一条差异，可能已被更新的替换。", "It is no longer kept."
        )
    code, jpeg = found
    async with doors.db.transaction() as session:
        row = await found_camera(session, caller, code)
        viewed = Viewed("snapshot", f"difference:{difference_id}", code, row.platform)
        await view(session, caller, grant, viewed, doors.clock())
    return Response(jpeg, 200, {"Cache-Control": "no-store"}, "image/jpeg")


@router.post("/models/promote")
async def promote_weights(
    asked: PromotionAsked, caller: Annotated[Caller, Depends(permit("models.promote"))], doors: Doors
) -> ModelsShown:
    """Put the weights in shadow in force; refused before they have looked at a picture here, and are known to run."""
    desk = _desk(doors)
    told = {one.name: one.value for one in doors.extra_metrics() if one.labels.get("worker") == ENGINE}
    if not told.get("gateway_shadow_looks_total"):
        raise Refusal(
            "conflict",
            "shadow_untried",
            "新模型尚未在本机分析过任何画面，请先试用。",
            "The new weights have looked at no picture here yet; let them look first.",
            field="sha256",
        )
    change = await asyncio.to_thread(desk.promotion, asked.sha256)
    act = audit.Act(caller.username, "weights.promote", f"weights:{asked.sha256}", caller.platform)
    await make_change(doors.db, change, act, doors.clock)
    desk.restart()
    return await get_models(caller, doors)


@router.post("/models/withdraw")
async def withdraw_weights(caller: Annotated[Caller, Depends(permit("models.promote"))], doors: Doors) -> ModelsShown:
    """Back to the weights before the last promotion."""
    desk = _desk(doors)
    change = await asyncio.to_thread(desk.withdrawal)
    act = audit.Act(caller.username, "weights.withdraw", "weights:promoted", caller.platform)
    await make_change(doors.db, change, act, doors.clock)
    desk.restart()
    return await get_models(caller, doors)


async def _seen_otherwise(doors: Services, caller: Caller) -> list[DifferingLook]:
    """Differences with the weights in shadow now; those of earlier ones are past."""
    desk = _desk(doors)
    stand = await asyncio.to_thread(desk.stand)
    if stand.shadow is None:
        return []
    kept = await asyncio.to_thread(desk.differences)
    kept = [one for one in kept if one["new_weights"] == stand.shadow.sha256]
    async with doors.db.reading() as session:
        codes = {str(one["camera"]) for one in kept}
        query = select(CameraRow.code, CameraRow.name).where(
            CameraRow.code.in_(codes), CameraRow.status != "removed", caller.visible(CameraRow.platform)
        )
        names = {row.code: row.name for row in await session.execute(query)}
    return [
        DifferingLook(
            id=one["id"],
            at=datetime.fromtimestamp(one["at"], UTC),
            camera_code=one["camera"],
            camera_name=names[one["camera"]],
            differences=[_difference(said) for said in one["differences"]],
        )
        for one in kept
        if one["camera"] in names
    ]


def _difference(said: dict[str, Any]) -> Difference:
    box = said["box"]
    sides = None if box is None else (box["x1"], box["y1"], box["x2"], box["y2"])
    return Difference(seen_by=said["seen_by"], label=said["label"], score=said["score"], box=sides)


def _shown(card: Card) -> WeightsShown:
    details = card.details
    return WeightsShown(
        name=card.name,
        sha256=card.sha256,
        classes=list(card.classes),
        input_size=card.input_size,
        precision=f"int8 / {card.precision}" if card.quantised is not None else card.precision,
        licence=card.licence,
        note=str(details.get("note", "")),
        thresholds=dict(card.thresholds),
        figures_on_test=_numbers(details.get("figures_on_test")),
        fails_where=_lines(details.get("fails_where")),
        fails_where_zh=_lines(details.get("fails_where_zh")),
        trained_from=found if isinstance(found := details.get("trained_from"), dict) else {},
        blind_to=[hazard for hazard in HAZARDS if hazard not in hazards_of(card)],
    )


def _numbers(found: object) -> dict[str, float | None]:
    """Figures as a card has them; another maker's card may hold anything."""
    if not isinstance(found, dict):
        return {}
    return {str(name): one for name, one in found.items() if one is None or isinstance(one, int | float)}


def _lines(found: object) -> list[str]:
    return [str(one) for one in found] if isinstance(found, list) else []
