"""Killed over a change of the weights: the audit chain and what is in force agree from the next start on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from gateway.access import audit
from gateway.api.weights_desk import make_change
from gateway.settings import InferenceSettings
from gateway.storage.database import Database
from gateway.storage.tables.access import AuditRow
from gateway.workers.control.service import settle_weights
from gateway.workers.inference.promotion import Change, Turn, card_in_force, promotion, withdrawal

PROMOTE = audit.Act("leader", "weights.promote", "weights:ab", "hub")
WITHDRAW = audit.Act("leader", "weights.withdraw", "weights:ab", "hub")


class Killed(BaseException):
    """The process is no more: nothing is tidied up or told after it."""


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def prepared(what: audit.Act, card: Path, data: Path) -> Change:
    change = promotion(card, data) if what is PROMOTE else withdrawal(data)
    assert change is not None
    return change


async def killed_over(change: Change, act: audit.Act, db: Database, clock: Clock) -> None:
    with pytest.raises(Killed):
        await make_change(db, change, act, clock)
    change._held.close()  # as the kernel lets the lock go


async def told(db: Database) -> list[tuple[str, str]]:
    async with db.reading() as session:
        rows = await session.execute(select(AuditRow.what, AuditRow.why).order_by(AuditRow.seq))
        return [(what, why) for what, why in rows]


def in_force(data: Path) -> str:
    return card_in_force(data, InferenceSettings()).parent.name


@pytest.mark.parametrize("act", [PROMOTE, WITHDRAW], ids=["promote", "withdraw"])
async def test_a_change_cut_off_after_the_chain_was_told_and_before_it_was_made_is_told_as_not_made(
    tmp_path: Path, shadow_card: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, act: audit.Act
) -> None:
    """The chain said for ever that somebody had put weights in force that never were."""
    data, db, clock = tmp_path / "data", sqlite_database, Clock()
    await make_change(db, promotion(shadow_card, data), PROMOTE, clock)
    before = in_force(data)

    def killed(_change: Change) -> None:
        raise Killed

    with monkeypatch.context() as kill:
        kill.setattr(Change, "make", killed)
        await killed_over(prepared(act, shadow_card, data), act, db, clock)
    assert (in_force(data), (await told(db))[-1]) == (before, (act.what, ""))

    for _ in range(2):  # starts
        with capture_logs() as logs:
            await settle_weights(db, data, clock)
    said = [one for one in logs if one["event"] == "weights_change_cut_off"]
    assert not said, "it is told once"
    assert (in_force(data), await told(db)) == (
        before,
        [("weights.promote", ""), (act.what, ""), (f"{act.what}_failed", "cut_off")],
    )
    async with db.reading() as session:
        assert (await audit.verify(session)).holds
    await make_change(db, prepared(act, shadow_card, data), act, clock)
    assert in_force(data) != before
    assert (await told(db))[3:] == [(act.what, "")]


async def test_the_next_change_tells_it_where_the_service_was_not_started_in_between(
    tmp_path: Path, shadow_card: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, db, clock = tmp_path / "data", sqlite_database, Clock()

    def killed(_change: Change) -> None:
        raise Killed

    with monkeypatch.context() as kill:
        kill.setattr(Change, "make", killed)
        await killed_over(promotion(shadow_card, data), PROMOTE, db, clock)
    with capture_logs() as logs:
        await make_change(db, promotion(shadow_card, data), PROMOTE, clock)
    [said] = [one for one in logs if one["event"] == "weights_change_cut_off"]
    assert (said["reason"], said["target"]) == ("cut_off", "weights:ab")
    assert [what for what, _ in await told(db)] == ["weights.promote", "weights.promote_failed", "weights.promote"]
    assert in_force(data) == "promoted.1"


@pytest.mark.parametrize("act", [PROMOTE, WITHDRAW], ids=["promote", "withdraw"])
async def test_a_change_that_was_made_before_its_process_was_killed_is_not_told_as_failed(
    tmp_path: Path, shadow_card: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, act: audit.Act
) -> None:
    data, db, clock = tmp_path / "data", sqlite_database, Clock()
    await make_change(db, promotion(shadow_card, data), PROMOTE, clock)

    def killed(_turn: Turn) -> None:
        raise Killed

    change = prepared(act, shadow_card, data)
    with monkeypatch.context() as kill:
        kill.setattr(Turn, "settled", killed)
        await killed_over(change, act, db, clock)
    after = in_force(data)
    await settle_weights(db, data, clock)
    assert in_force(data) == after != "promoted.1"
    assert [what for what, _ in await told(db)] == ["weights.promote", act.what]


async def test_a_change_that_the_chain_never_had_is_not_told_as_failed(
    tmp_path: Path, shadow_card: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is an earlier one by the same hand, of the same weights."""
    data, db, clock = tmp_path / "data", sqlite_database, Clock()
    await make_change(db, promotion(shadow_card, data), PROMOTE, clock)

    async def killed(*_: object) -> int:
        raise Killed

    change = promotion(shadow_card, data)
    with monkeypatch.context() as kill:
        kill.setattr(audit, "append", killed)
        with pytest.raises(Killed):
            await make_change(db, change, PROMOTE, clock)
    assert change.noted() is not None
    await settle_weights(db, data, clock)
    assert change.noted() is None
    assert (in_force(data), await told(db)) == ("promoted.1", [("weights.promote", "")])


async def test_a_note_of_a_change_that_cannot_be_read_keeps_no_service_from_starting(
    tmp_path: Path, shadow_card: Path, sqlite_database: Database
) -> None:
    data, db, clock = tmp_path / "data", sqlite_database, Clock()
    (data / "models").mkdir(parents=True)
    (data / "models" / "change.json").write_text('{"act": {}}')
    await settle_weights(db, data, clock)
    await make_change(db, promotion(shadow_card, data), PROMOTE, clock)
    assert await told(db) == [("weights.promote", "")]


async def test_what_another_who_still_lives_has_noted_is_left_to_him(
    tmp_path: Path, shadow_card: Path, sqlite_database: Database
) -> None:
    data, clock = tmp_path / "data", Clock()
    change = promotion(shadow_card, data)
    change.note({"who": "w", "what": "weights.promote", "target": "t", "platform": "hub", "why": ""}, clock())
    await settle_weights(sqlite_database, data, clock)
    assert change.noted() is not None
    change.make()
    assert change.noted() is None
