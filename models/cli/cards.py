"""``gateway models evaluate``, ``adopt``, ``card``: a card put to the test, made for a foreign file, and shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from models import shipped
from models.cli.options import usable
from models.cli.running import console, told_by


def _known(split: str) -> str:
    if split not in ("train", "val", "test"):
        raise typer.BadParameter("应为 train、val 或 test. It is train, val or test.")
    return split


def evaluate(
    sample_data: Annotated[
        Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="图片目录 Pictures in the sample's layout.")
    ],
    card: Annotated[Path, typer.Option(callback=usable, help="模型卡 Card of the weights.")] = shipped.CARD,
    split: Annotated[str, typer.Option(callback=_known, help="数据部分 train, val or test.")] = "test",
) -> None:
    """评测 Judge weights on a split at the card's thresholds."""
    from detectors.card_file import load_card
    from detectors.refusals import WeightsRefused
    from models.classes import CLASSES
    from models.figures import figures, look, open_profile

    missing = [name for name in CLASSES if name not in load_card(card).classes]
    if missing:
        raise WeightsRefused(
            "classes_missing",
            f"模型卡 {card} 没有 {'、'.join(missing)} 类，无法按本产品的指标评测",
            f"the card {card} knows no {', '.join(missing)}: it cannot be judged by our figures",
        )
    profile = open_profile(card)
    with Progress(console=console) as bars:
        found = figures(profile, look(profile, sample_data, split, told_by(bars)))  # type: ignore[arg-type]  # checked there
    typer.echo(json.dumps(found, indent=1))


def adopt(
    weights: Annotated[
        Path, typer.Argument(help="可信的 YOLO 文件 A YOLO file (.pt, .onnx) that you trust: a .pt is code and is run.")
    ],
    threshold: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="各类得分阈值 Least score of every class.")
    ] = 0.25,
    licence: Annotated[str, typer.Option(help="许可 Its licence.")] = "unknown",
) -> None:
    """为外来的 YOLO 文件生成模型卡 Make the card of a YOLO file from elsewhere, for inference.weights or .shadow."""
    from detectors.card_file import load_card
    from detectors.refusals import WeightsRefused
    from detectors.sees import HAZARDS, hazards_of
    from models.adopt import adopt as make_card

    try:
        path = make_card(weights, threshold=threshold, licence=licence)
    except WeightsRefused as refused:
        raise typer.BadParameter(f"{refused.reason}: {refused.zh} {refused.en}", param_hint="WEIGHTS") from refused
    told = hazards_of(load_card(path))
    typer.echo(str(path))
    for hazard in HAZARDS:
        console.print(f"{hazard}: {'可识别 told' if hazard in told else '不能识别 not told'}", markup=False)


def card(path: Annotated[Path, typer.Argument(help="模型卡（.md）The card's page.")] = shipped.PAGE) -> None:
    """查看模型卡 Show a card."""
    typer.echo(path.read_text(encoding="utf-8"))
