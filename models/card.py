"""The card of a set of weights as people read it, and what every card says of origin and limits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectors.card_file import load_card
from detectors.refusals import WeightsRefused
from models import choosing, origin
from models.classes import CLASSES

FAILS = (
    "Real street stalls: none was trained on, only drawn ones, and they are found poorly (see the figures). Those are"
    " told whose fruit, food or bottles the camera sees, and those that look like a market: goods laid out by day."
    " Tents at night are not. Shop counters open to the street look like a market, too: leave them out of the zone.",
    "Small, coarse or strongly compressed flames, as on a distant camera, are often missed.",
    "Hardly any training picture is real CCTV; night, rain and lens dirt are imitated, not seen.",
    "Sunsets, red lamps, screens and bright orange surfaces are at times taken for fire.",
    "Smoke that is thin, white or low in contrast is often missed, and fog or steam taken for it.",
    "Dense crowds are counted by density, which is right on average and not for each person; it was taught on"
    " one city's streets by day, and is used only where boxes already show a crowd.",
)
FAILS_ZH = (
    "真实占道摊点：训练中没有真实照片，仅有合成画面，识别效果差（见指标）；看得清水果、食品或瓶装商品的摊点，以及白天摆满货品、形似集市的摊点可以识别；夜间帐篷摊识别不到。敞开经营的店铺门面也形似集市，划定区域时应避开。",
    "远处摄像机中细小、粗糙或压缩严重的火焰常被漏检。",
    "训练图片几乎没有真实监控画面；夜间、雨天和镜头污渍为模拟，并非实拍。",
    "夕阳、红灯、屏幕和亮橙色表面有时被误认为火焰。",
    "稀薄、发白或对比度低的烟雾常被漏检，雾和水汽有时被误认为烟雾。",
    "密集人群按密度估计，平均准确但不逐人准确；训练取自一座城市的白天街景，仅在检测框已显示有人群时使用。",
)
"""``FAILS`` line by line, in the console's first language."""
TEXTS = {
    "fire_map50": "fire, average precision at IoU 0.5",
    "smoke_map50": "smoke, average precision at IoU 0.5",
    "stall_ap50": "stall, average precision at IoU 0.5",
    "stall_ap50_low": "… 95 % interval (bootstrap over pictures), low",
    "stall_ap50_high": "… high",
    "stall_precision": "stall, precision at the threshold",
    "stall_recall": "stall, recall at the threshold",
    "person_recall": "person, recall at IoU 0.5 of labelled people",
    "person_precision": "person, share of the boxes that have a head of their own (gatherings)",
    "gathering_mae": "gatherings, mean absolute error of the count",
    "shtechb_mae": "ShanghaiTech B test pictures, mean absolute error of the count",
    "fire_picture_recall": "pictures with fire in which fire is seen",
    "hard_negative_fire_share": "pictures without fire and smoke in which fire is seen",
    "fire_told_at_once": "pictures with fire in which the second look confirms it",
    "hard_negative_told_at_once": "pictures without fire and smoke in which the second look confirms a fire",
    "fire_told_at_once_photos": "… photos: confirmed",
    "hard_negative_told_at_once_photos": "… photos: wrongly confirmed",
    "fire_told_at_once_cctv": "… camera frames: confirmed",
    "hard_negative_told_at_once_cctv": "… camera frames: wrongly confirmed",
    "fire_picture_recall_photos": "… photos: found",
    "hard_negative_fire_share_photos": "… photos: wrongly",
    "hard_negative_fire_share_photos_where_90_found": "… photos: wrongly, where nine of ten fires are found",
    "fire_picture_recall_cctv": "… camera frames: found",
    "hard_negative_fire_share_cctv": "… camera frames: wrongly",
    "hard_negative_fire_share_cctv_where_90_found": "… camera frames: wrongly, where nine of ten fires are found",
}


def refuse_foreign(path: Path) -> None:
    """Raises ``WeightsRefused`` where a card is none that ``gateway models export`` wrote, with all that its page
    tells, of a network of ours: what is made for such a card could not be told in it in the end."""
    card = load_card(path)
    facts = json.loads(path.read_text(encoding="utf-8"))
    try:
        page(facts)
        origin.note(facts)
        sum(facts["trained_from"]["licences"]["train"].values())
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise _foreign(path, f"{type(error).__name__}: {error}") from error
    if card.classes != CLASSES:
        raise _foreign(path, f"classes {', '.join(card.classes[:8])}")
    if card.weights is not None and not card.weights.endswith(".onnx"):
        raise _foreign(path, card.weights)


def _foreign(path: Path, why: str) -> WeightsRefused:
    return WeightsRefused(
        "card_foreign",
        f"模型卡 {path} 不是 gateway models export 生成的（{why}），此命令不适用：外来模型只能试用和启用",
        f"the card {path} is none that gateway models export wrote ({why}), and this command is not for it: foreign"
        " weights can be looked with in shadow and promoted, no more",
    )


