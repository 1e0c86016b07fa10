"""The commands of ``gateway models``, in the order in which weights are made. Parts are imported when they run."""

from __future__ import annotations

import typer

from models.cli import auxiliary, cards, releasing, training
from models.cli.running import Commands

app = typer.Typer(cls=Commands, help="制作与评测识别模型 Make and judge weights.", no_args_is_help=True)
app.command("prepare")(training.prepare)
app.command("train")(training.train)
app.command("export")(releasing.export)
app.command("precision")(releasing.precision)
app.command("thresholds")(releasing.thresholds)
app.command("augment")(releasing.augment)
app.command("blend")(training.blend)
app.command("compare")(releasing.compare)
app.command("density")(auxiliary.density)
app.command("judge")(auxiliary.judge)
app.command("cues")(auxiliary.cues)
app.command("evaluate")(cards.evaluate)
app.command("adopt")(cards.adopt)
app.command("card")(cards.card)
