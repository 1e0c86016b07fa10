"""Films brought for trials: whole or not at all, one at a time, with the reason where the disk takes none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.api.limits import ANSWER_SECONDS, FOOTAGE_BYTES, LONGER_ANSWERS
from gateway.api.services import Services
from gateway.api.trial_films import AT_ONCE, MOST, BroughtFilms
from gateway.api.trial_jobs import TrialJobs
from models import shipped

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
def services(services: Services) -> Services:
    return replace(services, trials=TrialJobs(shipped.CARD, "auto"))


async def film(*parts: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if then is not None:
        raise then


def lying(folder: Path) -> dict[str, int]:
    """What lies there, and its size in bytes."""
    return {path.name: path.stat().st_size for path in folder.iterdir()}


async def test_a_film_comes_whole_and_of_many_the_last_few_are_kept(tmp_path: Path) -> None:
    films = BroughtFilms(tmp_path / "films")
    brought = [await films.bring(film(b"x" * AT_ONCE, b"y" * n)) for n in range(MOST + 2)]
    assert [size for _, size in brought] == [AT_ONCE + n for n in range(MOST + 2)]
    assert lying(tmp_path / "films") == dict(brought[-MOST:])


async def test_half_a_film_is_none_neither_one_that_broke_off_nor_one_that_a_killed_process_left(
    tmp_path: Path,
) -> None:
    """It was kept as a film, in place of one that was whole, and tried."""
    films = BroughtFilms(tmp_path)
    with pytest.raises(ConnectionError):
        await films.bring(film(b"x" * AT_ONCE, then=ConnectionError()))
    assert lying(tmp_path) == {}
    left = tmp_path / "019abcde-0000-7000-8000-000000000000.coming"
    left.write_bytes(b"half")
    kept, size = await films.bring(film(b"whole"))
    assert lying(tmp_path) == {kept: size}


def test_the_largest_film_may_take_as_long_as_it_does_over_a_slow_line() -> None:
    """It was ended after thirty seconds, however it came."""
    seconds = LONGER_ANSWERS.get("/api/v1/trials/footage", ANSWER_SECONDS)
    assert FOOTAGE_BYTES * 8 / seconds <= 5_000_000


async def test_a_second_film_beside_one_that_comes_and_a_disk_that_takes_none_are_told(
    client_as: ClientAs, services: Services
) -> None:
    client = await client_as("duty_leader")
    assert services.trials is not None
    with services.trials.bringing():
        second = await client.put("/api/v1/trials/footage", content=b"film")
        assert (second.status_code, second.json()["reason"]) == (409, "footage_coming")
    (services.settings.data_folder / "footage-to-try").write_text("no folder")
    refused = await client.put("/api/v1/trials/footage", content=b"film")
    assert (refused.status_code, refused.json()["reason"]) == (503, "footage_not_written")
