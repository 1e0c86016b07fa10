"""``/api/v1/cameras/{code}/rules``: which hazards a camera watches for, where in its picture, when and from what on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detectors.rules.config import RuleConfig, default_rules
from detectors.rules.parsing import MOST_RULES, RulesRefused, UnusableRule, as_json, parse_kept, parse_rules
from detectors.sees import NAMES, can_fire
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_lookup import checked_revision, found_camera
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.events.suppressions import forget_gatherings
from gateway.refusals import Refusal
from gateway.settings import RuleSettings
from gateway.storage.tables.cameras import CameraRow

router = APIRouter(tags=["cameras"])

MOST_PRESETS = 64


class UnusableShown(BaseModel):
    """A rule that was set before, under an older version perhaps, and does not watch."""

    kind: str
    zone: str = Field(description="The name of its zone.")
    reason: str = Field(description="A stable code for machines.")
    detail: str = Field(description="What is wrong, in Chinese.")
    detail_en: str = Field(description="The same in English.")
    field: str = Field(description="The field at fault, such as `rules.1.people`, counted among all that were set.")


class Rules(BaseModel):
    """``own``: False where the camera was given none and the installation's first values hold."""

    rules: list[RuleConfig]
    unusable: list[UnusableShown] = Field(
        default=[], description="Those that were set and cannot be used: they do not watch. The next change drops them."
    )
    own: bool
    revision: int
    preset: str | None = Field(default=None, description="The view they are for; null: of a camera never steered.")
    presets: list[str] = Field(default=[], description="The views that have rules of their own.")


class RulesAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[Any] | None = Field(
        max_length=MOST_RULES, description="Replaces all; empty: watch for nothing; null: back to the first values."
    )
    preset: str | None = Field(
        default=None, min_length=1, max_length=64, description="The view they were drawn for; left out: that of now."
    )
    revision: int | None = Field(
        default=None, ge=1, description="Given: refused when the camera was changed meanwhile."
    )


def first_rules(rules: RuleSettings) -> tuple[RuleConfig, ...]:
    """Fire, crowd and stall on the whole picture, by the settings. Refuses settings under which a rule never fires."""
    try:
        return default_rules(
            fire_seconds=rules.fire_dwell,
            crowd_people=rules.crowd_people,
            crowd_dwell=rules.crowd_dwell,
            stall_dwell=rules.stall_dwell,
        )
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise Refusal(
            "invalid",
            "rule_settings_unusable",
            f"设置 rules 中的取值使规则无法触发（{field}）。",
            f"With the settings under rules a rule could never fire ({field}).",
            field="rules",
        ) from error


def _rules(row: CameraRow, settings: RuleSettings, preset: str | None) -> Rules:
    kept = row.rules if preset is None else row.preset_rules.get(preset)
    parsed = None if kept is None else parse_kept(kept)
    return Rules(
        rules=list(first_rules(settings) if parsed is None else parsed.usable),
        unusable=[] if parsed is None else [_unusable(one) for one in parsed.unusable],
        own=kept is not None,
        revision=row.revision,
        preset=preset,
        presets=sorted(name for name in row.preset_rules if name),
    )


def _unusable(one: UnusableRule) -> UnusableShown:
    said = one.rule if isinstance(one.rule, Mapping) else {}
    why = one.why
    return UnusableShown(
        kind=str(said.get("kind", "")),
        zone=str(said.get("zone", "")),
        reason=why.reason,
        detail=why.zh,
        detail_en=why.en,
        field=why.field,
    )


@router.get("/cameras/{code}/rules")
async def get_rules(
    code: str,
    caller: Annotated[Caller, Depends(permit("rules.read"))],
    doors: Doors,
    preset: Annotated[str | None, Query(max_length=64, description="Left out: the view it has now.")] = None,
) -> Rules:
    """The rules that hold for the camera, in the view it has now or in that of a preset."""
    async with doors.db.reading() as session:
        row = await found_camera(session, caller, code)
        return await asyncio.to_thread(_rules, row, doors.settings.rules, row.preset if preset is None else preset)


