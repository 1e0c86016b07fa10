"""Weights put in force by a person: whole or not at all, whatever cuts it off, and taken back alike."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import IO, Any

import onnx
import pytest
from structlog.testing import capture_logs

from detectors.card_file import load_card
from detectors.engine import EngineName
from detectors.networks import checked_files
from detectors.refusals import WeightsRefused
from gateway.refusals import Refusal
from gateway.settings import InferenceSettings
from gateway.workers.inference.promotion import card_in_force, promotion, withdrawal
from models import shipped


def promote(card: Path, data: Path, engine: EngineName = "auto") -> None:
    change = promotion(card, data, engine)
    try:
        change.make()
    finally:
        change.drop()


def withdraw(data: Path) -> bool:
    change = withdrawal(data)
    if change is not None:
        try:
            change.make()
        finally:
            change.drop()
    return change is not None


@pytest.fixture
def new_weights(tmp_path: Path) -> Path:
    folder = tmp_path / "new"
    folder.mkdir()
    facts = json.loads(shipped.CARD.read_text()) | {"name": "newer"}
    facts = {name: value for name, value in facts.items() if name not in ("density", "judge", "cues", "quantised")}
    (folder / "newer.json").write_text(json.dumps(facts))
    (folder / "newer.onnx").write_bytes(shipped.WEIGHTS.read_bytes())
    return folder / "newer.json"


def test_the_shipped_weights_are_those_that_the_commands_which_make_them_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their path was spelled twice: named otherwise in one place, weights were made that nothing looked with."""
    monkeypatch.setattr(shipped, "CARD", tmp_path / "hazard_s.json")
    assert card_in_force(tmp_path / "data", InferenceSettings()) == tmp_path / "hazard_s.json"


def test_promoted_weights_are_in_force_until_they_are_withdrawn(tmp_path: Path, new_weights: Path) -> None:
    data, settings = tmp_path / "data", InferenceSettings()
    assert card_in_force(data, settings) == shipped.CARD
    promote(new_weights, data)
    assert load_card(card_in_force(data, settings)).name == "newer"
    assert card_in_force(data, settings).is_relative_to(data)
    assert card_in_force(data, InferenceSettings(weights=new_weights)) == new_weights
    assert withdraw(data)
    assert card_in_force(data, settings) == shipped.CARD
    assert not withdraw(data)


def test_a_torch_file_is_promoted_under_its_own_name_and_only_for_an_engine_that_runs_it(
    tmp_path: Path, new_weights: Path
) -> None:
    new_weights.with_suffix(".onnx").rename(new_weights.with_suffix(".pt"))
    new_weights.write_text(json.dumps(json.loads(new_weights.read_text()) | {"weights": "newer.pt"}))
    with pytest.raises(WeightsRefused, match="engine_unfit"):
        promote(new_weights, tmp_path / "data", "openvino")
    assert card_in_force(tmp_path / "data", InferenceSettings()) == shipped.CARD
    promote(new_weights, tmp_path / "data", "ultralytics")
    (weights,) = checked_files(card_in_force(tmp_path / "data", InferenceSettings()))[1]
    assert weights.read_bytes() == new_weights.with_suffix(".pt").read_bytes()


def test_weights_that_do_not_fit_their_card_are_not_promoted(tmp_path: Path, new_weights: Path) -> None:
    promote(new_weights, tmp_path / "data")
    weights = new_weights.with_suffix(".onnx")
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(WeightsRefused):
        promote(new_weights, tmp_path / "data")
    assert card_in_force(tmp_path / "data", InferenceSettings()).is_file()


