from __future__ import annotations

import asyncio
import stat
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from detectors.asked import Asked
from detectors.observation import Box, Detection, Look
from detectors.rules.replay import from_line, to_line
from gateway.settings import Settings
from gateway.storage.look_files import newer, older
from gateway.workers.camera import look_log
from gateway.workers.camera.look_log import (
    MOST_WAITING,
    WRITE_EVERY,
    LoggedLook,
    LookLog,
    last_view,
    logged_looks,
    reach,
)

CODE = "99000000081322000001"


def look(at: float) -> Look:
    return Look(at, (Detection("fire", 0.5, Box(0.25, 0.25, 0.5, 0.5)),), "a" * 64)


def written(path: Path) -> list[Look]:
    return [from_line(line) for line in path.read_text().splitlines()]


async def test_what_was_seen_is_read_back_as_it_was(tmp_path: Path) -> None:
    log = LookLog(tmp_path / "looks", CODE, 1_000_000)
    looks = [look(1000.0 + n) for n in range(5)]
    for one in looks:
        log.note(one)
    await log.close()
    path = newer(tmp_path / "looks", CODE)
    assert written(path) == looks
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "it says who was where, and when"


async def test_the_view_that_a_camera_had_is_kept_with_each_look_and_that_its_picture_stood_frozen(
    tmp_path: Path,
) -> None:
    """Rules of one preset were tried on what was seen at another."""
    log, path = LookLog(tmp_path, CODE, 1_000_000), newer(tmp_path, CODE)
    log.note(look(0.0), view="3")
    log.note(look(1.0), view=None, frozen=True)
    await log.close()
    assert list(logged_looks(path)) == [LoggedLook(look(0.0), "3"), LoggedLook(look(1.0), None, frozen=True)]
    assert last_view(path) is None
    assert last_view(tmp_path / "none.jsonl") == ""


async def test_what_was_asked_for_each_look_is_kept_and_where_it_was_nothing_takes_no_room(tmp_path: Path) -> None:
    log, path = LookLog(tmp_path, CODE, 1_000_000), newer(tmp_path, CODE)
    asked = [Asked(), Asked(counted=True), Asked(stalls=Box(0.35, 0.3, 0.65, 0.75))]
    for n, one in enumerate(asked):
        log.note(look(float(n)), asked=one)
    await log.close()
    assert [one.asked for one in logged_looks(path)] == asked
    plain, *_ = path.read_text().splitlines()
    assert plain == to_line(look(0.0), view="")


def test_a_line_that_says_what_was_asked_in_words_that_are_not_ours_is_a_look_all_the_same(tmp_path: Path) -> None:
    path = newer(tmp_path, CODE)
    said: list[object] = ["all", [0.1], {}, [0, 0, 1, "x"]]
    path.write_text("\n".join(to_line(look(float(n)), counted="yes", stalls=one) for n, one in enumerate(said)))
    assert list(logged_looks(path)) == [LoggedLook(look(float(n))) for n in range(len(said))]


def test_what_an_older_version_wrote_is_read_and_is_of_the_view_that_is_asked_for(tmp_path: Path) -> None:
    path = newer(tmp_path, CODE)
    path.write_text(f"{to_line(look(0.0))}\n")
    assert list(logged_looks(path, unsaid="3")) == [LoggedLook(look(0.0), "3")]
    assert last_view(path) == ""


async def test_a_look_waits_for_the_disk_ten_seconds_at_most(tmp_path: Path) -> None:
    log = LookLog(tmp_path, CODE, 1_000_000)
    log.note(look(0.0))
    await asyncio.sleep(0)
    assert not newer(tmp_path, CODE).exists(), "a write for each look would wear the disk"
    log.note(look(WRITE_EVERY))
    async with asyncio.timeout(5):
        while not newer(tmp_path, CODE).exists():
            await asyncio.sleep(0.01)
    await log.close()


async def test_the_log_keeps_to_its_room_and_keeps_the_newest(tmp_path: Path) -> None:
    log = LookLog(tmp_path, CODE, 4_000)
    for n in range(400):
        log.note(look(n * 5.0))
        await asyncio.sleep(0)
        if n % 4 == 0:
            await log.close()
    await log.close()
    both = written(older(newer(tmp_path, CODE))) + written(newer(tmp_path, CODE))
    assert newer(tmp_path, CODE).stat().st_size + older(newer(tmp_path, CODE)).stat().st_size <= 4_000
    assert [one.at for one in both] == [n * 5.0 for n in range(400 - len(both), 400)]
    assert len(both) > 10


async def test_a_clock_that_is_set_back_keeps_no_look_from_the_disk(tmp_path: Path) -> None:
    log = LookLog(tmp_path, CODE, 1_000_000)
    log.note(look(5000.0))
    log.note(look(1000.0))
    async with asyncio.timeout(5):
        while not newer(tmp_path, CODE).exists():
            await asyncio.sleep(0.01)
    assert [one.at for one in written(newer(tmp_path, CODE))] == [5000.0, 1000.0]


async def test_where_nothing_is_to_be_kept_nothing_is(tmp_path: Path) -> None:
    log = LookLog(tmp_path / "looks", CODE, 0)
    log.note(look(1.0))
    await log.close()
    assert not (tmp_path / "looks").exists()


async def test_a_disk_that_takes_nothing_costs_the_log_and_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "looks").write_text("a file where the folder should be")
    log = LookLog(tmp_path / "looks", CODE, 1_000_000)
    with capture_logs() as said:
        for n in range(3):
            log.note(look(float(n)))
            await log.close()
    assert log.left_out == 3
    assert [one["event"] for one in said] == ["look_log_unwritable"]


