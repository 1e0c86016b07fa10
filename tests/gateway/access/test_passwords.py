"""What a good password is, and how it is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.attempts import Attempts
from gateway.access.passwords import KINDS, MIN_LENGTH, Passwords, checked_password, random_password
from gateway.access.roles import ADMINISTRATORS, BUSINESS, checked_roles
from gateway.refusals import Refusal


@pytest.mark.parametrize("password", ["Correct-Horse", "abcdefghij12A", "密码AB12345678!", "UPPER-lower-mix"])
def test_long_and_mixed_is_good(password: str) -> None:
    assert checked_password(password) == password


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("Short-1", "password_length"),
        ("A1-" + "x" * 126, "password_length"),
        ("alllettersonly", "password_too_simple"),
        ("letters12345678", "password_too_simple"),
        ("X-Zhiban1-2030", "password_holds_username"),
    ],
)
def test_short_simple_or_telling_is_refused_without_repeating_it(password: str, reason: str) -> None:
    with pytest.raises(Refusal, match=reason) as refused:
        checked_password(password, "zhiban1")
    assert password not in str(refused.value) + refused.value.zh + refused.value.en


@given(st.text(max_size=40))
@settings(max_examples=200)
def test_what_passes_is_long_and_mixed(password: str) -> None:
    try:
        checked_password(password)
    except Refusal:
        return
    kinds = [str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum()]
    assert len(password) >= MIN_LENGTH
    assert sum(any(kind(c) for c in password) for kind in kinds) >= KINDS


def test_a_random_password_is_good_and_never_the_same() -> None:
    made = {random_password() for _ in range(50)}
    assert len(made) == 50
    assert all(checked_password(password) for password in made)


async def test_a_hash_verifies_its_password_only(passwords: Passwords) -> None:
    kept = await passwords.hash("Correct-Horse-7")
    assert "Correct-Horse-7" not in kept
    assert kept.startswith("$argon2id$")
    assert await passwords.verify(kept, "Correct-Horse-7")
    assert not await passwords.verify(kept, "Correct-Horse-8")
    assert not await passwords.verify(None, "Correct-Horse-7")
    assert not await passwords.verify("damaged", "Correct-Horse-7")


def test_administrators_exclude_each_other_and_the_business() -> None:
    for administrator in ADMINISTRATORS:
        assert checked_roles([administrator]) == (administrator,)
        for other in (ADMINISTRATORS | BUSINESS) - {administrator}:
            with pytest.raises(Refusal, match="roles_exclude_each_other"):
                checked_roles([administrator, other])
    assert checked_roles(["duty_officer", "duty_leader", "duty_officer"]) == ("duty_leader", "duty_officer")


def test_attempts_are_counted_in_a_sliding_window_for_each_key() -> None:
    attempts = Attempts(limit=2, seconds=10)
    assert [attempts.wait("a", t) for t in (0, 1, 2, 9)] == [0, 0, 8, 1]
    assert attempts.wait("b", 2) == 0
    assert attempts.wait("a", 10) == 0
    assert attempts.wait("a", 10.5) == 0.5
    assert attempts.wait("a", 11) == 0


def test_attempts_forget_the_longest_idle_key_and_stay_bounded() -> None:
    attempts = Attempts(limit=1, seconds=100, keys=3)
    for number, key in enumerate("abcd"):
        attempts.wait(key, number)
    assert attempts.wait("a", 5) == 0  # forgotten
    assert attempts.wait("d", 5) > 0
