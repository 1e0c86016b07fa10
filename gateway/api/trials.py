"""``/api/v1/trials``: rules tried on recorded footage before they are armed, with a timeline of what would have fired.

The footage is an evidence clip, a camera's recording, or a film that is brought (``PUT /trials/footage``, the last few
are kept); in place of footage, what was seen at a camera lately (boxes and scores of its last hours). A trial runs in
a process of its own behind everything live; ask for it again until it is done. One runs at a time: who is refused for
that is told its id, and whoever may try rules there may stop it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from detectors.rules.parsing import MOST_RULES, RulesRefused, as_json, parse_rules
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_lookup import found_camera
from gateway.api.camera_rules import first_rules, kept_rules, redrawn_gatherings
from gateway.api.evidence import whose
from gateway.api.guard import permit
from gateway.api.recordings import found_recording
from gateway.api.services import Doors, Services
from gateway.api.trial_films import BroughtFilms
from gateway.api.trial_jobs import TrialJob, TrialJobs, TriedCamera
from gateway.events.intake import evidence_folder
from gateway.events.suppressions import in_force
from gateway.refusals import Refusal
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.look_files import look_logs, newer

router = APIRouter(tags=["cameras"])


class TrialAsked(BaseModel):
    """``rules`` null: those of ``camera_code``, or the first values where none is named. What officers rejected at
    that camera, and still holds, is held back as it would be now; without a camera nothing is."""

    model_config = ConfigDict(extra="forbid")

    evidence_id: str | None = Field(default=None, max_length=36, description="A clip that an alert left …")
    recording_id: str | None = Field(default=None, max_length=64, description="… a recording of ``camera_code`` …")
    footage_id: str | None = Field(default=None, max_length=36, description="… a film that was brought …")
    looks: bool = Field(default=False, description="… or what was seen at ``camera_code`` lately.")
    camera_code: str | None = Field(default=None, max_length=20)
    preset: str | None = Field(
        default=None, min_length=1, max_length=64, description="The camera's view; left out: that of now."
    )
    rules: list[Any] | None = Field(default=None, max_length=MOST_RULES)
    starts_at: AwareDatetime | None = Field(
        default=None,
        ge=datetime(2000, 1, 1, tzinfo=UTC),
        lt=datetime(2100, 1, 1, tzinfo=UTC),
        description="When a film that was brought begins, by which the rules' hours count; left out: now. Of what was"
        " seen lately: since when it is tried; left out: the newest hours. Clips and recordings have their own time.",
    )
    hours: float | None = Field(
        default=None, gt=0, le=168, description="How much of what was seen lately is tried; left out: 24."
    )


class TrialListed(BaseModel):
    """``progress``: seconds of the film gone through. ``preset``: the view that the rules are for; null: of a camera
    never steered, or of none. ``zh`` and ``en``: why it has failed."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    state: Literal["running", "done", "failed"]
    progress: float
    camera_code: str | None
    preset: str | None
    asked_by: str
    began_at: datetime
    reason: str
    zh: str
    en: str


class TrialShown(TrialListed):
    """``result``: ``alerts`` that would have been raised, each with its reasons, and ``timeline``, the stretches in
    which a rule had something in sight, in seconds since the film's beginning (``starts_at``, seconds since the epoch).
    ``rules``: of each, whether it is ``off`` (and was tried as if it were on), for how much of the film it was outside
    its hours and did not watch, how long it ``needs_seconds`` to fire, whether the weights are ``blind`` to what it
    waits for, and, of what was seen lately, for how many ``unasked_seconds`` what it needs was not asked of the
    pictures, no rule of that time having wanted it (people counted with care where many were in sight, parts of stalls
    looked for where it lies). ``log_from``: since when what was seen is kept (seconds since the epoch; null: a film).
    ``unusable``: those of the camera that cannot be used, do not watch and were not tried. ``rejections``: how many
    suppressions of the camera were heeded, null where none was named; a stretch's ``held_back`` names those without
    which it would have been an alert. Of all seconds, ``unseen_seconds`` are those in which nobody looked, the camera
    being away, ``frozen_seconds`` those in which the picture stood frozen, so that fire alone was watched for, and
    ``other_view_seconds`` those in which it looked elsewhere than the rules are for (known of what was seen lately, of
    no film)."""

    result: dict[str, Any] | None


class FootageKept(BaseModel):
    footage_id: str
    size: int


