"""``gateway try``, ``shadow``, ``promote``, ``feedback``: rules tried on footage, and new weights beside the old."""

from __future__ import annotations

import asyncio
import getpass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.running import console, load_settings, run, with_database
from gateway.clock import system_clock
from gateway.refusals import Refusal

if TYPE_CHECKING:
    from gateway.storage.database import Database


def try_rules_on(
    film: Annotated[
        Path,
        typer.Argument(
            help="录像，或摄像机的分析记录 A film, or the log of looks at a camera (DATA_FOLDER/looks).",
            exists=True,
            dir_okay=False,
        ),
    ],
    rules: Annotated[
        Path | None, typer.Option(help="规则文件（JSON 列表）Rules, a JSON list; else the first values.")
    ] = None,
    card: Annotated[Path | None, typer.Option(help="模型卡 Card of the weights; else those in force.")] = None,
    begins: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"],
            help="录像开始时间（北京时间），决定规则是否在生效时段；缺省：网关录像按其自身时间，其他为现在。"
            "分析记录：从何时试起；缺省：最近的 --hours"
            " When the film begins, Asia/Shanghai time, by which the rules' hours count; else a recording's own time,"
            " or now. Of a log: since when it is tried; else its newest hours.",
        ),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=168, help="分析记录：试多少小时，缺省 24 Of a log: how many hours are tried; else 24."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="仅分析记录：规则所属的预置位；缺省：记录末尾时的视角"
            " Of a log alone: the preset that the rules are for; else the view that it ends with."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON Print all of it as JSON.")] = False,
) -> None:
    """规则试运行 Try rules on recorded footage: what would have been raised, when and why."""
    from detectors.rules.schedule import CITY_TIME
    from gateway.storage.look_files import is_look_log
    from gateway.streams.recordings import begun_at
    from gateway.workers.inference.promotion import card_in_force
    from gateway.workers.trial.command import print_trial

    settings = load_settings()
    begun = begun_at(film) if begins is None else begins.replace(tzinfo=CITY_TIME).timestamp()
    if begun is None and not is_look_log(film):
        begun = system_clock().timestamp()
    run(
        print_trial(
            film,
            rules,
            card or card_in_force(settings.data_folder, settings.inference),
            settings.rules,
            engine=settings.inference.engine,
            starts_at=begun,
            hours=hours,
            preset=preset,
            as_json=as_json,
            out=console,
        )
    )


def show_shadow(most: Annotated[int, typer.Option(min=1, max=500, help="条数 How many.")] = 20) -> None:
    """列出新旧模型的差异 What only the old or only the new weights saw, the newest first."""
    from gateway.workers.inference.shadow import FOLDER, kept_differences

    kept = list(kept_differences(load_settings().data_folder / FOLDER))
    for facts in kept[:most]:
        when = datetime.fromtimestamp(facts["at"]).astimezone().isoformat(timespec="seconds")
        said = ", ".join(f"{one['seen_by']}: {one['label']} {one['score']:.2f}" for one in facts["differences"])
        console.print(f"{when}  {facts['camera']}  {said}  {facts['picture']}", markup=False)
    console.print(f"共 {len(kept)} 条 kept", markup=False)


def promote_weights(
    card: Annotated[Path | None, typer.Argument(help="模型卡 Card of the new weights; else those in shadow.")] = None,
    back: Annotated[bool, typer.Option("--back", help="撤回 Back to the weights before.")] = False,
) -> None:
    """启用新模型 Put weights in force, from the next start on; a person decides, and the audit chain says who."""
    from detectors.networks import checked_files, open_networks
    from detectors.refusals import WeightsRefused
    from gateway.access import audit
    from gateway.api.weights_desk import make_change
    from gateway.workers.inference.promotion import Change, promotion, refuse_pinned, withdrawal

    settings = load_settings()
    chosen = card or settings.inference.shadow

    def seen_to_answer(change: Change) -> str:
        """The very files that are in force then, which nobody exchanges any more: over those that are amiss, or do
        not open, the engine would not start again."""
        try:
            checked_files(change.card)
            return open_networks(settings.inference.engine, change.card, 1).detector.card.sha256
        except BaseException:
            change.drop()
            raise

    async def work(db: Database) -> None:
        refuse_pinned(settings.inference)
        change, what, seen = None, "weights.withdraw" if back else "weights.promote", ""
        try:
            if back:
                change = withdrawal(settings.data_folder)
            elif chosen is not None:
                change = promotion(chosen, settings.data_folder, settings.inference.engine)
            seen = "" if change is None else seen_to_answer(change)
        except WeightsRefused as refused:
            raise Refusal("invalid", refused.reason, refused.zh, refused.en, field="card") from refused
        if change is None:
            raise Refusal(
                "invalid", "weights_missing", "没有可启用的模型。", "There are no such weights.", field="card"
            )
        act = audit.Act(getpass.getuser(), what, f"weights:{'promoted' if back else seen}", settings.platform_code)
        await make_change(db, change, act, system_clock)
        console.print(f"下次启动生效 in force from the next start on: {seen}", markup=False)

    run(with_database(work, settings))


def export_feedback_to(to: Annotated[Path, typer.Argument(help="目录 Folder.")]) -> None:
    """导出误报样本 Write the snapshots of rejected alerts, for `gateway models train --with-feedback`."""
    from gateway.events.feedback import rejected_pictures, tell_export, write_feedback
    from gateway.events.intake import evidence_folder
    from gateway.storage.evidence_files import EvidenceFiles

    settings = load_settings()

    async def work(db: Database) -> None:
        files = EvidenceFiles(evidence_folder(settings), ())
        async with db.reading() as session:
            pictures = await rejected_pictures(session)
        await tell_export(db, pictures, getpass.getuser(), system_clock)
        # No transaction is open: whoever copies thousands of pictures keeps no alert from being stored.
        written = await asyncio.to_thread(write_feedback, pictures, files, to)
        console.print(f"{written} 张 pictures → {to}", markup=False)

    run(with_database(work, settings))
