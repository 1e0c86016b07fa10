"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def usable(card: Path) -> Path:
    """Before anything is made: what is written beside a card that cannot be read belongs to none."""
    from detectors.card_file import load_card

    load_card(card)
    return card


SampleData = Annotated[Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")]
LicensedOnly = Annotated[bool, typer.Option(help="不用许可不明的图片 Leave out what has no clear licence.")]
Prepared = Annotated[Path, typer.Option(help="训练集 Prepared training set.")]
Out = Annotated[Path, typer.Option(help="训练目录 Folder of the training run.")]
ReleasedCard = Annotated[Path, typer.Option(callback=usable, help="模型卡 Card of released weights.")]
Seed = Annotated[int, typer.Option(help="随机种子 Seed of chance.")]
Threads = Annotated[int, typer.Option(min=0, max=256, help="线程数，0 为全部 0: all cores; 1 on a busy machine.")]