def _jobs(doors: Services) -> TrialJobs:
    if doors.trials is None:
        raise Refusal("unavailable", "trials_unavailable", "本机不能试运行规则。", "Rules cannot be tried here.")
    return doors.trials


@router.put("/trials/footage")
async def bring_footage(
    request: Request, caller: Annotated[Caller, Depends(permit("rules.write"))], doors: Doors
) -> FootageKept:
    """Bring a film (any that FFmpeg reads) as the request's body; answers the id by which a trial names it."""
    films = BroughtFilms(_footage_folder(doors))
    with _jobs(doors).bringing():
        try:
            footage_id, size = await films.bring(request.stream())
        except OSError as error:
            raise Refusal(
                "unavailable",
                "footage_not_written",
                f"录像无法写入磁盘：{error.strerror}",
                f"The film cannot be written to disk: {error.strerror}",
            ) from error
    return FootageKept(footage_id=footage_id, size=size)


@router.post("/trials", status_code=202)
async def begin_trial(
    asked: TrialAsked, caller: Annotated[Caller, Depends(permit("rules.write"))], doors: Doors
) -> TrialShown:
    """Begin a trial; one runs at a time."""
    jobs = _jobs(doors)
    rules, camera = await _rules(asked, caller, doors)
    film, starts_at, platform = await _film(asked, caller, doors)
    jobs.check_free()
    async with doors.db.transaction() as session:
        target = next(f"{kind}:{one}" for kind, one in _named(asked).items() if one is not None)
        await audit.append(session, audit.Act(caller.username, "rules.try", target, platform), doors.clock())
    job = jobs.begin(
        film,
        rules,
        camera,
        starts_at=starts_at,
        hours=asked.hours,
        platform=platform,
        asked_by=caller.username,
        now=doors.clock(),
    )
    return TrialShown.model_validate(job)


@router.get("/trials")
async def list_trials(caller: Annotated[Caller, Depends(permit("rules.read"))], doors: Doors) -> list[TrialListed]:
    """The last trials of a day in the caller's scope, the newest first: the one that runs, too, whoever began it.
    ``GET /trials/{trial_id}`` tells what they found."""
    return [TrialListed.model_validate(job) for job in _jobs(doors).kept(doors.clock()) if _seen(job, caller)]


@router.get("/trials/{trial_id}")
async def get_trial(
    trial_id: str, caller: Annotated[Caller, Depends(permit("rules.read"))], doors: Doors
) -> TrialShown:
    """How far it is, and in the end what it found."""
    return TrialShown.model_validate(_found(trial_id, caller, doors))


@router.post("/trials/{trial_id}/stop")
async def stop_trial(
    trial_id: str, caller: Annotated[Caller, Depends(permit("rules.write"))], doors: Doors
) -> TrialShown:
    """End it before it is done, so that another one can begin; one that has ended stays as it is."""
    job = _found(trial_id, caller, doors)
    await _jobs(doors).stop(job, caller.username)
    return TrialShown.model_validate(job)


def _found(trial_id: str, caller: Caller, doors: Services) -> TrialJob:
    job = _jobs(doors).get(trial_id)
    if job is None or not _seen(job, caller):
        raise Refusal("not_found", "trial_unknown", "没有这次试运行。", "There is no such trial.", field="trial_id")
    return job


def _seen(job: TrialJob, caller: Caller) -> bool:
    return all(caller.sees(platform) for platform in job.platforms)


async def _rules(asked: TrialAsked, caller: Caller, doors: Services) -> tuple[list[dict[str, Any]], TriedCamera | None]:
    """What is tried, and for which camera."""
    try:
        wanted = None if asked.rules is None else as_json(await asyncio.to_thread(parse_rules, asked.rules))
    except RulesRefused as refused:
        raise Refusal("invalid", refused.reason, refused.zh, refused.en, field=refused.field) from refused
    if asked.camera_code is None and asked.preset is not None:
        raise Refusal(
            "invalid",
            "camera_missing",
            "请指明该视角所属的摄像机。",
            "Say of which camera the view is.",
            field="camera_code",
        )
    if asked.camera_code is None:
        return (as_json(first_rules(doors.settings.rules)) if wanted is None else wanted), None
    async with doors.db.reading() as session:
        row = await found_camera(session, caller, asked.camera_code)
        found = (await in_force(session, [row.code], doors.clock())).get(row.code, [])
    preset = row.preset if asked.preset is None else asked.preset
    kept = kept_rules(row, doors.settings.rules, preset)
    rules = kept if wanted is None else wanted
    redrawn = redrawn_gatherings(kept, rules)
    heeded = [one for one in found if one["hazard"] != "crowd" or one["zone"] not in redrawn]
    return rules, TriedCamera(row.code, row.platform, preset, heeded)


