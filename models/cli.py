"""``gateway models``: prepare, train, blend, export, thresholds, density, judge, cues, evaluate, card and others.

Training, evaluation and export need the training extra (``make train-setup``); the running service does not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from typer.core import TyperGroup

console = Console(stderr=True)


class _Commands(TyperGroup):
    """Weights, cards and files that cannot be used end a command with the reason, not with the place in the code."""

    def invoke(self, ctx: Any) -> Any:
        from detectors.weights import WeightsRefused

        try:
            return super().invoke(ctx)
        except WeightsRefused as refused:
            said = f"{refused.reason}: {refused.zh} {refused.en}"
        except OSError as error:
            said = f"file_unusable: 文件无法读写 The file cannot be read or written: {error}"
        console.print(said, style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2)


app = typer.Typer(cls=_Commands, help="制作与评测识别模型 Make and judge weights.", no_args_is_help=True)


def _usable(card: Path) -> Path:
    """Before anything is made: what is written beside a card that cannot be read belongs to none."""
    from detectors.weights import load_card

    load_card(card)
    return card


def _known(split: str) -> str:
    if split not in ("train", "val", "test"):
        raise typer.BadParameter("应为 train、val 或 test. It is train, val or test.")
    return split


WEIGHTS = Path(__file__).parent / "weights" / "hazard_n.onnx"
DENSITY = WEIGHTS.with_name("crowd_density.onnx")
JUDGE = WEIGHTS.with_name("second_look.onnx")
CUES = WEIGHTS.with_name("stall_cues.onnx")
CARD = WEIGHTS.with_suffix(".json")
PAGE = WEIGHTS.with_suffix(".md")
Prepared = Annotated[Path, typer.Option(help="训练集 Prepared training set.")]
Seed = Annotated[int, typer.Option(help="随机种子 Seed of chance.")]
Out = Annotated[Path, typer.Option(help="训练目录 Folder of the training run.")]


@app.command()
def prepare(
    out: Prepared = Path("var/models/set"),
    sample_data: Annotated[
        Path | None, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")
    ] = None,
    licensed_only: Annotated[
        bool, typer.Option(help="不用许可不明的图片 Leave out what has no clear licence.")
    ] = False,
    rendered: Annotated[int, typer.Option(min=0, max=20_000, help="合成场景数 Rendered scenes to add.")] = 160,
    seed: Seed = 7,
) -> None:
    """建立训练集 Build the training set; the licence of every picture is carried along."""
    from models.prepare import prepare as build

    with Progress(console=console) as bars:
        made = build(sample_data, out, licensed_only=licensed_only, rendered=rendered, seed=seed, progress=_told(bars))
    typer.echo(json.dumps(made.pictures, ensure_ascii=False))


@app.command()
def train(
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
    threads: Annotated[
        int, typer.Option(min=0, max=256, help="线程数，0 为全部 0: all cores; 1 on a busy machine.")
    ] = 0,
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
    """训练 Train; about five minutes an epoch on two cores."""
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

    if with_feedback is not None:
        from models.feedback import FeedbackUnusable, take_in

        try:
            console.print(f"{take_in(with_feedback, prepared)} 张误报作反例 rejected alerts as hard negatives")
        except FeedbackUnusable as unusable:
            raise typer.BadParameter(str(unusable), param_hint="--with-feedback") from unusable
    out.mkdir(parents=True, exist_ok=True)
    names = {"begun_from": begin.name if begin else None, "teacher": teacher.name if teacher else None}
    (out / "recipe.json").write_text(json.dumps(asdict(recipe) | names))
    typer.echo(str(run(prepared, begin, out, recipe, resume=resume, progress=told)))


@app.command()
def export(
    sample_data: Annotated[Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")],
    out: Out = Path("var/models/run"),
    to: Annotated[Path, typer.Option(help="权重写到何处 Where the weights go.")] = WEIGHTS,
    prepared: Prepared = Path("var/models/set"),
    blended: Annotated[
        Path | None, typer.Option(help="与之平均的权重 Weights (ONNX), COCO's or earlier, to average with.")
    ] = None,
    share: Annotated[
        float, typer.Option(min=0, max=1, help="本次训练所占比例 The run's own share of the average.")
    ] = 0.9,
    beside: Annotated[
        Path, typer.Option(help="取用其人群密度与复核模型 Card whose counter of crowds and judge go along.")
    ] = CARD,
    alone: Annotated[
        bool, typer.Option("--alone", help="两者都不带 Take along neither the counter nor the judge.")
    ] = False,
    height: Annotated[int, typer.Option(help="输入高 Height of the input in px.")] = 384,
    width: Annotated[int, typer.Option(help="输入宽 Width of the input in px.")] = 640,
) -> None:
    """导出并写模型卡 Export to ONNX, choose precision and thresholds on val, judge on test, and write the card.

    人群密度与近看复核模型随之带上。The counter of dense crowds and the judge of the second look go along.
    """
    from detectors.weights import WeightsRefused
    from models.blend import blend as average
    from models.carried import ALONG, Carried, carried
    from models.export import export_onnx
    from models.release import described, release, settle_judged, with_figures

    try:
        along = Carried({}, ()) if alone else carried(beside, to)
    except WeightsRefused as refused:
        raise typer.BadParameter(f"{refused.zh} {refused.en}", param_hint="--beside") from refused
    export_onnx(out / "run" / "weights" / "last.pt", to, image_size=(height, width))
    if blended is not None:
        average(to, blended, share, to)
    before = json.loads(to.with_suffix(".json").read_text()) if to.with_suffix(".json").exists() else {}
    if alone:
        before = {name: value for name, value in before.items() if name not in ALONG}
    along.lay_beside(to)
    for file in along.files:
        console.print(f"随新模型放置 laid beside the new weights: {to.with_name(file.name)}", markup=False)
    with Progress(console=console) as bars:
        told = _told(bars)
        made = release(to, sample_data, (height, width), told)
        recipe = json.loads((out / "recipe.json").read_text())
        recipe |= {"blended_with": blended.name, "own_share": share} if blended is not None else {}
        made |= described(prepared, recipe, before | along.entries)
        made_card = to.with_suffix(".json")
        if made.get("judge") is not None:  # what a lower threshold lets in, its doubt takes away
            made_card.write_text(json.dumps(made))
            settle_judged(made_card, sample_data, told)
        else:
            with_figures(made, made_card, sample_data, told)
    typer.echo(made_card.with_suffix(".md").read_text())


@app.command()
def precision(
    sample_data: Annotated[Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")],
    card: Annotated[Path, typer.Option(callback=_usable, help="模型卡 Card of released weights.")] = CARD,
) -> None:
    """在本机重选精度 Quantise released weights and choose anew between fp32, bf16 and int8.

    按验证集和本机耗时选择，按测试集写模型卡。By what val shows and a picture takes of this processor; judged on test.
    """
    from models.release import choose_precision

    with Progress(console=console) as bars:
        chosen = choose_precision(card, sample_data, _told(bars))
    wanted = ("precision", "accuracy_lost", "quantised", "precisions_measured_on_val")
    typer.echo(json.dumps({name: chosen[name] for name in wanted if name in chosen}, indent=1))


@app.command(name="thresholds")
def choose(
    sample_data: Annotated[Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")],
    card: Annotated[Path, typer.Option(callback=_usable, help="模型卡 Card of released weights.")] = CARD,
) -> None:
    """按验证集重选阈值 Choose the scores from which classes are seen anew.

    按测试集写模型卡。Chosen on val, as the second look changes them; judged on test.
    """
    from models.release import choose_thresholds

    with Progress(console=console) as bars:
        chosen = choose_thresholds(card, sample_data, _told(bars))
    shown = {name: chosen[name] for name in ("thresholds", "figures_on_test")}
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))


@app.command()
def blend(
    weights: Annotated[Path, typer.Argument(help="自有权重 ONNX export of ours.")],
    other: Annotated[Path, typer.Argument(help="另一个 Another one, or COCO's.")],
    to: Annotated[Path, typer.Argument(help="平均写到何处 Where the average goes.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="前者所占比例 Share of the first.")] = 0.5,
) -> None:
    """权重平均 Average two sets of weights, to train from or to release."""
    from models.blend import blend as average

    average(weights, other, share, to)


@app.command()
def compare(
    licensed: Annotated[
        Path, typer.Argument(help="仅用许可明确图片的模型卡 Card of weights trained after `prepare --licensed-only`.")
    ],
    sample_data: Annotated[Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")],
    card: Annotated[
        Path, typer.Option(callback=_usable, help="写入差别的模型卡 Card that is to tell the difference.")
    ] = CARD,
) -> None:
    """比较许可不明图片的作用 Say in a card what pictures of unclear licence contribute, judged on val."""
    from models.release import compare as run

    with Progress(console=console) as bars:
        facts = run(card, licensed, sample_data, _told(bars))
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))


@app.command()
def density(
    sample_data: Annotated[Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")],
    to: Annotated[Path, typer.Option(help="权重写到何处 Where the weights go.")] = DENSITY,
    card: Annotated[Path, typer.Option(callback=_usable, help="写入其名的模型卡 Card that is to name them.")] = CARD,
    from_people: Annotated[
        int, typer.Option(min=1, max=1000, help="人数达到时按密度计 Boxes from which density counts.")
    ] = 5,
    smaller_than: Annotated[
        float, typer.Option(min=0.01, max=1, help="且人高中位数不超过画面的 … of this median height at most.")
    ] = 0.45,
    steps: Annotated[int, typer.Option(min=1, max=1_000_000, help="训练步数 Batches of four crops.")] = 2800,
    folds: Annotated[int, typer.Option(min=2, max=20, help="交叉验证份数 Parts of a cross-validation.")] = 4,
    turns: Annotated[
        int, typer.Option(min=0, max=20, help="留出份数 How many of the parts are held out; 0: none.")
    ] = 4,
    threads: Annotated[
        int, typer.Option(min=0, max=256, help="线程数，0 为全部 0: all cores; 1 on a busy machine.")
    ] = 0,
    seed: Seed = 7,
) -> None:
    """制作人群密度模型 Train the counter of dense crowds, cross-validate it, and name it in the card."""
    import torch

    from models.density import make_density

    if threads:
        torch.set_num_threads(threads)
    with Progress(console=console) as bars:
        facts = make_density(
            sample_data,
            to,
            card,
            from_people=from_people,
            smaller_than=smaller_than,
            steps=steps,
            folds=folds,
            turns=turns,
            seed=seed,
            say=_told(bars),
        )
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))


@app.command()
def judge(
    sample_data: Annotated[Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")],
    to: Annotated[Path, typer.Option(help="权重写到何处 Where the weights go.")] = JUDGE,
    card: Annotated[
        Path, typer.Option(callback=_usable, help="被复核模型的模型卡 Card of the network whose candidates are judged.")
    ] = CARD,
    licensed_only: Annotated[
        bool, typer.Option(help="不用许可不明的图片 Leave out what has no clear licence.")
    ] = False,
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

    with Progress(console=console) as bars:
        told = _told(bars)
        if not keep:
            make_judge(sample_data, to, card, licensed_only=licensed_only, say=told)
        facts = settle_judged(card, sample_data, told)
    shown = {"thresholds": facts["thresholds"], "judge": facts["judge"], "figures_on_test": facts["figures_on_test"]}
    typer.echo(json.dumps(shown, ensure_ascii=False, indent=1))


@app.command()
def cues(
    sample_data: Annotated[Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="真实图片 Real pictures.")],
    to: Annotated[Path, typer.Option(help="权重写到何处 Where the weights go.")] = CUES,
    card: Annotated[Path, typer.Option(callback=_usable, help="写入的模型卡 Card that is to name it.")] = CARD,
) -> None:
    """制作摊点物件模型 Make the finder of a stall's parts of COCO's network, and name it in the card."""
    from models.cues import make_cues
    from models.prepare import COCO_WEIGHTS

    facts = make_cues(sample_data / "weights" / COCO_WEIGHTS, to, card)
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))


@app.command()
def evaluate(
    sample_data: Annotated[
        Path, typer.Option(envvar="GATEWAY_SAMPLE_DATA", help="图片目录 Pictures in the sample's layout.")
    ],
    card: Annotated[Path, typer.Option(callback=_usable, help="模型卡 Card of the weights.")] = CARD,
    split: Annotated[str, typer.Option(callback=_known, help="数据部分 train, val or test.")] = "test",
) -> None:
    """评测 Judge weights on a split at the card's thresholds."""
    from models.figures import figures, look, open_profile

    profile = open_profile(card)
    with Progress(console=console) as bars:
        found = figures(profile, look(profile, sample_data, split, _told(bars)))  # type: ignore[arg-type]  # checked there
    typer.echo(json.dumps(found, indent=1))


@app.command()
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
    from detectors.sees import HAZARDS, hazards_of
    from detectors.weights import WeightsRefused, load_card
    from models.adopt import adopt as make_card

    try:
        path = make_card(weights, threshold=threshold, licence=licence)
    except WeightsRefused as refused:
        raise typer.BadParameter(f"{refused.reason}: {refused.zh} {refused.en}", param_hint="WEIGHTS") from refused
    told = hazards_of(load_card(path))
    typer.echo(str(path))
    for hazard in HAZARDS:
        console.print(f"{hazard}: {'可识别 told' if hazard in told else '不能识别 not told'}", markup=False)


def _told(bars: Progress) -> Callable[[str, int, int], None]:
    """One bar for each kind of work."""
    tasks: dict[str, TaskID] = {}

    def told(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done + 1)

    return told


@app.command()
def card(path: Annotated[Path, typer.Argument(help="模型卡（.md）The card's page.")] = PAGE) -> None:
    """查看模型卡 Show a card."""
    typer.echo(path.read_text(encoding="utf-8"))