def write_card(card: Mapping[str, Any], to: Path) -> None:
    """The card as JSON, and its page beside it; the first line as all that it names by now wants it."""
    if "trained_from" in card:
        card = {**card, "note": origin.note(card)}
    to.write_text(json.dumps(card, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    to.with_suffix(".md").write_text(page(card), encoding="utf-8")


def page(card: Mapping[str, Any]) -> str:
    """The card in Markdown. Its first line says where pictures had no clear licence."""
    height, width = card["input_size"]
    lines = [
        card["note"],
        "",
        f"# {card['name']}",
        "",
        f"YOLOv8n for {', '.join(card['classes'])}; input of as many pixels as {width}×{height}, in the picture's"
        f" proportions; {_bits(card)}; licence {card['licence']}; sha256 `{card['sha256']}`.",
        "",
        "Made with `gateway models prepare | train | export`. Thresholds and precision were chosen on the val split and"
        " the train part, never on test pictures; splits are by scene.",
        "",
        *_scenes_in_two_splits(card),
        *_table(("class", "threshold"), list(card["thresholds"].items())),
        "",
        *_chosen_on(card),
        f"Fire's is the highest at which {'19 of 20' if card.get('judge') else 'nine of ten'} val pictures with fire"
        " show it, smoke's the lowest with nearly the best F1 on val; a person's is where gatherings of the train part"
        " are counted best.",
        "",
        "## On test pictures, never trained on",
        "",
        *_table(("figure", "value"), [(TEXTS.get(k, k), _number(v)) for k, v in card["figures_on_test"].items()]),
        "",
        "A class is judged only on pictures whose labels know it whole. The rendered scenes of the demo come from the"
        " generator that drew part of the training pictures, with other seeds and pieces: that the demo works says"
        " little.",
        "",
        *_precisions(card),
        *_augmented(card),
        *_density(card),
        *_cues(card),
        *_judge(card),
        "## Where it fails",
        "",
        *(f"- {line}" for line in card["fails_where"]),
        "",
        *(f"- {line}" for line in card.get("fails_where_zh", ())),
        "",
        "## How it was made",
        "",
        *(f"- {line}" for line in card["recipe"]),
        "",
        *_licensed_only(card),
        "## What it was trained on",
        "",
        *(f"- {name}: {count} pictures" for name, count in card["trained_from"]["pictures"].items()),
        "",
        "Licences of the training pictures:",
        "",
        *(f"- {name}: {count}" for name, count in card["trained_from"]["licences"]["train"].items()),
        "",
        *_pretrained(card["trained_from"], "The weights that training began from"),
    ]
    return "\n".join(lines)


def _scenes_in_two_splits(card: Mapping[str, Any]) -> list[str]:
    shared: Mapping[str, Mapping[str, int]] = card["trained_from"].get("scenes_in_two_splits") or {}
    if not shared:
        return []
    judged = {split: sum(of.get(split, 0) for of in shared.values() if "train" in of) for split in ("val", "test")}
    return [
        f"But the manifest has {len(shared)} scenes in more than one split: {judged['test']} test and {judged['val']}"
        " val pictures are of scenes that train shows as well, which flatters the figures.",
        "",
    ]


def _chosen_on(card: Mapping[str, Any]) -> list[str]:
    rows = [(choosing.NAMES[name][1], clear, unclear) for name, clear, unclear in choosing.told(card)]
    if not rows:
        return []
    return [
        "As only pictures with a clear licence were trained on, such alone were chosen by where they were enough"
        f" ({choosing.ENOUGH}; {choosing.TWICE} where a judge looks). Where they were not, all there were:",
        "",
        *_table(("chosen", "by pictures with a clear licence", "and without"), rows),
        "",
    ]


def _licences(network: Mapping[str, Any], how: str) -> list[str]:
    """Of a network that goes along."""
    pictures = network.get("licences", {})
    counted = [f"Licences of the pictures it was {how} on:", "", *(f"- {n}: {c}" for n, c in pictures.items()), ""]
    return [*(counted if pictures else []), *_pretrained(network, "The weights that it began from")]


def _pretrained(entry: Mapping[str, Any], whose: str) -> list[str]:
    before = entry.get(origin.PRETRAINED_ON)
    return [f"{whose} were taught by pictures of:", "", *(f"- {name}" for name in before), ""] if before else []


def _bits(card: Mapping[str, Any]) -> str:
    own, quantised = str(card["precision"]), card.get("quantised")
    where = f"{own} where the processor computes in it, else fp32" if own == "bf16" else own
    return f"int8 where the processor multiplies bytes, else {where}" if quantised else where


def _precisions(card: Mapping[str, Any]) -> list[str]:
    measured = card.get("precisions_measured_on_val")
    if not measured:
        return []
    names = list(next(iter(measured.values())))
    rows = [(precision, *(_number(values[name]) for name in names)) for precision, values in measured.items()]
    quantised = card.get("quantised")
    return [
        "## Precision, measured",
        "",
        "Milliseconds of one processor of the machine that exported, for a picture; average precision of fire and smoke"
        " and recall of people on val.",
        "",
        *_table(("precision", *names), rows),
        "",
        *(
            [
                f"int8 is the file `{quantised['weights']}` (sha256 `{quantised['sha256']}`). OpenVINO computes it"
                " where the processor has instructions for it (VNNI, AMX); everywhere else the float file is computed.",
                "",
                *_table(("int8 costs", "on val"), [(n, _number(v)) for n, v in quantised["accuracy_lost"].items()]),
                "",
            ]
            if quantised
            else []
        ),
    ]


def _density(card: Mapping[str, Any]) -> list[str]:
    density = card.get("density")
    if not density:
        return []
    return [
        "## Dense crowds",
        "",
        f"From {density['from_people']} people in boxes on, `{density['weights']}` (sha256 `{density['sha256']}`)"
        f" counts instead: {density['note']}",
        "",
        *_counted(density.get("cross_validated", {})),
        *_licences(density, "trained"),
    ]


def _counted(held_out: Mapping[str, Mapping[str, float]]) -> list[str]:
    if not held_out:
        return []
    rows = [
        (source, str(facts["pictures"]), _number(facts["mean_error"]), _number(facts["mean_absolute_error"]))
        for source, facts in held_out.items()
    ]
    return [
        "On pictures of the train part that were held out, before a network that had not seen them (`shtB` ShanghaiTech"
        " B, `shtA` its part A, `ind` gatherings), whether or not boxes would have asked it; in people:",
        "",
        *_table(("source", "pictures", "mean error", "mean absolute error"), rows),
        "",
    ]


def _cues(card: Mapping[str, Any]) -> list[str]:
    cues = card.get("cues")
    if not cues:
        return []
    limits = ", ".join(f"{name} {limit}" for name, limit in cues["thresholds"].items())
    market = f" A market scene is a stall from {cues['market_from']} on." if cues.get("market_from") else ""
    return [
        "## The parts of a stall",
        "",
        f"Where a rule watches for stalls, `{cues['weights']}` (sha256 `{cues['sha256']}`) is asked as well:"
        f" {cues['note']} Least scores: {limits}. Goods that lie together, or with an umbrella, count as a stall."
        f"{market}",
        "",
        *_licences(cues, "trained"),
    ]


def _judge(card: Mapping[str, Any]) -> list[str]:
    judge = card.get("judge")
    if not judge:
        return []
    rows = [
        (label, on, *(_number(facts[name]) for name in _JUDGED))
        for on, by_label in (("train, cross-validated", judge["cross_validated"]), ("val", judge["val"]))
        for label, facts in by_label.items()
    ]
    return [
        "## The second look's judge",
        "",
        f"Crops round candidates for {' and '.join(judge['labels'])}, and the whole pictures around them, are judged by"
        f" `{judge['weights']}` (sha256 `{judge['sha256']}`): {judge['note']} What both together doubt lowers the"
        " score, by a bounded measure. Areas under the curve: of crops round candidates from a score of 0.05 on, and of"
        " pictures.",
        "",
        *_table(("hazard", "on", *_JUDGED.values()), rows),
        "",
        *_raised(judge.get("raised_on_val"), "{} the judge"),
        *_licences(judge, "fitted"),
    ]


def _augmented(card: Mapping[str, Any]) -> list[str]:
    augmented = card.get("augmented")
    if not augmented:
        return []
    height, width = augmented["input_size"]
    return [
        "## Looked at once more",
        "",
        f"Where fire or smoke is seen at {augmented['from_score']}, the picture is looked at once more, mirrored and in"
        f" an input of as many pixels as {width}×{height}, and both looks are fused.",
        "",
        *_raised(augmented.get("raised_on_val"), "looked at {}"),
    ]


def _raised(raised: Mapping[str, Mapping[str, Any]] | None, what: str) -> list[str]:
    if not raised:
        return []
    names = list(next(iter(raised.values())))
    heads = [_RAISED.get(name, name.replace("_", " ")) for name in names]
    rows = [(what.format(how), *(_number(facts[name]) for name in names)) for how, facts in raised.items()]
    return ["On val:", "", *_table(("", *heads), rows), ""]


_RAISED = {"fire_ap50": "fire AP50", "smoke_ap50": "smoke AP50"}
_JUDGED = {
    "there": "where it is",
    "not_there": "where it is not",
    "auc_score": "AUC of the score",
    "auc_judge": "of the judge",
}


def _licensed_only(card: Mapping[str, Any]) -> list[str]:
    compared = card.get("licensed_only")
    if not compared:
        return []
    rows = [(name, _number(one.get("fire")), _number(one.get("smoke"))) for name, one in compared["val"].items()]
    return [
        "## Without pictures of unclear licence",
        "",
        compared["note"],
        "",
        *_table(("trained on", "fire AP50, val", "smoke AP50, val"), rows),
        "",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows),
    ]


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) and value < 10 else f"{value:.1f}"