async def test_a_log_for_which_no_thread_can_be_started_is_closed_all_the_same(tmp_path: Path) -> None:
    """What its last write had raised came out of its end, and the camera was let go by half."""

    async def no_thread(*_args: object, **_kwargs: object) -> None:
        raise RuntimeError("can't start new thread")

    log = LookLog(tmp_path, CODE, 1_000_000, no_thread)  # type: ignore[arg-type]  # gives nothing back
    for n in range(4):
        log.note(look(n * 5.0))
        await asyncio.sleep(0)
    await log.close()
    assert log.left_out == 4


async def test_a_disk_that_hangs_holds_a_bounded_number_of_looks_and_nobody_up(tmp_path: Path) -> None:
    goes_on = threading.Event()

    async def hung(work, *args, **kwargs):  # type: ignore[no-untyped-def]
        await asyncio.to_thread(goes_on.wait, 10)
        return await asyncio.to_thread(work, *args, **kwargs)

    log = LookLog(tmp_path, CODE, 10_000_000, hung)
    for n in range(MOST_WAITING * 3):
        log.note(look(n * 1.0))
        await asyncio.sleep(0)
    assert log.left_out > MOST_WAITING
    goes_on.set()
    await log.close()
    assert len(written(newer(tmp_path, CODE))) + log.left_out == MOST_WAITING * 3


async def test_a_log_is_read_with_its_older_file_and_without_what_a_killed_process_left_half_written(
    tmp_path: Path,
) -> None:
    log = LookLog(tmp_path, CODE, 2_000)
    for n in range(12):
        log.note(look(n * 5.0))
        await log.close()
    with newer(tmp_path, CODE).open("a") as file:
        file.write('{"at": 99, "se\n[]\n\x00\n')
    assert [one.look.at for one in logged_looks(newer(tmp_path, CODE))] == [
        one.at
        for one in (
            *written(older(newer(tmp_path, CODE))),
            *map(from_line, newer(tmp_path, CODE).read_text().splitlines()[:-3]),
        )
    ]


def times(path: Path) -> list[float]:
    return [one.look.at for one in logged_looks(path)]


def write(path: Path, *at: float) -> None:
    path.write_text("".join(f"{to_line(look(one))}\n" for one in at))


def test_a_log_that_is_turned_over_while_it_is_read_leaves_no_hole(tmp_path: Path) -> None:
    """Hours of looks were missing in the middle, and a trial said that the camera had been away."""
    path = newer(tmp_path, CODE)
    write(older(path), 1.0, 2.0)
    write(path, 3.0, 4.0)
    reading = logged_looks(path)
    first = next(reading).look.at
    path.replace(older(path))
    write(path, 5.0)
    assert [first, *(one.look.at for one in reading)] == [1.0, 2.0, 3.0, 4.0]


def test_a_log_that_is_turned_over_between_its_two_files_is_read_once(tmp_path: Path) -> None:
    path = newer(tmp_path, CODE)
    write(path, 1.0, 2.0)
    older(path).hardlink_to(path)  # as the two look when the newer was opened just before
    assert times(path) == [1.0, 2.0]


def test_a_log_whose_newer_file_is_not_there_yet_is_read(tmp_path: Path) -> None:
    path = newer(tmp_path, CODE)
    write(older(path), 1.0)
    assert times(path) == [1.0]
    older(path).unlink()
    with pytest.raises(FileNotFoundError):
        times(path)


@pytest.mark.parametrize("block", [1, 7, 200, 64 * 1024])
@pytest.mark.parametrize("left", [b"", b'{"at": 99, "se', b'[]\n\x00\n\n\xff\xfe\n{"at": 99, "seen": 1}', b"[" * 9000])
def test_how_far_a_log_reaches_is_told_by_its_two_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, left: bytes
) -> None:
    """All of it was read for that, and then once more for what was wanted: 40 MB twice."""
    path = newer(tmp_path, CODE)
    write(older(path), *map(float, range(100)))
    path.write_bytes(
        left + b"\n" + "".join(f"{to_line(look(float(n)), view='街 3')}\n" for n in (100, 101)).encode() + left
    )
    read: list[float] = []

    def counted(facts: dict[str, float], unsaid: str | None) -> LoggedLook:
        one = logged(facts, unsaid)
        read.append(one.look.at)
        return one

    logged = look_log._logged
    monkeypatch.setattr(look_log, "_logged", counted)
    monkeypatch.setattr(look_log, "BLOCK", block)
    assert reach(path) == (LoggedLook(look(0.0)), LoggedLook(look(101.0), "街 3"))
    assert read == [0.0, 101.0]


def test_a_log_that_has_looks_in_one_of_its_files_alone_reaches_as_far_as_that(tmp_path: Path) -> None:
    path = newer(tmp_path, CODE)
    path.write_bytes(b"no look\n")
    write(older(path), 1.0, 2.0)
    assert reach(path) == (LoggedLook(look(1.0)), LoggedLook(look(2.0)))
    write(path, 3.0)
    older(path).write_bytes(b"")
    assert reach(path) == (LoggedLook(look(3.0)), LoggedLook(look(3.0)))
    path.write_bytes(b"")
    assert reach(path) is None


def test_the_room_of_a_camera_holds_a_working_day_with_twenty_people_in_sight() -> None:
    """The manual promised a night, and held one hour."""
    box = Box(0.123456789, 0.234567891, 0.345678912, 0.456789123)
    line = to_line(Look(1_800_000_000.5, (Detection("person", 0.51234567, box),) * 20, "a" * 64, "hazard_n"), view="")
    always_full = Settings.model_fields["cameras"].get_default(call_default_factory=True).looks_mb * 1e6 / 2
    assert always_full / (len(line) + 1) * 2 >= 9 * 3600, "at a look in two seconds"
