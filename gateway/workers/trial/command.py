"""``gateway try``: a trial on this machine without a running service, printed for a person or as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from detectors.card_file import LARGEST_CARD, load_card
from detectors.engine import EngineName
from detectors.refusals import WeightsRefused
from detectors.rules.parsing import RulesRefused, parse_rules
from detectors.rules.schedule import CITY_TIME
from detectors.whole_file import whole_file
from gateway.api.camera_rules import first_rules
from gateway.api.trials import hours_of_a_film
from gateway.refusals import Refusal
from gateway.settings import RuleSettings
from gateway.storage.look_files import is_look_log
from gateway.workers.camera.look_log import last_view
from gateway.workers.trial.engine import opened
from gateway.workers.trial.trial import RuleTried, Trial, try_rules, try_rules_on_looks

UNTOLD = ("seen", "missed", "rule", "appearance")
"""Reasons that are too long for a table; ``--json`` has them all."""


def preset_of_a_film() -> Refusal:
    return Refusal(
        "invalid",
        "preset_of_looks",
        "预置位只能对近期分析记录指定；录像不分视角，以 --rules 指明该视角的规则。",
        "A preset is said of the log of looks alone; a film does not tell its view: name the rules of it (--rules).",
        field="preset",
    )


async def print_trial(
    film: Path,
    rules: Path | None,
    card: Path,
    first: RuleSettings,
    *,
    engine: EngineName,
    starts_at: float | None,
    hours: float | None,
    preset: str | None,
    as_json: bool,
    out: Console,
) -> None:
    """``film``: or the log of what was seen at a camera, which has its own time. ``starts_at``: when the film begins,
    or since when so many ``hours`` of the log are tried, in seconds since the epoch; None: its newest ones. ``preset``:
    that which the rules are for; None: the view that the log ends with. Raises ``Refusal`` for rules, weights or
    footage that cannot be used."""
    viewed = ""
    try:
        if hours is not None and not is_look_log(film):
            raise hours_of_a_film()
        if preset is not None and not is_look_log(film):
            raise preset_of_a_film()
        wanted = first_rules(first) if rules is None else parse_rules(await asyncio.to_thread(_read, rules))
        if is_look_log(film):
            view = last_view(film) if preset is None else preset
            viewed = _in_words(view)
            trial = try_rules_on_looks(
                film, wanted, await asyncio.to_thread(load_card, card), view=view, starts_at=starts_at, hours=hours
            )
        else:
            detector, ask = await asyncio.to_thread(opened, engine, card)
            trial = await try_rules(film, wanted, ask, detector.card, starts_at=starts_at or 0.0)
    except RulesRefused as refused:
        raise Refusal("invalid", refused.reason, refused.zh, refused.en, field=refused.field) from refused
    except WeightsRefused as refused:
        raise Refusal("unavailable", refused.reason, refused.zh, refused.en) from refused
    if as_json:
        out.print_json(json.dumps(trial.as_json()))
    else:
        if viewed:
            out.print(f"规则所属视角 the rules are for {viewed}", markup=False)
        show(trial, out)


def _in_words(view: str | None) -> str:
    """``view``: as looks are logged with it."""
    if view is None:
        return "不在任何预置位的视角 a view at no preset"
    return f"预置位 preset {view}" if view else "固定视角 the only view"


def _read(path: Path) -> object:
    try:
        return json.loads(whole_file(path, LARGEST_CARD))
    except (OSError, ValueError, RecursionError) as error:
        raise RulesRefused(
            "rules_unreadable", f"规则文件无法读取：{error}", f"cannot be read: {error}", "rules"
        ) from error


def show(trial: Trial, out: Console) -> None:
    """For a person."""
    begun = datetime.fromtimestamp(trial.starts_at, CITY_TIME)
    out.print(f"开始于 begins at {begun:%Y-%m-%d %H:%M:%S} ({CITY_TIME})")
    out.print(f"{trial.seconds:.0f} s, {trial.looks} 次分析 looks, 模型 weights {trial.weights_sha256[:12]}")
    if trial.log_from is not None:
        out.print(f"记录始于 the log goes back to {datetime.fromtimestamp(trial.log_from, CITY_TIME):%Y-%m-%d %H:%M}")
    if trial.cut:
        out.print(f"其余未试 what comes after {trial.seconds:.0f} s was not tried", style="yellow")
    out.print("未按任何摄像机的误报抑制检验 no camera's rejections are heeded", style="dim")
    if trial.unseen_seconds:
        unseen = f"{trial.unseen_seconds:.0f} s"
        out.print(f"没有画面的时长 nobody looked, the camera being away, for {unseen}", style="yellow")
    if trial.frozen_seconds:
        frozen = f"{trial.frozen_seconds:.0f} s"
        out.print(
            f"画面冻结、只监测火情的时长 the picture stood frozen, fire alone was watched for: {frozen}", style="yellow"
        )
    if trial.other_view_seconds:
        other = f"{trial.other_view_seconds:.0f} s"
        out.print(f"处于其他视角、未监测的时长 in another view and not watching: {other}", style="yellow")
    for rule in trial.rules:
        for said in _caveats(rule, trial.seconds):
            out.print(f"{rule.hazard} · {rule.zone}: {said}", style="yellow", markup=False)
    table = Table("规则 rule", "阶段 phase", "从 from (s)", "到 to (s)", "进度 progress", "得分 score")
    for one in trial.timeline:
        where = f"{one.hazard} · {one.zone}"
        table.add_row(where, one.phase, f"{one.start:.1f}", f"{one.end:.1f}", f"{one.progress:.0%}", f"{one.score:.2f}")
    out.print(table)
    for alert in trial.alerts:
        out.print(f"预警 alert {alert.hazard} @ {alert.raised_at:.1f} s", style="bold red")
        out.print_json(json.dumps({key: value for key, value in alert.why.items() if key not in UNTOLD}))
    if trial.alerts:
        return
    if trial.watched_throughout:
        out.print("不会产生预警 nothing would have been raised", style="green")
    else:
        out.print(
            "没有产生预警，但并非所有规则都全程监测 nothing was raised, but not all rules watched", style="yellow"
        )


def _caveats(rule: RuleTried, seconds: float) -> Iterator[str]:
    """What keeps a rule's silence from meaning that it would have been silent."""
    if rule.off:
        yield "已停用，按启用试运行 turned off, tried as if it were on"
    if rule.blind:
        yield "模型不能识别，规则永远不会触发 the weights cannot tell it: the rule could never fire"
    if rule.needs_seconds > seconds - rule.off_hours_seconds:
        needs = f"{rule.needs_seconds:.0f} s > {seconds - rule.off_hours_seconds:.0f} s"
        yield f"监测时长不足以触发 watched for less time than it needs to fire: {needs}"
    if rule.unasked_seconds:
        lacking = (
            "人数较多但当时未细数，实际可能更多 many in sight, not counted with care then: there may have been more"
            if rule.hazard == "crowd"
            else "当时未在此查找摊点物件，可能漏看 no parts of stalls were looked for there then"
        )
        yield f"{lacking}: {rule.unasked_seconds:.0f} s / {seconds:.0f} s"
    if rule.off_hours_seconds:
        out_of = f"{rule.off_hours_seconds:.0f} s / {seconds:.0f} s"
        yield f"不在生效时段，未监测 outside its hours and not watching: {out_of}"
