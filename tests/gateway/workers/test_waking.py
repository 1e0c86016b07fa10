"""Who may decode more than keyframes: the urgent first, among equals whoever came first, never more than the budget."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.workers.camera.waking import WakeBudget, expected_cores


def test_whoever_fits_is_awake_and_the_others_wait_until_there_is_room() -> None:
    budget = WakeBudget(0.4)
    assert budget.hold("a", 0.2, urgent=False)
    assert budget.hold("b", 0.2, urgent=False)
    assert not budget.hold("c", 0.2, urgent=False)
    assert (budget.awake, budget.waiting) == (2, 1)
    budget.release("a")
    assert budget.hold("c", 0.2, urgent=False)
    assert (budget.awake, budget.waiting) == (2, 0)


def test_something_in_sight_comes_before_keyframes_that_are_merely_slow() -> None:
    budget = WakeBudget(0.2)
    assert budget.hold("slow", 0.2, urgent=False)
    assert budget.hold("fire", 0.2, urgent=True)
    assert not budget.hold("slow", 0.2, urgent=False)
    assert not budget.hold("second fire", 0.2, urgent=True), "whoever came first stays"


def test_one_larger_than_the_budget_has_its_turn_alone_and_without_a_budget_nobody_has() -> None:
    assert WakeBudget(0.1).hold("8K", 5.0, urgent=False)
    assert not WakeBudget(0).hold("a", 0.01, urgent=True)


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
    for who, cores, urgent, leaves in claims:
        if leaves:
            budget.release(who)
            held.pop(who, None)
        else:
            budget.hold(who, cores, urgent=urgent)
            held[who] = cores, urgent
        assert budget.awake + budget.waiting == len(held)
        assert budget.used <= 0.5 or budget.awake == 1
        awake = {who for who, (cores, urgent) in held.items() if budget.hold(who, cores, urgent=urgent)}
        if any(urgent for _, urgent in held.values()):
            assert any(held[who][1] for who in awake)