@pytest.mark.parametrize("kind", ["density", "judge", "cues", "quantised"])
@pytest.mark.parametrize("amiss", ["missing", "exchanged"])
def test_weights_whose_card_names_another_network_are_promoted_with_it_and_not_without(
    tmp_path: Path, new_weights: Path, kind: str, amiss: str
) -> None:
    beside = new_weights.with_name("beside.onnx")
    beside.write_bytes(b"another network")
    named = {"weights": beside.name, "sha256": hashlib.sha256(b"another network").hexdigest(), "labels": ["fire"]}
    named |= {"from_people": 5, "smaller_than": 0.4, "longest_side": 1024, "accuracy_lost": {"fire": 0.0}}
    named |= {"classes": ["goods"], "thresholds": {"goods": 0.5}, "input_size": [64, 64]}
    new_weights.write_text(json.dumps(json.loads(new_weights.read_text()) | {kind: named}))
    promote(new_weights, tmp_path / "data")
    in_force = card_in_force(tmp_path / "data", InferenceSettings())
    assert in_force.with_name(beside.name).read_bytes() == b"another network"
    before = in_force.read_bytes()
    if amiss == "missing":
        beside.unlink()
    else:
        beside.write_bytes(b"exchanged")
    with pytest.raises(WeightsRefused, match="weights_missing" if amiss == "missing" else "weights_damaged"):
        promote(new_weights, tmp_path / "data")
    assert card_in_force(tmp_path / "data", InferenceSettings()).read_bytes() == before


def test_weights_of_which_another_file_would_take_the_place_are_not_promoted(tmp_path: Path, new_weights: Path) -> None:
    """In force the detector's file is called weights.onnx: a judge of that name once lay there instead."""
    promote(new_weights, tmp_path / "data")
    before = card_in_force(tmp_path / "data", InferenceSettings()).read_bytes()
    new_weights.with_name("weights.onnx").write_bytes(b"a judge")
    named = {"weights": "weights.onnx", "sha256": hashlib.sha256(b"a judge").hexdigest(), "labels": ["fire"]}
    new_weights.write_text(json.dumps(json.loads(new_weights.read_text()) | {"judge": named}))
    with pytest.raises(WeightsRefused, match="weights_damaged"):
        promote(new_weights, tmp_path / "data")
    in_force = card_in_force(tmp_path / "data", InferenceSettings())
    assert in_force.read_bytes() == before
    assert checked_files(in_force)


