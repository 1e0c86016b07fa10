"""From a checkpoint to shipped weights: export, thresholds from val, precision by measurement, figures, the card.

A network looks with the card beside it, so that what is made here writes it again and again: it is a draft
(``models.draft``) until all of it is measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from detectors.card_facts import card_of
from detectors.card_file import load_card
from detectors.refusals import WeightsRefused
from detectors.weights import weights_of
from models import thresholds
from models.card import FAILS, FAILS_ZH, write_card
from models.carried import ALONG
from models.choosing import BOUNDS, CHOSEN_ON, Basis
from models.evaluate import (
    Seen,
    fires_and_others,
    judge,
    look_at,
    picture_share,
    threshold_for_recall,
)
from models.figures import Profile, Say, figures, look, open_profile
from models.origin import all_clear, note, on_clear_alone, taught
from models.precision import choose, low_card, quality
from models.sample_data import read_samples

GATHERING = "ind_"


def release(
    fp32: Path, sample_data: Path, input_size: tuple[int, int], say: Say, *, licensed_only: bool
) -> dict[str, Any]:
    """Choose the precision of exported weights; answers the card, its thresholds low and still to be chosen.
    ``licensed_only``: see ``models.choosing``.

    A quantised file lies beside ``fp32`` where it is worth it.
    """
    return low_card(fp32, "fp32", input_size) | choose(fp32, input_size, sample_data, say, licensed_only=licensed_only)


def choose_thresholds(card_path: Path, sample_data: Path, say: Say) -> dict[str, Any]:
    """Choose all thresholds of released weights anew on val, fire's as the judge of the second look changes it where
    there is one, and judge on test pictures. Writes the card and its page, and answers the card."""
    card: dict[str, Any] = json.loads(card_path.read_text(encoding="utf-8"))
    profile = open_profile(card_path)
    found = thresholds.chosen(
        look(profile, sample_data, "val", say),
        gatherings_of_train(profile, sample_data, say),
        licensed_only=on_clear_alone(card["trained_from"]),
    )
    card["thresholds"] = found.scores
    _say_by(card, found.by)
    if card.get("judge") is None:
        with_figures(card, card_path, sample_data, say)
        return card
    card_path.write_text(json.dumps(card))
    return settle_judged(card_path, sample_data, say)


def choose_augmented(
    card_path: Path, augmented: Mapping[str, Any] | None, sample_data: Path, say: Say
) -> dict[str, Any]:
    """Have what may be fire or smoke looked at once more in this way (see ``detectors.card.Augmented``), or no more
    (None): the card says what that is worth on val, thresholds are chosen anew, and test pictures judged. Writes the
    card and its page, and answers the card. Raises ``ValueError`` where it is no way of looking."""
    card: dict[str, Any] = json.loads(card_path.read_text(encoding="utf-8"))
    card_of(card | {"augmented": augmented})
    fire = [one for one in read_samples(sample_data) if one.split == "val" and one.folder == "fire"]
    raised_on_val = {}
    for how, way in {"once": None, "once more": augmented}.items():
        card_path.write_text(json.dumps(card | {"augmented": way}))
        raised_on_val[how] = raised(look_at(open_profile(card_path).look_twice, fire, f"val, looked at {how}", say))
    card["augmented"] = augmented and {**augmented, "raised_on_val": raised_on_val}
    card_path.write_text(json.dumps(card))
    return choose_thresholds(card_path, sample_data, say)


def _say_by(card: dict[str, Any], by: Mapping[str, Basis]) -> None:
    """Have a card tell by what its choices were made, where it has such to keep to."""
    if on_clear_alone(card["trained_from"]):
        card[CHOSEN_ON] = {**card.get(CHOSEN_ON, {}), **{name: asdict(basis) for name, basis in by.items()}}


def choose_precision(card_path: Path, sample_data: Path, say: Say) -> dict[str, Any]:
    """Measure all precisions anew, on val and on this machine, and judge what is chosen on test pictures: for released
    weights, whose thresholds stay. Writes the card, its page and the quantised file, and answers the card."""
    card: dict[str, Any] = json.loads(card_path.read_text(encoding="utf-8"))
    weights = weights_of(load_card(card_path), card_path)
    height, width = card["input_size"]
    before = card.pop("quantised", None)
    card.pop("accuracy_lost", None)
    by = card.pop(CHOSEN_ON, {})
    clear = on_clear_alone(card["trained_from"])
    card |= choose(weights, (height, width), sample_data, say, before, licensed_only=clear)
    if clear:
        kept = {name: of for name, of in by.items() if name not in BOUNDS or "quantised" in card}
        card[CHOSEN_ON] = kept | card[CHOSEN_ON]
    with_figures(card, card_path, sample_data, say)
    return card


def gatherings_of_train(profile: Profile, sample_data: Path, say: Say) -> list[Seen]:
    """Seen pictures of the train part in which every head of a gathering is marked; the marks train no boxes."""
    chosen = [one for one in read_samples(sample_data) if one.split == "train" and one.path.name.startswith(GATHERING)]
    return look_at(profile.look, chosen, "gatherings", say)


def settle_judged(card_path: Path, sample_data: Path, say: Say) -> dict[str, Any]:
    """Choose fire's threshold anew on val, as the whole profile with its judge sees it, say there what the judge
    changes, and judge on test pictures. Writes the card and its page, and answers the card. Raises ``WeightsRefused``
    where the card names no judge."""
    card: dict[str, Any] = json.loads(card_path.read_text(encoding="utf-8"))
    if card.get("judge") is None:
        raise WeightsRefused(
            "judge_missing",
            f"模型卡 {card_path.name} 没有复核模型：不带 --keep 运行即可制作",
            f"{card_path.name} names no judge: without --keep one is made",
        )
    profile = open_profile(card_path)
    fire = [one for one in read_samples(sample_data) if one.split == "val" and one.folder == "fire"]
    val = {
        "with": look_at(profile.look_twice, fire, "val", say),
        "without": look_at(profile.look, fire, "val without the judge", say),
    }
    card["thresholds"]["fire"], basis = thresholds.fire_judged(
        val["with"], licensed_only=on_clear_alone(card["trained_from"])
    )
    _say_by(card, {"fire": basis})
    card["judge"]["raised_on_val"] = {name: raised(seen) for name, seen in val.items()}
    with_figures(card, card_path, sample_data, say)
    return card


def raised(seen: Sequence[Seen]) -> dict[str, float | None]:
    """What a way of looking is worth: average precision, and the hard negatives on which fire is raised where so
    many of the fires are found."""
    fires, others = fires_and_others(seen)
    return {
        "fire_ap50": judge(seen, "fire", 0.5).ap50,
        "smoke_ap50": judge(seen, "smoke", 0.5).ap50,
        **{
            f"hard_negatives_where_{round(100 * share)}_found": picture_share(
                others, "fire", threshold_for_recall(fires, "fire", share)
            )
            for share in (thresholds.FIRES_FOUND, thresholds.FIRES_FOUND_JUDGED)
            if fires
        },
    }


def with_figures(card: dict[str, Any], beside: Path, sample_data: Path, say: Say) -> Path:
    """Judge on test pictures and write the card and its page."""
    beside.write_text(json.dumps(card))
    profile = open_profile(beside)
    card["figures_on_test"] = figures(profile, look(profile, sample_data, "test", say))
    write_card(card, beside)
    return beside


def compare(card_path: Path, licensed: Path, sample_data: Path, say: Say) -> dict[str, Any]:
    """Say in a card what pictures of unclear licence contribute: both are judged on val. ``licensed``: the card of
    weights made by the same recipe without them. Answers what the card says. Raises ``WeightsRefused`` where it
    was not."""
    cards = {path: json.loads(path.read_text(encoding="utf-8")) for path in (card_path, licensed)}
    trained = {path: card["trained_from"]["licences"]["train"] for path, card in cards.items()}
    if not all_clear(taught(cards[licensed]["trained_from"])):
        raise WeightsRefused(
            "licence_unclear",
            f"{licensed.name} 或其起始权重的训练图片中有许可不明者：训练集须 --licensed-only，并以 COCO 权重开始训练",
            f"{licensed.name}, or what it was begun from, was trained on pictures of unclear licence, too: prepare with"
            " --licensed-only, and begin from COCO's weights",
        )
    numbers = {path: sum(counts.values()) for path, counts in trained.items()}
    facts = {
        "note": f"The same recipe on the {numbers[licensed]} of {numbers[card_path]} training pictures whose licence is"
        " clear, both judged on val.",
        "val": {
            name: quality(seen["fire"], seen["coco"])
            for name, path in (("all pictures", card_path), ("those with a clear licence", licensed))
            for seen in [look(open_profile(path), sample_data, "val", say)]
        },
    }
    write_card(cards[card_path] | {"licensed_only": facts}, card_path)
    return facts


def described(origin: Mapping[str, Any], recipe: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What the card says of origin: of the pictures and of the run, as its record has them (``models.record``), and
    kept from the card ``before``: what goes along, and nothing that was measured of other weights."""
    kept = {name: before[name] for name in ALONG if before.get(name) is not None}
    if "augmented" in kept:  # what it is worth was measured with other weights
        kept["augmented"] = {name: value for name, value in kept["augmented"].items() if name != "raised_on_val"}
    return {
        "note": note({"trained_from": origin, **kept}),
        "trained_from": dict(origin),
        "recipe": [f"{name}: {value}" for name, value in recipe.items()],
        "fails_where": list(FAILS),
        "fails_where_zh": list(FAILS_ZH),
        **kept,
    }
