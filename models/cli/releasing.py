"""``gateway models export | precision | thresholds | augment | compare``: weights and the card they go out with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from models import shipped
from models.cli.options import Out, ReleasedCard, SampleData, ours
from models.cli.running import console, told_by
from models.draft import drafted


def export(
    sample_data: SampleData,
    out: Out = Path("var/models/run"),
    to: Annotated[Path, typer.Option(help="权重写到何处 Where the weights go.")] = shipped.WEIGHTS,
    blended: Annotated[
        Path | None, typer.Option(help="与之平均的权重 Weights (ONNX), COCO's or earlier, to average with.")
    ] = None,
    share: Annotated[
        float, typer.Option(min=0, max=1, help="本次训练所占比例 The run's own share of the average.")
    ] = 0.9,
    beside: Annotated[
        Path, typer.Option(help="取用其人群密度与复核模型 Card whose counter of crowds and judge go along.")
    ] = shipped.CARD,
    alone: Annotated[
        bool, typer.Option("--alone", help="两者都不带 Take along neither the counter nor the judge.")
    ] = False,
    height: Annotated[int, typer.Option(help="输入高 Height of the input in px.")] = 384,
    width: Annotated[int, typer.Option(help="输入宽 Width of the input in px.")] = 640,
) -> None:
    """导出并写模型卡 Export to ONNX, choose precision and thresholds on val, judge on test, and write the card.

    人群密度与近看复核模型随之带上。The counter of dense crowds and the judge of the second look go along.
    """
    from detectors.refusals import WeightsRefused
    from models import record
    from models.blend import blend as average
    from models.carried import ALONG, Carried, carried
    from models.export import export_onnx
    from models.origin import on_clear_alone, with_weights
    from models.release import choose_thresholds, described, release

    try:
        along = Carried({}, ()) if alone else carried(beside, to)
    except WeightsRefused as refused:
        raise typer.BadParameter(f"{refused.zh} {refused.en}", param_hint="--beside") from refused
    recipe, origin = record.recipe_of(out), record.origin_of(out)
    if blended is not None:
        recipe |= {"blended_with": blended.name, "own_share": share}
        origin = with_weights(origin, blended)
    with drafted(to.with_suffix(".json")) as card, Progress(console=console) as bars:
        told, weights = told_by(bars), card.with_suffix(".onnx")
        export_onnx(out / "run" / "weights" / "last.pt", weights, image_size=(height, width))
        if blended is not None:
            average(weights, blended, share, weights)
        before = json.loads(card.read_text()) if card.exists() else {}
        if alone:
            before = {name: value for name, value in before.items() if name not in ALONG}
        along.lay_beside(weights)
        made = release(weights, sample_data, (height, width), told, licensed_only=on_clear_alone(origin))
        card.write_text(json.dumps(made | described(origin, recipe, before | along.entries)))
        choose_thresholds(card, sample_data, told)
    for file in along.files:
        console.print(f"随新模型放置 laid beside the new weights: {to.with_name(file.name)}", markup=False)
    typer.echo(to.with_suffix(".md").read_text())


def precision(sample_data: SampleData, card: ReleasedCard = shipped.CARD) -> None:
    """在本机重选精度 Quantise released weights and choose anew between fp32, bf16 and int8.

    按验证集和本机耗时选择，按测试集写模型卡。By what val shows and a picture takes of this processor; judged on test.
    """
    from models.release import choose_precision

    with drafted(card) as draft, Progress(console=console) as bars:
        chosen = choose_precision(draft, sample_data, told_by(bars))
    wanted = ("precision", "accuracy_lost", "quantised", "precisions_measured_on_val")
    typer.echo(json.dumps({name: chosen[name] for name in wanted if name in chosen}, indent=1))


def thresholds(sample_data: SampleData, card: ReleasedCard = shipped.CARD) -> None:
    """按验证集重选阈值 Choose the scores from which classes are seen anew.

    按测试集写模型卡。Chosen on val, as the second look changes them; judged on test.
    """
    from models.release import choose_thresholds

    with drafted(card) as draft, Progress(console=console) as bars:
        chosen = choose_thresholds(draft, sample_data, told_by(bars))
    shown = {name: chosen[name] for name in ("thresholds", "figures_on_test")}
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))


def augment(
    sample_data: SampleData,
    card: ReleasedCard = shipped.CARD,
    input_size: Annotated[
        tuple[int, int], typer.Option(help="输入的高与宽 Height and width in px of as many pixels as the input has.")
    ] = (256, 416),
    from_score: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="从多少分起再看一次 Score of fire or smoke from which it is done.")
    ] = 0.08,
    once: Annotated[bool, typer.Option("--once", help="不再看 No more.")] = False,
) -> None:
    """疑似火情时镜像缩小再看一次 Have a picture that may show fire looked at once more, mirrored and smaller.

    阈值按验证集重选，按测试集写模型卡。Thresholds are chosen anew on val; judged on test.
    """
    from models.release import choose_augmented

    augmented = None if once else {"input_size": list(input_size), "from_score": from_score}
    with drafted(card) as draft, Progress(console=console) as bars:
        chosen = choose_augmented(draft, augmented, sample_data, told_by(bars))
    shown = {name: chosen[name] for name in ("augmented", "thresholds", "figures_on_test")}
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))


def compare(
    licensed: Annotated[
        Path,
        typer.Argument(
            callback=ours, help="仅用许可明确图片的模型卡 Card of weights trained after `prepare --licensed-only`."
        ),
    ],
    sample_data: SampleData,
    card: Annotated[
        Path, typer.Option(callback=ours, help="写入差别的模型卡 Card that is to tell the difference.")
    ] = shipped.CARD,
) -> None:
    """比较许可不明图片的作用 Say in a card what pictures of unclear licence contribute, judged on val."""
    from models.release import compare as run

    with drafted(card) as draft, Progress(console=console) as bars:
        facts = run(draft, licensed, sample_data, told_by(bars))
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
