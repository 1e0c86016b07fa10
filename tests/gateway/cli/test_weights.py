"""``gateway promote``: weights are put in force and taken back, and the audit chain has the one as the other. ``gateway
try`` looks with those in force, on the engine of the settings, from the time that the film is of.
"""

from __future__ import annotations

import hashlib
import json
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from detectors import networks
from detectors.card_file import load_card
from detectors.engine import EngineName
from detectors.networks import checked_files
from detectors.observation import Look
from detectors.refusals import WeightsRefused
from detectors.rules.replay import to_line
from detectors.rules.schedule import CITY_TIME
from detectors.weights import weights_of
from gateway.cli.main import app
from gateway.settings import InferenceSettings
from gateway.storage.ids import new_id
from gateway.streams.recordings import recording_name
from gateway.workers.inference.promotion import card_in_force, promotion
from gateway.workers.trial import command
from gateway.workers.trial.trial import Trial
from models import shipped

pytestmark = pytest.mark.integration


def test_weights_that_are_taken_back_are_called_so_in_the_audit_chain(
    tmp_path: Path, shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("GATEWAY_DATA_FOLDER", str(data))
    monkeypatch.chdir(tmp_path)
    for words, card in (([str(shadow_card)], shadow_card), (["--back"], shipped.CARD)):
        done = CliRunner().invoke(app, ["promote", *words])
        assert done.exit_code == 0, done.output
        assert load_card(card).sha256 in done.output, "which ones are in force then"
    refused = CliRunner().invoke(app, ["promote", "--back"])
    assert refused.exit_code != 0

    [database] = data.glob("*.db")
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        told = connection.execute(text("SELECT what, target FROM audit WHERE what LIKE 'weights.%' ORDER BY seq")).all()
    engine.dispose()
    new = load_card(shadow_card).sha256
    assert [tuple(one) for one in told] == [
        ("weights.promote", f"weights:{new}"),
        ("weights.withdraw", "weights:promoted"),
    ]


def test_what_is_put_in_force_is_what_was_opened_though_the_files_are_exchanged_meanwhile(
    tmp_path: Path, shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were opened where they came from, and copied then: what was copied nobody had seen to answer."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("GATEWAY_DATA_FOLDER", str(data))
    monkeypatch.chdir(tmp_path)
    answered: list[str] = []

    def opens(_engine: str, card: Path, _threads: int) -> SimpleNamespace:
        answered.append(hashlib.sha256(weights_of(load_card(card), card).read_bytes()).hexdigest())
        opened = SimpleNamespace(detector=SimpleNamespace(card=load_card(card)))
        others = shadow_card.with_suffix(".onnx").read_bytes() + b"\x32\x05other"
        shadow_card.with_suffix(".onnx").write_bytes(others)
        facts = json.loads(shadow_card.read_text()) | {"sha256": hashlib.sha256(others).hexdigest()}
        shadow_card.write_text(json.dumps(facts))
        return opened

    monkeypatch.setattr(networks, "open_networks", opens)
    done = CliRunner().invoke(app, ["promote", str(shadow_card)])
    assert done.exit_code == 0, done.output
    card, (weights,) = checked_files(data / "models" / "promoted.1" / "weights.json")
    assert [hashlib.sha256(weights.read_bytes()).hexdigest()] == [card.sha256] == answered
    assert card.sha256 in done.output


def test_weights_that_do_not_answer_are_not_put_in_force_and_keep_nobody_from_promoting(
    tmp_path: Path, shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("GATEWAY_DATA_FOLDER", str(data))
    monkeypatch.chdir(tmp_path)

    def fails(*_: object) -> None:
        raise WeightsRefused("weights_answer_nothing_usable", "输出无效", "it answers with nothing usable")

    monkeypatch.setattr(networks, "open_networks", fails)
    done = CliRunner().invoke(app, ["promote", str(shadow_card)])
    assert (done.exit_code != 0, "weights_answer_nothing_usable" in done.output) == (True, True), done.output
    promotion(shadow_card, data).drop()
    assert [path.name for path in (data / "models").iterdir()] == ["promotion.lock"]


@pytest.mark.parametrize("amiss", ["damaged", "unopened"])
def test_weights_from_before_that_are_amiss_or_do_not_open_are_not_gone_back_to(
    tmp_path: Path, shadow_card: Path, monkeypatch: pytest.MonkeyPatch, amiss: str
) -> None:
    """The engine would not start again over them, and nobody would hear of a fire."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("GATEWAY_DATA_FOLDER", str(data))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert CliRunner().invoke(app, ["promote", str(shadow_card)]).exit_code == 0
    before = data / "models" / "promoted.1" / "weights.json"
    opens = networks.open_networks

    def fails(engine: EngineName, card: Path, threads: int) -> networks.Networks:
        if amiss == "unopened" and card == before:
            raise WeightsRefused("weights_unusable", "模型权重无法加载", "they cannot be loaded")
        return opens(engine, card, threads)

    monkeypatch.setattr(networks, "open_networks", fails)
    if amiss == "damaged":
        weights = weights_of(load_card(before), before)
        weights.write_bytes(weights.read_bytes()[:-1])
    refused = CliRunner().invoke(app, ["promote", "--back"])
    reason = {"damaged": "weights_damaged", "unopened": "weights_unusable"}[amiss]
    assert (refused.exit_code != 0, reason in refused.output) == (True, True), refused.output
    assert card_in_force(data, InferenceSettings()) == data / "models" / "promoted.2" / "weights.json"
    [database] = data.glob("*.db")
    engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        told = connection.scalar(text("SELECT count(*) FROM audit WHERE what LIKE 'weights.withdraw%'"))
    engine.dispose()
    assert told == 0
    done = CliRunner().invoke(app, ["promote", str(shipped.CARD)])
    assert done.exit_code == 0, "and others can be put in force"


def test_rules_are_tried_with_the_weights_in_force_on_the_engine_of_the_settings(
    tmp_path: Path, shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promoted weights watched the cameras, and rules were tried with the shipped ones: two answers for one film."""
    opened: list[tuple[str, Path]] = []

    def remember(engine: str, card: Path) -> None:
        opened.append((engine, card))
        raise WeightsRefused("stop", "到此为止", "this far")

    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("GATEWAY_DATA_FOLDER", str(data))
    monkeypatch.setenv("GATEWAY_INFERENCE__ENGINE", "onnxruntime")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "opened", remember)
    (tmp_path / "film.mp4").touch()
    for words in (["try", "film.mp4"], ["promote", str(shadow_card)], ["try", "film.mp4"]):
        CliRunner().invoke(app, words)
    assert opened == [("onnxruntime", shipped.CARD), ("onnxruntime", data / "models" / "promoted.1" / "weights.json")]


@pytest.mark.parametrize(
    ("words", "begun"),
    [([], 1_796_000_000.0), (["--begins", "2026-11-27 23:30"], 1_795_793_400.0), ([], None)],
)
def test_a_film_is_tried_at_the_time_it_is_of_or_that_the_asker_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], begun: float | None
) -> None:
    """Every film began at eight in the morning of 1970: rules of the night were outside their hours."""
    tried: list[float] = []

    async def remember(*_what: object, starts_at: float, **_how: object) -> Trial:
        tried.append(starts_at)
        return Trial(starts_at)

    monkeypatch.setenv("GATEWAY_DATA_FOLDER", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "opened", lambda *_: (SimpleNamespace(card=None), None))
    monkeypatch.setattr(command, "try_rules", remember)
    recording = recording_name(1_796_000_000, 1_796_000_060, new_id(), partial=True)
    film = tmp_path / ("film.mp4" if begun is None else recording)
    film.touch()
    done = CliRunner().invoke(app, ["try", str(film), *words])
    assert done.exit_code == 0, done.output
    assert tried == [pytest.approx(time.time(), abs=60) if begun is None else begun]


