"""``gateway models prepare``, ``train``, ``blend``: what is learnt from, the run, and the average of two runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from models.cli.options import LicensedOnly, Out, Prepared, Seed, Threads
from models.cli.running import console, told_by

if TYPE_CHECKING:
    from models.sample_data import Split
    from models.train import Recipe

SCENES_NAMED = 50
"""At most, on the terminal."""


def prepare(
    out: Prepared = Path("var/models/set"),
    sample_data: Annotated[
        Path | None, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")
    ] = None,
    licensed_only: LicensedOnly = False,
    rendered: Annotated[int, typer.Option(min=0, max=20_000, help="合成场景数 Rendered scenes to add.")] = 160,
    seed: Seed = 7,
) -> None:
    """建立训练集 Build the training set; the licence of every picture is carried along."""
    from models.prepare import prepare as build

    with Progress(console=console) as bars:
        made = build(
            sample_data, out, licensed_only=licensed_only, rendered=rendered, seed=seed, progress=told_by(bars)
        )
    typer.echo(json.dumps(made.pictures, ensure_ascii=False))
    _warn_of_scenes(made.scenes_in_two_splits)


def _warn_of_scenes(shared: Mapping[str, Mapping[Split, int]]) -> None:
    if not shared:
        return
    console.print(
        f"{len(shared)} 个场景同时在几个 split 中，指标会偏高，请改正 MANIFEST.tsv（全部见训练集的 licences.json）"
        f" {len(shared)} scenes lie in more than one split, which flatters the figures: mend MANIFEST.tsv (all of them:"
        " licences.json of the set):",
        style="yellow",
        soft_wrap=True,
    )
    for scene, splits in islice(shared.items(), SCENES_NAMED):
        counts = ", ".join(f"{split} {pictures}" for split, pictures in splits.items())
        console.print(f"{scene}: {counts}", markup=False, soft_wrap=True)


def train(
    ctx: typer.Context,
    prepared: Prepared = Path("var/models/set"),
    out: Out = Path("var/models/run"),
    begin: Annotated[
        Path | None, typer.Option(help="起始权重 YOLOv8n export (ONNX) to begin from: COCO's or ours.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, max=1000, help="轮数 Turns through the set.")] = 14,
    image_size: Annotated[int, typer.Option(min=64, max=1280, help="训练边长 Side in px.")] = 480,
    learning_rate: Annotated[float, typer.Option(min=1e-6, max=0.1, help="学习率 Learning rate.")] = 0.001,
    frozen_layers: Annotated[int, typer.Option(min=0, max=21, help="冻结的前几层 First layers left as they are.")] = 4,
    mosaic: Annotated[
        float, typer.Option(min=0, max=1, help="四图拼接的比例 Share of pictures that are four in one.")
    ] = 0.4,
    hours: Annotated[
        float, typer.Option(min=0, max=1000, help="限定时长 End after this time instead of after EPOCHS.")
    ] = 0.0,
    threads: Threads = 0,
    teacher: Annotated[
        Path | None, typer.Option(help="人员识别以其为准 COCO's export, whose people training keeps to.")
    ] = None,
    teacher_weight: Annotated[
        float, typer.Option(min=0.1, max=10, help="其意见的权重 How often what it says counts.")
    ] = 2.0,
    device: Annotated[str, typer.Option(help="计算设备 cpu, or a GPU's number.")] = "cpu",
    seed: Seed = 7,
    resume: Annotated[bool, typer.Option(help="从中断处继续 Go on with the run in its folder.")] = False,
    with_feedback: Annotated[
        Path | None, typer.Option(help="误报样本目录 Folder of `gateway feedback`: rejected alerts as hard negatives.")
    ] = None,
) -> None:
    """训练 Train; about seven minutes an epoch at 480 px on two cores.

    --resume 按开始时的设置继续。With --resume it goes on as it was begun.
    """
    from models.train import Recipe
    from models.train import train as run

    recipe = Recipe(
        epochs=epochs,
        image_size=image_size,
        seed=seed,
        device=device,
        learning_rate=learning_rate,
        frozen_layers=frozen_layers,
        mosaic=mosaic,
        hours=hours,
        threads=threads,
        teacher=str(teacher.absolute()) if teacher is not None else None,
        teacher_weight=teacher_weight,
    )

    def told(epoch: int, epochs: int) -> None:
        console.print(f"第 {epoch}/{epochs} 轮 epoch")

    if resume:
        if with_feedback is not None:
            raise typer.BadParameter(
                "继续的训练不再加入反例，请重新训练 A run that goes on takes in no more: train anew.",
                param_hint="--with-feedback",
            )
        recipe = _as_begun(ctx, out, recipe, begin)
    elif with_feedback is not None:
        from models.feedback import FeedbackUnusable, take_in
        from models.train import refuse_foreign

        refuse_foreign(begin, teacher)  # before the set is changed
        try:
            console.print(f"{take_in(with_feedback, prepared)} 张误报作反例 rejected alerts as hard negatives")
        except FeedbackUnusable as unusable:
            raise typer.BadParameter(str(unusable), param_hint="--with-feedback") from unusable
    typer.echo(str(run(prepared, begin, out, recipe, resume=resume, progress=told)))


def _as_begun(ctx: typer.Context, out: Path, asked: Recipe, begin: Path | None) -> Recipe:
    """The recipe that the run of ``out`` was begun with. Options given that differ from it are refused: the run would
    go on with some of them, and its record would tell of none."""
    from models import record
    from models.train import facts, recipe_from

    begun = record.recipe_of(out)
    recipe = recipe_from(begun, out)
    for name, value in facts(asked, begin).items():
        option = "begin" if name == "begun_from" else name
        if _given(ctx, option) and value != begun.get(name):
            kept = begun.get(name)
            raise typer.BadParameter(
                f"训练开始时为 {kept}，继续时不能改变 The run was begun with {kept}, and goes on so.",
                param_hint=f"--{option.replace('_', '-')}",
            )
    record.refuse_another_set(out, ctx.params["prepared"] if _given(ctx, "prepared") else None)
    return recipe


def _given(ctx: typer.Context, option: str) -> bool:
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def blend(
    weights: Annotated[Path, typer.Argument(help="自有权重 ONNX export of ours.")],
    other: Annotated[Path, typer.Argument(help="另一个 Another one, or COCO's.")],
    to: Annotated[Path, typer.Argument(help="平均写到何处 Where the average goes.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="前者所占比例 Share of the first.")] = 0.5,
) -> None:
    """权重平均 Average two sets of weights, to train from or to release."""
    from models.blend import blend as average

    average(weights, other, share, to)
