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
from detectors.refusals import WeightsRefused
from detectors.sees import HAZARDS, hazards_of
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.grants import Viewed, view
from gateway.api.camera_lookup import found_camera
from gateway.api.engine_told import ENGINE, EngineTold, WeightsNamed, engine_told
from gateway.api.guard import GrantCited, permit
from gateway.api.services import Doors, Services
from gateway.api.weights_desk import (
    Prepared,
    Source,
    WeightsDesk,
    WeightsStand,
    in_force_changed,
    make_change,
    nothing_promoted,
    shadow_changed,
    shadow_missing,
)
from gateway.refusals import Refusal
from gateway.storage.tables.cameras import CameraRow

router = APIRouter(tags=["models"])


class WeightsShown(BaseModel):
    """A card. ``figures_on_test``: on pictures never trained on; ``thresholds``: the score of each class from which it
    counts; ``trained_from``: how many pictures of what, and under which licences."""

    name: str
    sha256: str = Field(description="Of the detector's weights.")
    card_sha256: str = Field(description="Of the card's file, which names all networks by theirs.")
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


class ShadowProblem(BaseModel):
    reason: str
    detail: str = Field(description="What is wrong and what to do, in Chinese.")
    detail_en: str = Field(description="The same in English.")


class ModelsShown(BaseModel):
    """``in_force``: what the engine looks with from its next start on, ``running`` what it looks with now; they differ
    after ``gateway promote`` until the restart. ``before``: what ``withdraw`` brings back. ``train_from``: the file of
    promoted weights, from which training can go on.

    ``ready``: the engine answers. ``looks`` it has answered since it began, ``looks_dropped``: pictures, the oldest
    first, that it had no time for; ``looks_waiting`` now. ``shadow``: by the card that the settings name, as it is now;
    ``shadow_problem``: why those weights cannot be put in force. The counts are of this very card since the engine
    began; ``kept``: looks whose differences are kept, ``counted`` what was seen in them by one of the two alone."""

    in_force: WeightsShown
    running: WeightsNamed | None
    before: WeightsNamed | None
    source: Source
    train_from: str | None
    ready: bool
    looks: int
    looks_dropped: int
    looks_waiting: int
    shadow: WeightsShown | None
    shadow_problem: ShadowProblem | None
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


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class WeightsMeant(BaseModel):
    """Which weights a person means; refused where they are others by now. ``card_sha256`` tells apart two that share
    a detector."""

    model_config = ConfigDict(extra="forbid")

    sha256: Sha256
    card_sha256: Sha256 | None = None

    def is_of(self, card: Card) -> bool:
        return self.sha256 == card.sha256 and self.card_sha256 in (None, card.card_sha256)


def _desk(doors: Services) -> WeightsDesk:
    if doors.weights is None:
        raise Refusal("unavailable", "weights_unavailable", "本机不运行模型。", "No weights run here.")
    return doors.weights


@router.get("/models")
async def get_models(caller: Annotated[Caller, Depends(permit("models.read"))], doors: Doors) -> ModelsShown:
    """What runs, how good it is and where it fails; and what looks beside it in shadow."""
    stand = await asyncio.to_thread(_desk(doors).stand)
    looks = await _seen_otherwise(doors, caller, stand.shadow)
    counted: Counter[tuple[str, str]] = Counter((one.label, one.seen_by) for look in looks for one in look.differences)
    told = engine_told(doors.extra_metrics())
    tried = told.shadow_of(stand.shadow)
    problem = _problem(stand, told)
    return ModelsShown(
        in_force=_shown(stand.card),
        running=told.running,
        before=None if stand.before is None else WeightsNamed.of(stand.before),
        source=stand.source,
        train_from=str(stand.file) if stand.source != "shipped" and stand.file.suffix == ".onnx" else None,
        ready=doors.workers_ready().get(ENGINE, False),
        looks=told.looks,
        looks_dropped=told.dropped,
        looks_waiting=told.waiting,
        shadow=None if stand.shadow is None else _shown(stand.shadow),
        shadow_problem=None
        if problem is None
        else ShadowProblem(reason=problem.reason, detail=problem.zh, detail_en=problem.en),
        shadow_looks=tried.looks,
        shadow_differing=tried.differing,
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
    stand = await asyncio.to_thread(_desk(doors).stand)
    looks = await _seen_otherwise(doors, caller, stand.shadow)
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
    asked: WeightsMeant, caller: Annotated[Caller, Depends(permit("models.promote"))], doors: Doors
) -> ModelsShown:
    """Put the weights in shadow in force; refused before these very ones have looked at a picture here, and are known
    to run."""
    desk = _desk(doors)
    stand = await asyncio.to_thread(desk.stand)
    shadow, told = stand.shadow, engine_told(doors.extra_metrics())
    if shadow is not None and not asked.is_of(shadow):
        raise shadow_changed()
    if (problem := _problem(stand, told)) is not None:
        raise Refusal("conflict", problem.reason, problem.zh, problem.en, field="sha256")
    if shadow is None:
        raise shadow_missing()
    if not told.shadow_of(shadow).looks:
        raise Refusal(
            "conflict",
            "shadow_untried",
            "新模型尚未在本机分析过任何画面，请先试用。",
            "The new weights have looked at no picture here yet; let them look first.",
            field="sha256",
        )
    prepared = await asyncio.to_thread(desk.promotion, shadow.card_sha256)
    await _make(doors, caller, prepared, "weights.promote", of=shadow, before=stand.card)
    return await get_models(caller, doors)


