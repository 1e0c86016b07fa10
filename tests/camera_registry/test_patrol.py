"""A guided tour comes back by itself, round after round; a camera that somebody turned does not."""

from __future__ import annotations

from camera_registry.patrol import WITHIN_SECONDS, Patrol


def rounds(patrol: Patrol, count: int, begun: float = 0.0, home: float = 30.0, away: float = 90.0) -> float:
    """The usual view for a while, then others, as often as told, looked at every two seconds; answers when it ends."""
    now = begun
    for _ in range(count):
        for seconds, see in ((home, patrol.home), (away, patrol.away)):
            end = now + seconds
            while now < end:
                see(now)
                now += 2.0
    patrol.home(now)
    return now


def test_one_excursion_may_be_a_hand_two_are_a_tour() -> None:
    patrol = Patrol()
    assert not patrol.moves_by_itself(rounds(patrol, 1))
    assert patrol.moves_by_itself(rounds(patrol, 1, begun=200.0))


def test_a_tour_that_does_not_come_back_was_turned_away() -> None:
    patrol = Patrol()
    now = rounds(patrol, 3)
    patrol.away(now)
    assert patrol.moves_by_itself(now + 170.0)
    assert not patrol.moves_by_itself(now + 200.0)


def test_what_stands_before_the_lens_for_a_moment_is_no_tour() -> None:
    patrol = Patrol()
    assert not patrol.moves_by_itself(rounds(patrol, 20, away=2.0))


def test_a_tour_that_was_switched_off_is_forgotten_after_an_hour() -> None:
    patrol = Patrol()
    now = rounds(patrol, 3)
    assert not patrol.moves_by_itself(now + WITHIN_SECONDS)


def test_a_new_usual_view_begins_anew() -> None:
    patrol = Patrol()
    now = rounds(patrol, 3)
    patrol.forget()
    assert not patrol.moves_by_itself(now)