def test_weights_that_are_exchanged_while_they_are_copied_are_checked_as_they_are_then(
    tmp_path: Path, new_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in force were checked for what they cannot tell, and then others were copied: rules fell silent."""
    network = onnx.load(str(shipped.WEIGHTS))
    del network.metadata_props[:]  # which name its classes
    others = network.SerializeToString()
    facts = json.loads(new_weights.read_text()) | {"sha256": hashlib.sha256(others).hexdigest()}
    facts |= {"classes": ["fire"], "thresholds": {"fire": 0.5}}
    copyfile = shutil.copyfile

    def exchanged(file: Path, to: Path) -> None:
        new_weights.write_text(json.dumps(facts))
        new_weights.with_suffix(".onnx").write_bytes(others)
        copyfile(file, to)

    with monkeypatch.context() as race:
        race.setattr(shutil, "copyfile", exchanged)
        with pytest.raises(WeightsRefused, match="weights_see_less"):
            promotion(new_weights, tmp_path / "data")
    assert card_in_force(tmp_path / "data", InferenceSettings()) == shipped.CARD


@pytest.mark.parametrize("amiss", ["cut short", "gone"])
def test_others_can_be_put_in_force_in_the_place_of_a_card_that_cannot_be_read(
    tmp_path: Path, new_weights: Path, amiss: str
) -> None:
    """With those before as damaged, the service never started again: neither way led to weights that are whole."""
    data = tmp_path / "data"
    for _ in range(2):
        promote(new_weights, data)
    for number in (1, 2):
        card = data / "models" / f"promoted.{number}" / "weights.json"
        if amiss == "gone":
            card.unlink()
        else:
            card.write_bytes(card.read_bytes()[:100])
    with capture_logs() as logs:
        promote(shipped.CARD, data)
    in_force = card_in_force(data, InferenceSettings())
    assert load_card(in_force).card_sha256 == load_card(shipped.CARD).card_sha256
    assert [one["reason"] for one in logs] == [{"gone": "card_missing", "cut short": "card_invalid"}[amiss]]


@pytest.mark.parametrize("step", ["copyfile", "mkdir", "rename"])
def test_a_disk_that_takes_no_weights_is_told_and_leaves_in_force_what_was_and_nothing_behind(
    tmp_path: Path, new_weights: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    data = tmp_path / "data"
    promote(new_weights, data)
    in_force = card_in_force(data, InferenceSettings())
    before = in_force.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    rename = Path.rename

    def takes_no_new_one(path: Path, target: Path) -> Path:
        if path.name == "promoted.new":
            full()
        return rename(path, target)

    fault = {"copyfile": (shutil, full), "mkdir": (Path, full), "rename": (Path, takes_no_new_one)}[step]
    with monkeypatch.context() as disk:
        disk.setattr(fault[0], step, fault[1])
        with pytest.raises(Refusal, match="promotion_not_written") as refused:
            promote(new_weights, data)
    assert "No space left on device" in refused.value.zh
    assert card_in_force(data, InferenceSettings()) == in_force
    assert in_force.read_bytes() == before
    assert not in_force.parent.with_suffix(".new").exists()
    promote(new_weights, data)
    assert card_in_force(data, InferenceSettings()) != in_force


@pytest.mark.parametrize("promotions", [1, 2])
def test_weights_that_cannot_be_taken_back_stay_in_force(
    tmp_path: Path, new_weights: Path, monkeypatch: pytest.MonkeyPatch, promotions: int
) -> None:
    data = tmp_path / "data"
    for _ in range(promotions):
        promote(new_weights, data)
    in_force = card_in_force(data, InferenceSettings())
    rename = Path.rename

    def read_only(path: Path, target: Path) -> Path:
        if path == in_force.parent:
            raise OSError(errno.EROFS, "Read-only file system")
        return rename(path, target)

    with monkeypatch.context() as disk:
        disk.setattr(Path, "rename", read_only)
        with pytest.raises(Refusal, match="promotion_not_written"):
            withdraw(data)
    assert card_in_force(data, InferenceSettings()) == in_force
    assert in_force.is_file()
    assert withdraw(data)


def test_weights_are_taken_back_though_a_full_disk_takes_no_note_of_it(
    tmp_path: Path, new_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needed but a rename was refused: bad weights stayed in force for as long as the disk was full."""
    data = tmp_path / "data"
    promote(new_weights, data)
    fault = errno.EROFS

    def takes_nothing(_note: object, file: IO[str], **_how: object) -> None:
        file.write("half of")
        raise OSError(fault, os.strerror(fault))

    act, at = {"who": "leader"}, datetime(2026, 3, 4, tzinfo=UTC)
    monkeypatch.setattr("gateway.workers.inference.change_note.json.dump", takes_nothing)
    back = withdrawal(data)
    assert back is not None
    with pytest.raises(Refusal, match="promotion_not_written"):  # a disk that takes no rename either
        back.note(act, at)
    fault = errno.ENOSPC
    with capture_logs() as logs:
        back.note(act, at)
    assert [(one["event"], one["log_level"]) for one in logs] == [("weights_change_not_noted", "warning")]
    back.make()
    assert card_in_force(data, InferenceSettings()) == shipped.CARD
    forth = promotion(new_weights, data)
    with pytest.raises(Refusal, match="promotion_not_written"):
        forth.note(act, at)
    forth.drop()
    assert [one.name for one in (data / "models").iterdir()] == ["promotion.lock"], "no half note"


class Killed(BaseException):
    """The process is no more: nothing is tidied up after it."""


class Disk:
    """Takes so many steps and no more; of a file that was being copied then there is half."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
        self.left = steps
        for of, name in ((shutil, "copyfile"), (shutil, "rmtree"), (Path, "rename"), (Path, "mkdir")):
            monkeypatch.setattr(of, name, self._counted(getattr(of, name), cut=name == "copyfile"))

    def _counted(self, step: Callable[..., Any], *, cut: bool) -> Callable[..., Any]:
        def taken(*args: Any, **how: Any) -> Any:
            if self.left == 0 and cut:
                step(*args, **how)
                args[1].write_bytes(args[1].read_bytes()[:-10])
            if self.left == 0:
                raise Killed
            self.left -= 1
            return step(*args, **how)

        return taken


def named(new_weights: Path, name: str) -> Path:
    new_weights.write_text(json.dumps(json.loads(new_weights.read_text()) | {"name": name}))
    return new_weights


def name_in_force(data: Path) -> str:
    """The name of the weights in force, all whose files are there."""
    card, _ = checked_files(card_in_force(data, InferenceSettings()))
    return card.name


SHIPPED = load_card(shipped.CARD).name


@pytest.mark.parametrize("before", [[], ["one"], ["one", "two"]])
def test_killed_at_any_step_of_a_promotion_those_before_or_those_after_are_in_force(
    tmp_path: Path, new_weights: Path, monkeypatch: pytest.MonkeyPatch, before: list[str]
) -> None:
    """Between two renames there were none, and the next start took the shipped ones without a word."""
    seen = set()
    for steps in count():
        data = tmp_path / f"data{steps}"
        for name in before:
            promote(named(new_weights, name), data)
        with monkeypatch.context() as patched:
            disk = Disk(patched, steps)
            try:
                promote(named(new_weights, "new"), data)
            except Killed:
                disk.left = 0
        seen.add(now := name_in_force(data))
        back = [SHIPPED, *before]
        assert now in ("new", back[-1])
        promote(named(new_weights, "another"), data)
        assert name_in_force(data) == "another"
        assert withdraw(data)
        assert name_in_force(data) == now
        if disk.left:
            break
    assert seen == {"new", back[-1]}


@pytest.mark.parametrize("before", [["one"], ["one", "two"]])
def test_killed_at_any_step_of_a_withdrawal_those_before_or_those_after_are_in_force(
    tmp_path: Path, new_weights: Path, monkeypatch: pytest.MonkeyPatch, before: list[str]
) -> None:
    seen = set()
    for steps in count():
        data = tmp_path / f"data{steps}"
        for name in before:
            promote(named(new_weights, name), data)
        with monkeypatch.context() as patched:
            disk = Disk(patched, steps)
            try:
                withdraw(data)
            except Killed:
                disk.left = 0
        seen.add(now := name_in_force(data))
        promote(named(new_weights, "another"), data)
        assert withdraw(data)
        assert name_in_force(data) == now
        if disk.left:
            break
    assert seen == {before[-1], [SHIPPED, *before][-2]}


def test_of_two_who_change_what_is_in_force_at_a_time_the_second_is_refused(tmp_path: Path, new_weights: Path) -> None:
    """Both wrote into one folder, and what one put in force the other was still copying."""
    data = tmp_path / "data"
    promote(named(new_weights, "one"), data)
    first = promotion(named(new_weights, "two"), data)
    for second in (lambda: promotion(new_weights, data), lambda: withdrawal(data)):
        with pytest.raises(Refusal, match="promotion_running"):
            second()
    first.make()
    assert name_in_force(data) == "two"
    promotion(named(new_weights, "three"), data).drop()
    assert name_in_force(data) == "two"
    assert sorted(path.name for path in (data / "models").iterdir()) == ["promoted.1", "promoted.2", "promotion.lock"]


def test_the_last_promotion_and_the_one_before_it_are_kept(tmp_path: Path, new_weights: Path) -> None:
    data = tmp_path / "data"
    for name in ("one", "two", "three"):
        promote(named(new_weights, name), data)
    assert [name_in_force(data), withdraw(data), name_in_force(data), withdraw(data)] == ["three", True, "two", True]
    assert (name_in_force(data), withdraw(data)) == (SHIPPED, False)


def test_what_was_promoted_before_promotions_had_numbers_stays_in_force_even_where_it_was_cut_off(
    tmp_path: Path, new_weights: Path
) -> None:
    models = tmp_path / "data" / "models"
    for name, of in (("promoted.old", "one"), ("promoted", "two"), ("promoted.new", "half")):
        (models / name).mkdir(parents=True)
        shutil.copyfile(named(new_weights, of), models / name / "weights.json")
        shutil.copyfile(new_weights.with_suffix(".onnx"), models / name / "weights.onnx")
    assert name_in_force(tmp_path / "data") == "two"
    shutil.rmtree(models / "promoted")  # killed here
    assert name_in_force(tmp_path / "data") == "one"
    promote(named(new_weights, "three"), tmp_path / "data")
    assert name_in_force(tmp_path / "data") == "three"
    assert withdraw(tmp_path / "data")
    assert name_in_force(tmp_path / "data") == "one"