@router.post("/models/withdraw")
async def withdraw_weights(
    asked: WeightsMeant, caller: Annotated[Caller, Depends(permit("models.promote"))], doors: Doors
) -> ModelsShown:
    """Back from the weights in force, which the caller names, to those before the last promotion; so of two who ask at
    a time, or of one who asks again, only the first takes anything back."""
    desk = _desk(doors)
    stand = await asyncio.to_thread(desk.stand)
    if stand.source == "shipped":
        raise nothing_promoted()
    if not asked.is_of(stand.card):
        raise in_force_changed()
    if asked.card_sha256 is None and stand.before is not None and stand.before.sha256 == asked.sha256:
        raise Refusal(
            "conflict",
            "weights_ambiguous",
            "启用前后的检测网络相同，须同时给出模型卡的 SHA-256（card_sha256）。",
            "Those before have the same detector: name the card as well (card_sha256).",
            field="card_sha256",
        )
    prepared = await asyncio.to_thread(desk.withdrawal, stand.card.card_sha256)
    await _make(doors, caller, prepared, "weights.withdraw", of=stand.card, before=stand.card)
    return await get_models(caller, doors)


async def _make(doors: Services, caller: Caller, prepared: Prepared, what: str, *, of: Card, before: Card) -> None:
    """Make the change, and let the engine begin again. The audit chain names the weights that are put in force or taken
    back (``of``), and those in force after it and ``before``."""
    why = f"in force: {_named(prepared.card)}; before: {_named(before)}"
    act = audit.Act(caller.username, what, f"weights:{of.sha256}", caller.platform, why=why)
    await make_change(doors.db, prepared.change, act, doors.clock)
    _desk(doors).restart()


def _named(card: Card) -> str:
    return f"{card.name} {card.sha256} (card {card.card_sha256})"


def _problem(stand: WeightsStand, told: EngineTold) -> WeightsRefused | None:
    """Why the weights that the settings put in shadow cannot be put in force: by what lies on disk, by what the engine
    said when it began, or because it tries others, as their file was exchanged since."""
    if stand.amiss is not None or stand.shadow is None:
        return stand.amiss
    if (reason := told.shadow_refused) is not None:
        return WeightsRefused(
            reason,
            f"识别引擎启动时未能使用试用模型（{reason}，见运维手册和日志 shadow_refused）；更换文件后请重启服务。",
            f"The engine could not use the weights in shadow when it began ({reason}: see the operators' manual, and"
            " shadow_refused in the log); replace them, then restart the service.",
        )
    begun = told.running is not None and told.running.card_sha256 == stand.card.card_sha256  # else it is about to
    if begun and (told.shadow is None or told.shadow.card_sha256 != stand.shadow.card_sha256):
        return WeightsRefused(
            "shadow_not_loaded",
            "识别引擎尚未载入试用模型：刚启动时请稍候；文件已更换的，请重启服务，先试用。",
            "The engine has not loaded the weights in shadow: wait a moment where it has just begun; where their file"
            " was exchanged, restart the service and let them look first.",
        )
    return None


async def _seen_otherwise(doors: Services, caller: Caller, shadow: Card | None) -> list[DifferingLook]:
    """Differences with the weights in shadow now; those of earlier ones are past."""
    if shadow is None:
        return []
    desk = _desk(doors)
    kept = await asyncio.to_thread(desk.differences)
    kept = [one for one in kept if one.get("new_card") == shadow.card_sha256]
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
        card_sha256=card.card_sha256,
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
