"""Credentials are random, bounded in number and in time, and one reader's are never another's."""

from __future__ import annotations

import pytest

from gateway.refusals import Refusal
from gateway.streams.lending import Lending


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_each_reader_of_each_stream_has_credentials_of_its_own(clock: Clock) -> None:
    lending = Lending(clock)
    loans = [lending.lend(path, reader, 1060) for path in ("cameras/1", "cameras/2") for reader in ("room", "wall")]
    assert len({loan.username for loan in loans}) == len({loan.password for loan in loans}) == 4
    assert all(len(loan.password) >= 32 for loan in loans)
    assert [lending.of_username(loan.username) for loan in loans] == loans


def test_a_second_loan_replaces_the_first(clock: Clock) -> None:
    lending = Lending(clock)
    first = lending.lend("cameras/1", "room", 1060)
    second = lending.lend("cameras/1", "room", 1200)
    assert lending.of_username(first.username) is None
    assert lending.of_reader("cameras/1", "room") == second
    assert len(lending) == 1


def test_a_loan_ends_at_its_time_or_when_it_is_withdrawn(clock: Clock) -> None:
    lending = Lending(clock)
    loan, other = lending.lend("cameras/1", "room", 1060), lending.lend("cameras/1", "wall", 1061)
    clock.now = 1059.9
    assert lending.of_username(loan.username) == loan
    clock.now = 1060
    assert lending.of_username(loan.username) is None
    assert lending.of_username(other.username) == other
    lending.withdraw("cameras/1", "wall")
    lending.withdraw("cameras/1", "nobody")
    assert lending.of_reader("cameras/1", "wall") is None


def test_their_number_is_bounded_and_expired_ones_make_room(clock: Clock) -> None:
    lending = Lending(clock, most=2)
    lending.lend("cameras/1", "a", 1060)
    lending.lend("cameras/1", "b", 2000)
    with pytest.raises(Refusal) as refused:
        lending.lend("cameras/1", "c", 2000)
    assert (refused.value.kind, refused.value.reason) == ("too_many", "too_many_stream_loans")
    lending.lend("cameras/1", "b", 3000)
    clock.now = 1060
    lending.lend("cameras/1", "c", 2000)
    assert len(lending) == 2


def test_nothing_is_lent_for_the_past(clock: Clock) -> None:
    with pytest.raises(Refusal) as refused:
        Lending(clock).lend("cameras/1", "a", 1000)
    assert (refused.value.reason, refused.value.field) == ("loan_in_the_past", "until")


def test_a_password_does_not_show(clock: Clock) -> None:
    loan = Lending(clock).lend("cameras/1", "a", 1060)
    assert loan.password not in repr(loan)
