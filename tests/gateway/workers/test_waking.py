"""Who may decode more than keyframes: the urgent first, in turns, and never more than the budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.workers.camera.waking import TURN, WakeBudget, expected_cores


def test_whoever_fits_is_awake_and_the_others_wait_until_there_is_room() -> None:
    budget = WakeBudget(0.4)
    assert budget.hold("a", 0.2, urgent=False, now=0)
    assert budget.hold("b", 0.2, urgent=False, now=0)
    assert not budget.hold("c", 0.2, urgent=False, now=0)
    assert (budget.awake, budget.waiting) == (2, 1)
    budget.release("a")
    assert budget.hold("c", 0.2, urgent=False, now=0)
    assert (budget.awake, budget.waiting) == (2, 0)


def test_something_in_sight_comes_before_keyframes_that_are_merely_slow() -> None:
    budget = WakeBudget(0.2)
    assert budget.hold("slow", 0.2, urgent=False, now=0)
    assert budget.hold("fire", 0.2, urgent=True, now=0)
    assert not budget.hold("slow", 0.2, urgent=False, now=0)
    assert not budget.hold("second fire", 0.2, urgent=True, now=0), "whoever came first stays, for its turn"


def test_a_fire_has_its_turn_though_a_lamp_elsewhere_has_been_in_sight_all_night() -> None:
    """Whoever came first stayed, and the fire's camera was asked to wait at every try."""
    budget = WakeBudget(1.0)
    for at in range(0, 3600, 10):
        assert budget.hold("lamp", 1.2, urgent=True, now=at)
    assert budget.hold("fire", 0.2, urgent=True, now=3600)
    assert not budget.hold("lamp", 1.2, urgent=True, now=3601)
    assert budget.hold("fire", 0.2, urgent=True, now=3600 + TURN - 1), "a turn is not cut short"
    assert budget.hold("lamp", 1.2, urgent=True, now=3600 + TURN)
    budget.release("lamp")
    assert budget.hold("fire", 0.2, urgent=True, now=3600 + TURN + 1), "whoever waits for nobody waits no longer"


def test_what_may_be_a_fire_waits_for_no_gathering_to_have_had_its_turn() -> None:
    """It waited a turn of 15 s, half of the time in which a fire is to be told."""
    budget = WakeBudget(0.2)
    assert budget.hold("gathering", 0.2, urgent=True, now=0)
    assert budget.hold("fire", 0.2, urgent=True, fire=True, now=1)
    assert not budget.hold("gathering", 0.2, urgent=True, now=2)
    assert not budget.hold("second fire", 0.2, urgent=True, fire=True, now=2), "fires take turns among themselves"
    assert budget.hold("second fire", 0.2, urgent=True, fire=True, now=1 + TURN)
    assert not budget.hold("gathering", 0.2, urgent=True, now=2 + TURN)


def test_of_many_with_something_in_sight_each_is_awake_as_long_as_the_others() -> None:
    budget, names = WakeBudget(0.4), "abcde"
    awake = dict.fromkeys(names, 0)
    for half_seconds in range(round(2 * TURN) * 30):
        for who in names:
            awake[who] += budget.hold(who, 0.2, urgent=True, now=half_seconds / 2)
    assert min(awake.values()) > 0.9 * max(awake.values())
    assert sum(awake.values()) > 0.95 * 2 * round(2 * TURN) * 30, "no time is lost over it"


def test_a_large_one_waits_no_longer_than_the_turns_of_those_before_it_though_smaller_ones_keep_coming() -> None:
    budget = WakeBudget(0.5)
    for number in range(6):
        budget.hold(f"small {number}", 0.2, urgent=True, now=number * 5)
    awake_at = None
    budget.hold("4K", 0.9, urgent=True, now=30)
    for at in range(31, 200):
        for number in range(at // 5):
            budget.hold(f"small {number}", 0.2, urgent=True, now=at)
        if budget.hold("4K", 0.9, urgent=True, now=at) and awake_at is None:
            awake_at = at
    assert awake_at is not None
    assert awake_at <= 30 + 5 * TURN


def test_a_turn_ends_though_the_clock_was_set_back() -> None:
    budget = WakeBudget(0.2)
    assert budget.hold("lamp", 0.2, urgent=True, now=4000)
    assert budget.hold("fire", 0.2, urgent=True, now=400)


def test_one_larger_than_the_budget_has_its_turn_alone_and_without_a_budget_nobody_has() -> None:
    assert WakeBudget(0.1).hold("8K", 5.0, urgent=False, now=0)
    assert not WakeBudget(0).hold("a", 0.01, urgent=True, now=0)


def test_a_1080p_stream_is_expected_to_cost_what_was_measured() -> None:
    assert 0.16 < expected_cores("h264", 1920, 1080) < 0.18
    assert expected_cores("hevc", 1920, 1080) > expected_cores("h264", 1920, 1080)


CLAIMS = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0.01, 0.9), st.booleans(), st.booleans()), max_size=40)


@given(CLAIMS)
def test_the_budget_is_never_exceeded_by_more_than_one_alone_and_nobody_urgent_waits_for_others(
    claims: list[tuple[str, float, bool, bool]],
) -> None:
    budget = WakeBudget(0.5)
    held: dict[str, tuple[float, bool]] = {}
    for now, (who, cores, urgent, leaves) in enumerate(claims):
        if leaves:
            budget.release(who)
            held.pop(who, None)
        else:
            budget.hold(who, cores, urgent=urgent, now=now)
            held[who] = cores, urgent
        assert budget.awake + budget.waiting == len(held)
        assert budget.used <= 0.5 or budget.awake == 1
        awake = {who for who, (cores, urgent) in held.items() if budget.hold(who, cores, urgent=urgent, now=now)}
        if any(urgent for _, urgent in held.values()):
            assert any(held[who][1] for who in awake)
