"""Recordings past their time go, then the oldest while room is wanting; a held one never does."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.recording_retention import Room, to_delete
from gateway.streams.recordings import RecordingFile, listed, recording_name

PLENTY = Room(bound=10**12, least_free=0, free=10**12)
NOW = 10_000.0


def file(number: int, at: float, size: int = 10) -> tuple[str, RecordingFile]:
    return "a", RecordingFile(str(number), Path(str(number)), at, at + 300, False, size)


def gone(files: list[tuple[str, RecordingFile]], room: Room = PLENTY, held: frozenset[str] = frozenset()) -> list[str]:
    return [one.id for one in to_delete(files, now=NOW, keep_seconds=lambda _: 5000.0, held=held, room=room)]


def test_what_is_past_its_time_goes_and_what_is_held_stays() -> None:
    files = [file(1, 1000), file(2, 2000), file(3, 9000)]
    assert gone(files) == ["1", "2"]
    assert gone(files, held=frozenset({"1"})) == ["2"]


def test_the_oldest_go_first_when_there_is_no_room_and_no_more_than_needed() -> None:
    files = [file(3, 9000), file(1, 7000), file(2, 8000)]
    assert gone(files, Room(bound=20, least_free=0, free=10**9)) == ["1"]
    assert gone(files, Room(bound=10**9, least_free=100, free=85)) == ["1", "2"]
    assert gone(files, Room(bound=0, least_free=0, free=0), frozenset({"1", "3"})) == ["2"]


def test_what_a_clock_that_was_ahead_has_dated_goes_before_what_came_since_it_was_set_back() -> None:
    """It was the newest for years: each new recording was deleted half a minute after it was made."""
    room = Room(bound=20, least_free=0, free=10**9)
    year = 365 * 86_400.0
    assert gone([file(1, 9000), file(2, NOW + year), file(3, NOW + 2 * year)], room) == ["2"]
    assert gone([file(1, 8000), file(2, 9000), file(3, NOW + 3600)], room) == ["1"], "an hour ahead is as good as now"


SIZES = st.lists(st.tuples(st.floats(0, 9000), st.integers(1, 100), st.booleans()), max_size=30)


@given(SIZES, st.integers(0, 1000))
def test_whatever_there_is_nothing_held_goes_and_room_is_made_while_anything_may_go(
    made: list[tuple[float, int, bool]], bound: int
) -> None:
    files = [file(number, at, size) for number, (at, size, _) in enumerate(made)]
    held = frozenset(str(number) for number, (_, _, keep) in enumerate(made) if keep)
    deleted = set(gone(files, Room(bound, 0, 10**9), held))
    assert not deleted & held
    left = [one for _, one in files if one.id not in deleted]
    assert sum(one.size for one in left) <= bound or all(one.id in held for one in left)


def test_a_folder_tells_its_recordings_and_nothing_else(tmp_path: Path) -> None:
    identity = "0190b0a0-0000-7000-8000-000000000000"
    name = recording_name(1000.5, 1300.25, identity, partial=True)
    (tmp_path / name).write_bytes(b"12345")
    for other in ("x.mp4", f"{identity}.growing.mp4", "1-2-3.mp4", "notes.txt"):
        (tmp_path / other).touch()
    [found] = listed(tmp_path)
    assert (found.id, found.starts_at, found.ends_at, found.partial, found.size) == (identity, 1000.5, 1300.25, True, 5)
    assert list(listed(tmp_path / "nothing")) == []
