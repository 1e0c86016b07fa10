"""``gateway models density``, ``judge``, ``cues``: the networks that go along with the detector, named in its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from models import shipped
from models.cli.options import LicensedOnly, NetworkTo, SampleData, Seed, Threads, network_beside, ours
from models.cli.running import console, told_by
from models.draft import drafted


def density(
    sample_data: SampleData,
    to: NetworkTo = None,
    card: Annotated[
        Path, typer.Option(callback=ours, help="写入其名的模型卡 Card that is to name them.")
    ] = shipped.CARD,
    from_people: Annotated[
        int, typer.Option(min=1, max=1000, help="人数达到时按密度计 Boxes from which density counts.")
    ] = 5,
    smaller_than: Annotated[
        float, typer.Option(min=0.01, max=1, help="且人高中位数不超过画面的 … of this median height at most.")
    ] = 0.45,
    steps: Annotated[int, typer.Option(min=1, max=1_000_000, help="训练步数 Batches of four crops.")] = 5600,
    folds: Annotated[int, typer.Option(min=2, max=20, help="交叉验证份数 Parts of a cross-validation.")] = 4,
    turns: Annotated[
        int, typer.Option(min=0, max=20, help="留出份数 How many of the parts are held out; 0: none.")
    ] = 4,
    licensed_only: LicensedOnly = False,
    threads: Threads = 0,
    seed: Seed = 7,
) -> None:
    """制作人群密度模型 Train the counter of dense crowds, cross-validate it, and name it in the card."""
    import torch

    from models.density import make_density

    name = network_beside(card, to, shipped.DENSITY.name)
    if turns > folds:
        raise typer.BadParameter("不多于 --folds No more than there are parts.", param_hint="--turns")
    if threads:
        torch.set_num_threads(threads)
    with drafted(card) as draft, Progress(console=console) as bars:
        facts = make_density(
            sample_data,
            draft.with_name(name),
            draft,
            from_people=from_people,
            smaller_than=smaller_than,
            steps=steps,
            folds=folds,
            turns=turns,
            seed=seed,
            licensed_only=licensed_only,
            say=told_by(bars),
        )
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))


def judge(
    sample_data: SampleData,
    to: NetworkTo = None,
    card: Annotated[
        Path, typer.Option(callback=ours, help="被复核模型的模型卡 Card of the network whose candidates are judged.")
    ] = shipped.CARD,
    licensed_only: LicensedOnly = False,
    keep: Annotated[
        bool,
        typer.Option(
            help="保留复核模型，重定火情阈值 Keep the judge that the card names; settle fire's threshold anew."
        ),
    ] = False,
) -> None:
    """制作近看复核模型 Fit the judge of the second look, cross-validate it, and name it in the card.

    随后重定火情阈值和指标。Then fire's threshold and the card's figures are settled as the judge changes them.
    """
    from models.judge import make_judge
    from models.release import settle_judged

    name = network_beside(card, to, shipped.JUDGE.name)
    with drafted(card) as draft, Progress(console=console) as bars:
        told = told_by(bars)
        if not keep:
            make_judge(sample_data, draft.with_name(name), draft, licensed_only=licensed_only, say=told)
        facts = settle_judged(draft, sample_data, told)
    shown = {"thresholds": facts["thresholds"], "judge": facts["judge"], "figures_on_test": facts["figures_on_test"]}
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))


def cues(
    sample_data: SampleData,
    to: NetworkTo = None,
    card: Annotated[Path, typer.Option(callback=ours, help="写入的模型卡 Card that is to name it.")] = shipped.CARD,
) -> None:
    """制作摊点物件模型 Make the finder of a stall's parts of COCO's network, and name it in the card."""
    from models.cues import make_cues
    from models.prepare import COCO_WEIGHTS

    name = network_beside(card, to, shipped.CUES.name)
    with drafted(card) as draft:
        facts = make_cues(sample_data / "weights" / COCO_WEIGHTS, draft.with_name(name), draft)
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
