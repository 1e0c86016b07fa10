"""A receiver's line, replayed: loss takes pictures away at once, quiet gives them back one by one, nothing swings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.rooms.bandwidth import LONGEST_WAIT, ReceiverLine

Replay = Callable[[int], float]


def replayed(loss: Replay, seconds: int, wanted: int = 9) -> list[int]:
    """How many pictures are sent in each second; ``loss`` by how many are sent, reported once a second by each."""
    line, sent = ReceiverLine(), []
    for second in range(seconds):
        count = wanted if line.most is None else min(line.most, wanted)
        for stream in range(count):
            line.report(str(stream), loss(count), second)
        most = line.judge(wanted, second)
        sent.append(wanted if most is None else most)
    return sent


def test_a_line_without_loss_carries_everything() -> None:
    assert set(replayed(lambda _: 0.01, 60)) == {9}


def test_one_burst_of_loss_changes_nothing() -> None:
    line = ReceiverLine()
    for second in range(30):
        line.report("a", 0.4 if second == 10 else 0.0, second)
        assert line.judge(9, second) is None


def test_a_thin_line_is_found_within_seconds_and_tried_less_and_less_often() -> None:
    def carries_four(count: int) -> float:
        return max(0.0, (count - 4) / count)

    sent = replayed(carries_four, 900)
    assert sent[10] == 4
    assert sent.index(4) <= 4
    assert min(sent) >= 4
    tries = [second for second in range(1, 900) if sent[second] > sent[second - 1] and sent[second] > 4]
    assert tries
    assert tries[-1] - tries[-2] > tries[1] - tries[0]
    too_many = sum(1 for one in sent if one > 4)
    assert too_many / 900 < 0.15, "it stays where the line carries it"


def test_what_was_taken_away_comes_back_when_the_line_is_mended() -> None:
    line, sent = ReceiverLine(), []
    for second in range(240):
        line.report("a", 0.3 if second < 10 else 0.0, second)
        most = line.judge(4, second)
        sent.append(4 if most is None else most)
    assert min(sent) <= 2
    assert sent[-1] == 4
    assert sent.index(4, 11) < 10 + 2 * LONGEST_WAIT


def test_pictures_get_smaller_before_they_get_fewer_and_larger_after_they_are_all_back() -> None:
    line, seen = ReceiverLine(), []
    for second in range(200):
        line.report("a", 0.3 if second < 10 else 0.0, second)
        most = line.judge(4, second, shrinks=True)
        if not seen or seen[-1] != (line.small, most):
            seen.append((line.small, most))
    assert seen == [(False, None), (True, None), (True, 2), (True, 3), (True, None), (False, None)]


@pytest.mark.parametrize(
    ("takes", "small"),
    [
        (lambda _: 600_000, True),
        (lambda _: 850_000, False),
        (lambda second: 100_000 * 1.08**second, False),
        (lambda second: 500_000 if second % 2 else 900_000, False),
    ],
    ids=["it fell and stays low", "as of a receiver that was in doubt once", "still rising", "low for a moment"],
)
def test_a_receiver_that_says_it_takes_less_is_not_waited_for_until_it_loses(
    takes: Callable[[int], float], small: bool
) -> None:
    line, became_small = ReceiverLine(), False
    line.estimate("a", 1_000_000 if takes(0) > 500_000 else takes(0), 1_000_000, 0)
    for second in range(1, 20):
        line.report("a", 0.0, second)
        line.estimate("a", takes(second), 1_000_000, second)
        line.judge(4, second, shrinks=True)
        became_small |= line.small
    assert became_small is small


def test_the_last_picture_is_never_taken_and_silence_says_nothing() -> None:
    assert replayed(lambda _: 0.9, 60)[-1] == 1
    line = ReceiverLine()
    line.report("a", 0.9, 0.0)
    assert {line.judge(4, float(second)) for second in range(10, 60)} == {None}
