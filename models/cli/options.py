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


def ours(card: Path) -> Path:
    """A card that is written on, or told of in one: nothing has been made where it is a foreign one."""
    from models.card import refuse_foreign

    refuse_foreign(card)
    return card


def network_beside(card: Path, to: Path | None, name: str) -> str:
    """The name of a network that ``card`` is to name, which lies beside it: of ``to``, else ``name``."""
    if to is None:
        return name
    if to.parent.resolve() != card.parent.resolve():
        raise typer.BadParameter(
            f"应与模型卡同在 {card.parent} It belongs beside the card, in {card.parent}.", param_hint="--to"
        )
    return to.name


SampleData = Annotated[Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")]
LicensedOnly = Annotated[bool, typer.Option(help="不用许可不明的图片 Leave out what has no clear licence.")]
Prepared = Annotated[Path, typer.Option(help="训练集 Prepared training set.")]
Out = Annotated[Path, typer.Option(help="训练目录 Folder of the training run.")]
ReleasedCard = Annotated[Path, typer.Option(callback=ours, help="模型卡 Card of released weights.")]
NetworkTo = Annotated[
    Path | None, typer.Option(help="权重写到何处，须与模型卡同目录 Where the weights go, beside the card.")
]
Seed = Annotated[int, typer.Option(help="随机种子 Seed of chance.")]
Threads = Annotated[int, typer.Option(min=0, max=256, help="线程数，0 为全部 0: all cores; 1 on a busy machine.")]