@pytest.mark.parametrize(("words", "view"), [([], "4"), (["--preset", "3"], "3")])
def test_rules_are_tried_on_what_was_seen_in_the_view_that_the_camera_had_last_or_that_the_asker_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], view: str
) -> None:
    """Rules of one view were tried on what was seen in all."""
    log = tmp_path / "99000000001320000001.jsonl"
    lines = [to_line(Look(n * 2.0, ()), view="3" if n < 6 else "4") for n in range(10)]
    log.write_text("\n".join(lines))
    monkeypatch.setenv("GATEWAY_DATA_FOLDER", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["try", str(log), "--json", *words])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["looks"], told["other_view_seconds"]) == {"3": (6, 6.0), "4": (4, 12.0)}[view]
    said = CliRunner().invoke(app, ["try", str(log), *words]).stdout
    assert f"规则所属视角 the rules are for 预置位 preset {view}" in said


@pytest.mark.parametrize(
    ("words", "looks"), [([], 289), (["--hours", "1"], 13), (["--begins", "2026-11-26 22:00", "--hours", "8"], 97)]
)
def test_of_what_was_seen_the_newest_day_is_tried_or_the_hours_that_the_asker_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], looks: int
) -> None:
    """A trial began with the oldest look, and could end before it came to last night."""
    log, begun = tmp_path / "99000000001320000001.jsonl", datetime(2026, 11, 26, tzinfo=CITY_TIME).timestamp()
    log.write_text("\n".join(to_line(Look(begun + n * 300.0, ())) for n in range(576)))
    monkeypatch.setenv("GATEWAY_DATA_FOLDER", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["try", str(log), "--json", *words])
    assert done.exit_code == 0, done.output
    assert (json.loads(done.stdout)["looks"], json.loads(done.stdout)["log_from"]) == (looks, begun)


@pytest.mark.parametrize(("words", "why"), [(["--hours", "2"], "最多试前 4 小时"), (["--preset", "3"], "录像不分视角")])
def test_hours_and_the_preset_of_a_film_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.mp4").touch()
    done = CliRunner().invoke(app, ["try", "film.mp4", *words])
    assert done.exit_code == 1
    assert why in done.output
