"""A card that is made anew stays as it is until all of it is measured, and is then replaced at once."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import models.cues
import models.density
import models.export
import models.judge
from detectors.refusals import WeightsRefused
from models import release, shipped
from models.cli.main import app
from models.cli.options import network_beside
from models.draft import drafted, write_whole

ENDED = 130
"""By SIGINT, as a shell says it."""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """The shipped card, its page and its files, in a folder of their own."""
    folder = tmp_path / "weights"
    shutil.copytree(shipped.CARD.parent, folder)
    return folder / shipped.CARD.name


def lying(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(*words: object) -> int:
    return CliRunner().invoke(app, [str(word) for word in words]).exit_code


def test_what_was_made_takes_its_place_at_the_end_the_card_last_and_what_was_removed_goes(
    card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, order = lying(card.parent), list[str]()
    replace = Path.replace

    def noted(path: Path, to: Path) -> Path:
        order.append(to.name)
        return replace(path, to)

    monkeypatch.setattr(Path, "replace", noted)
    with drafted(card) as draft:
        assert lying(draft.parent) == before
        draft.write_text("{}")
        draft.with_suffix(".md").write_text("its page")
        draft.with_name("second_look.onnx").write_bytes(b"another judge")
        draft.with_name("new.onnx").write_bytes(b"a new network")
        draft.with_name("hazard_n.int8.onnx").unlink()
        assert lying(card.parent) == before
    made = {"second_look.onnx": b"another judge", "new.onnx": b"a new network", "hazard_n.md": b"its page"}
    after = before | made | {card.name: b"{}"}
    del after["hazard_n.int8.onnx"]
    assert lying(card.parent) == after
    assert (set(order[:2]), order[2:]) == ({"new.onnx", "second_look.onnx"}, ["hazard_n.md", card.name])


def test_a_disk_that_is_full_leaves_the_card_and_its_files_as_they_were(
    card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, opened = lying(card.parent), Path.open

    def full(path: Path, mode: str = "r", *more: Any, **how: Any) -> Any:
        if path.name == f".{card.name}.new":
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, mode, *more, **how)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"), drafted(card) as draft:
        draft.write_text("{}")
        draft.with_name("second_look.onnx").write_bytes(b"another judge")
    assert lying(card.parent) == before


def test_a_card_that_is_yet_to_be_made_is_drafted_in_an_empty_folder_and_one_that_is_none_not_at_all(
    tmp_path: Path,
) -> None:
    with drafted(tmp_path / "new" / "hazard_2.json") as draft:
        assert lying(draft.parent) == {}
        draft.write_text("{}")
    assert lying(tmp_path / "new") == {"hazard_2.json": b"{}"}
    with pytest.raises(WeightsRefused, match="card_invalid"), drafted(tmp_path / "new" / "hazard_2.json"):
        pass


def test_what_is_so_already_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"one")
    (tmp_path / "one").chmod(0o444)
    was = (tmp_path / "one").stat()
    write_whole({tmp_path / "one": b"one", tmp_path / "two": b"two"})
    assert ((tmp_path / "one").stat().st_ino, lying(tmp_path)) == (was.st_ino, {"one": b"one", "two": b"two"})


def interrupted(*about: Any, **_how: Any) -> None:
    """As far as it came it has written the card, and the network that the card is to name."""
    for one in about:
        if isinstance(one, Path) and one.suffix in (".json", ".onnx") and one.parent.is_dir():
            one.write_bytes(b"{}")
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("words", "of", "name"),
    [
        (["precision"], release, "choose_precision"),
        (["thresholds"], release, "choose_thresholds"),
        (["augment"], release, "choose_augmented"),
        (["compare"], release, "compare"),
        (["density", "--to"], models.density, "make_density"),
        (["judge", "--to"], models.judge, "make_judge"),
        (["judge", "--keep"], release, "settle_judged"),
        (["cues", "--to"], models.cues, "make_cues"),
    ],
)
def test_a_command_that_is_ended_while_it_measures_leaves_the_card_and_its_networks_as_they_were(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], of: object, name: str
) -> None:
    """The card was left with thresholds of one time and figures of another, and nothing said so."""
    before = lying(card.parent)
    monkeypatch.setattr(of, name, interrupted)
    to = [card.with_name("made.onnx")] if "--to" in words else []
    if words == ["compare"]:
        to = [shutil.copytree(card.parent, tmp_path / "licensed") / card.name]
    assert run(*words, *to, "--card", card, "--sample-data", card.parent) == ENDED
    assert lying(card.parent) == before


def test_an_export_that_is_ended_while_it_measures_leaves_the_weights_before_in_their_place(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lying(card.parent)
    (tmp_path / "recipe.json").write_text("{}")
    (tmp_path / "licences.json").write_text(json.dumps({"licences": {"train": {"unknown": 1}}}))
    monkeypatch.setattr(models.export, "export_onnx", lambda _last, to, **_how: to.write_bytes(b"exported"))
    monkeypatch.setattr(release, "release", interrupted)
    assert run("export", "--to", card.with_suffix(".onnx"), "--out", tmp_path, "--sample-data", tmp_path) == ENDED
    assert lying(card.parent) == before


def test_figures_that_are_not_measured_to_the_end_leave_the_thresholds_before(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = json.loads(card.read_text())
    alone = {name: value for name, value in facts.items() if name not in ("density", "judge", "cues", "quantised")}
    card.write_text(json.dumps(alone))
    (tmp_path / "fire" / "images").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "fire" / "images" / "one.png"), np.zeros((64, 64, 3), np.uint8))
    before, words = lying(card.parent), ["thresholds", "--card", card, "--sample-data", tmp_path]
    with monkeypatch.context() as ended:
        ended.setattr(release, "figures", interrupted)
        assert run(*words) == ENDED
    assert lying(card.parent) == before
    assert run(*words) == 0
    after = json.loads(card.read_text())
    assert after["thresholds"] != facts["thresholds"], "chosen of no picture at all"
    assert after["figures_on_test"]["fire_picture_recall"] is None
    assert f"| fire | {after['thresholds']['fire']} |" in card.with_suffix(".md").read_text()


@pytest.mark.parametrize("command", ["density", "judge", "cues"])
def test_a_network_that_would_not_lie_beside_the_card_that_names_it_is_refused(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """It was made, and the card then named what was not there."""
    words = [command, "--card", card, "--sample-data", tmp_path, "--to", tmp_path / "elsewhere.onnx"]
    ended = CliRunner().invoke(app, [str(word) for word in words])
    assert ended.exit_code == 2
    assert "--to" in ended.output
    assert not (tmp_path / "elsewhere.onnx").exists()
    assert network_beside(card, None, "usual.onnx") == "usual.onnx"
    assert network_beside(card, card.parent / "other.onnx", "usual.onnx") == "other.onnx"


def test_an_average_that_is_cut_off_leaves_the_weights_before(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, to = card.with_suffix(".onnx"), card.with_name("average.onnx")
    to.write_bytes(b"an earlier one")
    write: Callable[..., Any] = Path.write_bytes

    def cut(path: Path, data: bytes) -> int:
        write(path, data[:1000])
        raise KeyboardInterrupt

    def not_named(_path: Path, _to: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", cut)
    monkeypatch.setattr(Path, "replace", not_named)
    assert run("blend", weights, weights, to) == ENDED
    assert to.read_bytes() == b"an earlier one"
