"""The first line of a card: whether pictures with a clear licence alone taught all that it names."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from models import shipped
from models.card import page, write_card
from models.origin import CLEAR, COCO, IMAGENET, UNCLEAR, UNTOLD, note, taught_before, with_weights
from models.release import described
from models.sample_data import clear

SHIPPED: dict[str, Any] = json.loads(shipped.CARD.read_text())
ORIGIN: dict[str, Any] = {"pictures": {"train/fire": 9}, "licences": {"train": {"CC0-1.0": 9}}}


@pytest.mark.parametrize(
    "licence",
    ["CC-BY-NC 4.0", "CC BY-NC 4.0", "CC-BY-NC-SA 3.0", "cc-by-nc", "CC-BY-ND-4.0", "CC-BY-NC-ND", "CC-BYNC 4.0",
     "CC-BY_NC", "CC-BY (non-commercial)", "CC-BY NonCommercial", "CC-BY, NoDerivatives", "CC-BY, no derivatives",
     "MIT text, not for commercial use", "COCO, no commercial use", "CC-BY 非商业性使用", "CC-BY-NCSA"],
)  # fmt: skip
def test_a_licence_that_takes_use_or_adaptation_away_again_is_not_clear(licence: str) -> None:
    """All that begins with CC-BY was taken for clear."""
    assert not clear(licence)


@pytest.mark.parametrize("licence", [*SHIPPED["trained_from"]["licences"]["train"], "CC-BY-SA 4.0", "CC0-1.0"])
def test_other_licences_count_as_before(licence: str) -> None:
    assert clear(licence) == (not licence.startswith(("unknown", "research")))


def test_a_clear_detector_with_something_unclear_beside_it_says_what_that_is() -> None:
    """The line said that all was clear, of a card whose counter of crowds was taught on ShanghaiTech."""
    assert described(ORIGIN, {}, {})["note"] == CLEAR
    said = described(ORIGIN, {}, SHIPPED)["note"]
    assert "only on pictures with a clear licence (see `trained_from`), but" in said
    for called in ("network for density", "密度模型", "judge", "复核模型", "摊点物件模型"):
        assert called in said
    unclear = {"licences": {"train": {"CC-BY-NC 4.0": 9}}}
    assert described(unclear, {}, {})["note"] == UNCLEAR


@pytest.mark.parametrize(
    ("density", "is_clear"),
    [
        ({"licences": {"CC-BY-4.0": 20}, "pretrained_on": [COCO]}, True),
        ({"licences": {"CC-BY-4.0": 20, "unknown": 1}, "pretrained_on": [COCO]}, False),
        ({"licences": {"CC-BY-4.0": 20}, "pretrained_on": [IMAGENET]}, False),
        ({"licences": {"CC-BY-4.0": 20}}, False),
    ],
)
def test_a_network_beside_the_detector_is_clear_where_all_that_taught_it_is_told_and_clear(
    density: dict[str, Any], is_clear: bool
) -> None:
    assert (note({"trained_from": ORIGIN, "density": density}) == CLEAR) == is_clear


def test_a_network_that_is_named_later_changes_the_first_line_of_the_card_and_its_page(tmp_path: Path) -> None:
    """`density` and `judge` added themselves to a card and left its first line as it was."""
    card = {name: value for name, value in SHIPPED.items() if name not in ("density", "judge", "cues")}
    card |= {"trained_from": ORIGIN}
    write_card(card, tmp_path / "card.json")
    assert (tmp_path / "card.md").read_text().startswith(CLEAR)
    write_card(card | {"density": SHIPPED["density"]}, tmp_path / "card.json")
    told = json.loads((tmp_path / "card.json").read_text())["note"]
    assert "network for density" in told
    assert (tmp_path / "card.md").read_text().startswith(told)


def test_the_shipped_card_says_what_it_said() -> None:
    assert note(SHIPPED) == SHIPPED["note"] == UNCLEAR
    assert page(SHIPPED) == shipped.PAGE.read_text()


def test_what_was_measured_of_other_weights_is_not_kept() -> None:
    """The card of new weights told what pictures of unclear licence had contributed to those before."""
    assert SHIPPED["licensed_only"]
    assert "licensed_only" not in described(ORIGIN, {}, SHIPPED)


def network(to: Path, classes: int) -> Path:
    rows = numpy_helper.from_array(np.zeros(classes, np.float32), "model.22.cv3.0.2.bias")
    node = helper.make_node("Identity", [rows.name], ["answer"])
    onnx.save(helper.make_model(helper.make_graph([node], "one", [], [], [rows])), str(to))
    return to


def test_what_taught_the_weights_that_a_run_begins_from_counts_too(tmp_path: Path) -> None:
    """Begun from the shipped weights, as the handbook says, a run on a clear set passed for clear as a whole."""
    begun = with_weights(ORIGIN, shipped.WEIGHTS)
    assert "unknown" in begun["pretrained_on"]
    assert note({"trained_from": begun}) == UNCLEAR
    assert with_weights(ORIGIN, network(tmp_path / "coco.onnx", 80))["pretrained_on"] == [COCO]
    assert note({"trained_from": with_weights(ORIGIN, tmp_path / "coco.onnx")}) == CLEAR
    page_of = page(SHIPPED | {"trained_from": begun})
    assert "The weights that training began from were taught by pictures of:" in page_of


def test_weights_of_ours_of_which_no_card_tells_are_not_clear(tmp_path: Path) -> None:
    blended = network(tmp_path / "blended.onnx", 4)
    assert taught_before(blended) == (UNTOLD,)
    shutil.copyfile(shipped.CARD, blended.with_suffix(".json"))  # a card of other weights
    assert taught_before(blended) == (UNTOLD,)
    facts = json.loads(shipped.CARD.read_text(encoding="utf-8"))
    facts |= {"sha256": hashlib.sha256(blended.read_bytes()).hexdigest(), "trained_from": ["pictures"]}
    blended.with_suffix(".json").write_text(json.dumps(facts))  # of another maker
    assert taught_before(blended) == (UNTOLD,)
    assert not clear(UNTOLD)