@router.put("/cameras/{code}/rules")
async def put_rules(
    code: str, asked: RulesAsked, caller: Annotated[Caller, Depends(permit("rules.write"))], doors: Doors
) -> Rules:
    """Replace the rules of a view, all or none; the camera's worker takes them up at once."""
    try:
        parsed = None if asked.rules is None else await asyncio.to_thread(parse_rules, asked.rules)
    except RulesRefused as refused:
        raise Refusal("invalid", refused.reason, refused.zh, refused.en, field=refused.field) from refused
    await _refuse_what_nobody_sees(parsed or (), doors)
    wanted = None if parsed is None else as_json(parsed)
    async with doors.db.transaction() as session:
        row = await found_camera(session, caller, code, held=True)
        checked_revision(row, asked.revision)
        preset = row.preset if asked.preset is None else asked.preset
        before = kept_rules(row, doors.settings.rules, preset)
        _keep(row, preset, wanted)
        row.changed_at = doors.clock()
        await session.flush()
        why = "first values" if wanted is None else ", ".join(f"{rule['kind']}:{rule['zone']}" for rule in wanted)
        act = audit.Act(caller.username, "camera.rules", f"camera:{code}", row.platform, why=why)
        await audit.append(session, act, doors.clock())
        rules = _rules(row, doors.settings.rules, preset)
        after = kept_rules(row, doors.settings.rules, preset)
        await forget_gatherings(session, code, preset, redrawn_gatherings(before, after), doors.clock())
    await doors.cameras_changed(code)
    return rules


async def _refuse_what_nobody_sees(rules: Sequence[RuleConfig], doors: Services) -> None:
    """A rule for a hazard that the weights in force cannot tell would never fire; turned off it may wait for others."""
    if doors.weights is None:
        return
    card = (await asyncio.to_thread(doors.weights.stand)).card
    for number, rule in enumerate(rules):
        if rule.enabled and not can_fire(rule, card):
            raise Refusal(
                "invalid",
                "weights_blind",
                f"在用模型不能识别{NAMES[rule.kind]}，规则永远不会触发：请先启用能识别的模型，或停用该规则。",
                f"The weights in force cannot tell {rule.kind}: the rule could never fire. Put others in force first,"
                " or turn the rule off.",
                field=f"rules.{number}.kind",
            )


def kept_rules(row: CameraRow, settings: RuleSettings, preset: str | None) -> list[dict[str, Any]]:
    """The rules of a view as they lie there, else the first values. They may be of an older version, or not usable."""
    kept = row.rules if preset is None else row.preset_rules.get(preset)
    return as_json(first_rules(settings)) if kept is None else kept


def redrawn_gatherings(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[str]:
    """The zones of rules for gatherings in which people count elsewhere in the picture than before, or no more: a
    gathering that was rejected there, known by its number alone, says nothing of them."""
    places = _where_people_gather(after)
    return [zone for zone, place in _where_people_gather(before).items() if places.get(zone) != place]


def _where_people_gather(rules: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    where = ("polygon", "exclusions", "ground")
    return {rule.get("zone", ""): [rule.get(part) for part in where] for rule in rules if rule.get("kind") == "crowd"}


def _keep(row: CameraRow, preset: str | None, wanted: list[dict[str, Any]] | None) -> None:
    if preset is None:
        row.rules = wanted
        return
    kept = {name: rules for name, rules in row.preset_rules.items() if name != preset}
    if wanted is not None and len(kept) >= MOST_PRESETS:
        raise Refusal(
            "conflict",
            "too_many_presets",
            f"最多为 {MOST_PRESETS} 个预置位设置规则。",
            f"At most {MOST_PRESETS} presets have rules of their own.",
            field="preset",
        )
    row.preset_rules = kept if wanted is None else {**kept, preset: wanted}
