"""``/api/v1/cameras/{code}/rules``: which hazards a camera watches for, where in its picture, when and from what on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detectors.rules.config import RuleConfig, default_rules
from detectors.rules.parsing import MOST_RULES, RulesRefused, as_json, parse_rules
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_lookup import checked_revision, found_camera
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.refusals import Refusal
from gateway.settings import RuleSettings
from gateway.storage.tables.cameras import CameraRow

router = APIRouter(tags=["cameras"])


class Rules(BaseModel):
    """``own``: False where the camera was given none and the installation's first values hold."""

    rules: list[RuleConfig]
    own: bool
    revision: int


class RulesAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[Any] | None = Field(
        max_length=MOST_RULES, description="Replaces all; empty: watch for nothing; null: back to the first values."
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


def _rules(row: CameraRow, settings: RuleSettings) -> Rules:
    rules = first_rules(settings) if row.rules is None else parse_rules(row.rules)
    return Rules(rules=list(rules), own=row.rules is not None, revision=row.revision)


@router.get("/cameras/{code}/rules")
async def get_rules(code: str, caller: Annotated[Caller, Depends(permit("rules.read"))], doors: Doors) -> Rules:
    """The rules that hold for the camera."""
    async with doors.db.reading() as session:
        return _rules(await found_camera(session, caller, code), doors.settings.rules)


@router.put("/cameras/{code}/rules")
async def put_rules(
    code: str, asked: RulesAsked, caller: Annotated[Caller, Depends(permit("rules.write"))], doors: Doors
) -> Rules:
    """Replace the camera's rules, all or none; its worker takes them up at once."""
    try:
        wanted = None if asked.rules is None else as_json(parse_rules(asked.rules))
    except RulesRefused as refused:
        raise Refusal("invalid", refused.reason, refused.zh, refused.en, field=refused.field) from refused
    async with doors.db.transaction() as session:
        row = await found_camera(session, caller, code, held=True)
        checked_revision(row, asked.revision)
        row.rules = wanted
        row.changed_at = doors.clock()
        await session.flush()
        why = "first values" if wanted is None else ", ".join(f"{rule['kind']}:{rule['zone']}" for rule in wanted)
        act = audit.Act(caller.username, "camera.rules", f"camera:{code}", row.platform, why=why)
        await audit.append(session, act, doors.clock())
        rules = _rules(row, doors.settings.rules)
    await doors.cameras_changed(code)
    return rules
