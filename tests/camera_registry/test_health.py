"""The health of a camera, step by step: every state with its evidence and the time since when it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_registry.health import (
    FAULT_SECONDS,
    LIVE_PICTURE,
    STATES,
    WORDS,
    ClockRead,
    Health,
    NothingArrived,
    Observation,
    PacketArrived,
    PictureFault,
    PictureJudged,
    PullFailed,
    PullOpened,
    from_pull,
    initial,
    step,
)


def after(*seen: Observation, every: float = 1.0, health: Health | None = None) -> Health:
    """Where these observations lead, one a second."""
    now = 0.0 if health is None else health.since
    health = health or initial(now)
    for one in seen:
        now += every
        health = step(health, one, now)
    return health


def told(health: Health) -> tuple[str, str, float]:
    return health.state, health.reason, health.since


def test_a_camera_begins_by_connecting() -> None:
    assert told(initial(5.0)) == ("connecting", "registered", 5.0)


def test_pictures_make_it_live() -> None:
    assert told(after(PullOpened(), PacketArrived(), PacketArrived())) == ("live", "video", 2.0)


def test_silence_makes_it_stalled_until_pictures_come_again() -> None:
    stalled = after(PullOpened(), PacketArrived(), NothingArrived())
    assert told(stalled) == ("stalled", "stalled", 3.0)
    assert told(step(stalled, PullOpened(), 4.0)) == ("stalled", "stalled", 3.0), "trying again is no picture"
    assert step(stalled, PacketArrived(), 5.0).state == "live"


@pytest.mark.parametrize(("login", "state"), [(True, "auth_failed"), (False, "offline")])
def test_why_it_is_away_lasts_over_new_attempts(login: bool, state: str) -> None:
    away = after(PullOpened(), PullFailed("why", login), PullOpened(), PullFailed("why", login), PullOpened())
    assert told(away) == (state, "why", 2.0)
    assert step(away, PacketArrived(), 9.0).state == "live"


def test_a_new_reason_in_the_same_state_keeps_its_time() -> None:
    away = after(PullFailed("refused"), PullFailed("unreachable"))
    assert told(away) == ("offline", "unreachable", 1.0)


def test_a_wrong_clock_shows_while_pictures_come() -> None:
    skewed = after(PacketArrived(), ClockRead(-61.0))
    assert told(skewed) == ("clock_skewed", "clock_skewed", 2.0)
    assert step(skewed, ClockRead(2.0), 3.0).state == "live"
    assert after(ClockRead(3600.0)).state == "connecting", "a clock says nothing of pictures"
    assert after(ClockRead(3600.0), PacketArrived()).state == "clock_skewed"
    assert after(PacketArrived(), ClockRead(59.0)).state == "live"


@pytest.mark.parametrize("fault", FAULT_SECONDS)
def test_a_fault_of_the_picture_must_last(fault: PictureFault) -> None:
    live = after(PacketArrived())
    seconds = int(FAULT_SECONDS[fault])
    assert after(*[PictureJudged(fault)] * seconds, health=live).state == "live"
    assert after(*[PictureJudged(fault)] * (seconds + 1), health=live).state == fault
    passing = [PictureJudged(fault)] * (seconds - 1) + [PictureJudged(None)]
    assert after(*passing * 3, health=live).state == "live", "a lorry, thrice"


def test_a_fault_must_be_gone_for_a_while() -> None:
    dark = after(*[PictureJudged("dark")] * 11, health=after(PacketArrived()))
    bright = [PictureJudged(None)]
    assert after(*bright * 3, health=dark).state == "dark"
    assert after(*bright * 2, PictureJudged("dark"), *bright * 3, health=dark).state == "dark", "it flickers"
    assert after(*bright * 4, health=dark).state == "live"


def test_packets_alone_do_not_thaw_a_frozen_picture() -> None:
    frozen = after(*[PictureJudged("frozen")] * 11, health=after(PacketArrived()))
    assert step(frozen, PacketArrived(), 99.0).state == "frozen"
    assert "frozen" not in LIVE_PICTURE


def test_a_picture_judged_late_says_nothing_of_a_camera_that_is_gone() -> None:
    gone = after(PacketArrived(), *[PictureJudged("dark")] * 5, PullFailed("unreachable"))
    assert after(*[PictureJudged("dark")] * 30, health=gone).state == "offline"


@pytest.mark.parametrize(
    ("phase", "reason", "seen"),
    [
        ("connecting", None, PullOpened()),
        ("live", None, PacketArrived()),
        ("away", "stalled", NothingArrived()),
        ("away", "auth_failed", PullFailed("auth_failed", login=True)),
        ("away", "forbidden", PullFailed("forbidden", login=True)),
        ("away", "unreachable", PullFailed("unreachable")),
        ("away", None, PullFailed("connection_lost")),
        ("stopped", None, None),
    ],
)
def test_the_pulls_phases_are_observations(phase: str, reason: str | None, seen: Observation | None) -> None:
    assert from_pull(phase, reason) == seen


def test_every_state_has_its_words() -> None:
    assert set(WORDS) == set(STATES)
    assert all(zh and en for zh, en in WORDS.values())


ANYTHING = st.one_of(
    st.just(PullOpened()),
    st.just(PacketArrived()),
    st.just(NothingArrived()),
    st.builds(PullFailed, st.sampled_from(["refused", "auth_failed"]), st.booleans()),
    st.builds(PictureJudged, st.sampled_from([None, *FAULT_SECONDS])),
    st.builds(ClockRead, st.floats(-1e6, 1e6)),
)


@given(st.lists(st.tuples(ANYTHING, st.floats(0, 30)), max_size=40))
def test_whatever_is_seen_there_is_one_state_and_its_time_is_when_it_changed(
    seen: list[tuple[Observation, float]],
) -> None:
    health, now = initial(0.0), 0.0
    for one, later in seen:
        now += later
        before, health = health, step(health, one, now)
        assert health.state in STATES
        assert health.since == (before.since if health.state == before.state else now)
        if isinstance(one, (NothingArrived, PullFailed)):
            assert health.state not in LIVE_PICTURE