async def _film(asked: TrialAsked, caller: Caller, doors: Services) -> tuple[Path, float | None, str]:
    """The film, when it began or is tried from (None: its newest hours), and whose it is."""
    if sum(one is not None for one in _named(asked).values()) != 1:
        raise Refusal(
            "invalid",
            "footage_missing",
            "请指明证据录像、摄像机录像、上传的录像或近期分析记录（其中之一）。",
            "Name an evidence clip, a recording, a film that was brought or the log of looks (one of them).",
            field="evidence_id",
        )
    if asked.hours is not None and not asked.looks:
        raise hours_of_a_film()
    if asked.starts_at is not None and asked.footage_id is None and not asked.looks:
        raise Refusal(
            "invalid",
            "starts_at_known",
            "录像本身带有时间，不能另行指定开始时间；只有上传的录像和近期分析记录可以。",
            "The footage has a time of its own; one is said of films that are brought, and of the log of looks.",
            field="starts_at",
        )
    if asked.looks:
        path, platform = await _seen_lately(asked.camera_code, caller, doors)
        return path, None if asked.starts_at is None else asked.starts_at.timestamp(), platform
    if asked.recording_id is not None:
        return await _recorded(asked.recording_id, asked.camera_code, caller, doors)
    if asked.evidence_id is not None:
        async with doors.db.reading() as session:
            found = await whose(session, caller, asked.evidence_id)
        if found is None or found[0].kind != "clip":
            raise Refusal("not_found", "evidence_unknown", "没有这段证据录像。", "There is no such clip.")
        row = found[0]
        path = EvidenceFiles(evidence_folder(doors.settings), ()).open(row.path)
        return path, row.starts_at.timestamp(), found[2]
    path = _footage_folder(doors) / (asked.footage_id or "")
    if path.parent != _footage_folder(doors) or not path.is_file():
        raise Refusal(
            "not_found", "footage_unknown", "没有这段录像，请重新上传。", "There is no such film: bring it again."
        )
    return path, (asked.starts_at or doors.clock()).timestamp(), caller.platform


async def _recorded(
    recording_id: str, camera_code: str | None, caller: Caller, doors: Services
) -> tuple[Path, float, str]:
    if camera_code is None:
        raise _camera_missing()
    async with doors.db.reading() as session:
        platform = (await found_camera(session, caller, camera_code)).platform
    file = await found_recording(doors, camera_code, recording_id)
    return file.path, file.starts_at, platform


async def _seen_lately(camera_code: str | None, caller: Caller, doors: Services) -> tuple[Path, str]:
    if camera_code is None:
        raise _camera_missing()
    async with doors.db.reading() as session:
        row = await found_camera(session, caller, camera_code)
    path = newer(look_logs(doors.settings.data_folder), row.code)
    if not await asyncio.to_thread(path.is_file):
        raise Refusal(
            "not_found",
            "looks_missing",
            "该摄像机还没有分析记录（或设置 cameras.looks_mb 为 0）。",
            "Nothing that was seen at this camera is kept (yet, or by the setting cameras.looks_mb).",
            field="looks",
        )
    return path, row.platform


def hours_of_a_film() -> Refusal:
    return Refusal(
        "invalid",
        "hours_of_looks",
        "只有近期分析记录可以指定时长；录像最多试前 4 小时。",
        "Hours are chosen of the log of looks alone; of a film the first four are tried.",
        field="hours",
    )


def _camera_missing() -> Refusal:
    return Refusal(
        "invalid",
        "camera_missing",
        "请指明录像或记录所属的摄像机。",
        "Say of which camera the recording or log is.",
        field="camera_code",
    )


def _named(asked: TrialAsked) -> dict[str, str | None]:
    return {
        "evidence": asked.evidence_id,
        "recording": asked.recording_id,
        "footage": asked.footage_id,
        "looks": (asked.camera_code or "") if asked.looks else None,
    }


def _footage_folder(doors: Services) -> Path:
    return doors.settings.data_folder / "footage-to-try"
