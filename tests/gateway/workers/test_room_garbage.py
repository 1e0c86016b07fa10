"""Nobody who watches waits for the room worker's garbage to be collected, unless there is much of it."""

from __future__ import annotations

from gateway.workers.room.garbage import MOST_ENDED, MOST_LOOKS, Garbage


def test_it_is_collected_when_nobody_watches_or_when_many_connections_have_ended() -> None:
    ended, watched, collected = 0, True, []
    garbage = Garbage(lambda: ended, lambda: watched, lambda: collected.append(ended))
    garbage.look()
    ended = MOST_ENDED - 1
    garbage.look()
    assert collected == []
    ended = MOST_ENDED
    garbage.look()
    garbage.look()
    assert collected == [MOST_ENDED]
    ended += 1
    garbage.look()
    watched = False
    garbage.look()
    garbage.look()
    assert collected == [MOST_ENDED, MOST_ENDED + 1]


def test_in_a_room_that_nobody_leaves_it_is_collected_once_an_hour() -> None:
    collected: list[int] = []
    garbage = Garbage(lambda: 0, lambda: True, lambda: collected.append(1))
    for _ in range(2 * MOST_LOOKS - 1):
        garbage.look()
    assert len(collected) == 1
