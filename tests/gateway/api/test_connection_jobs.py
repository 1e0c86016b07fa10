"""The job that connects many cameras: a few at a time, one device's cameras in turn, ended at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.api.connection_jobs import AT_ONCE, ConnectionJob, ConnectionJobs, Waiting
from gateway.clock import Clock
from gateway.refusals import Refusal


def silent(job: ConnectionJob) -> None:
    pass


def waiting(count: int, device: Callable[[int], str] = str) -> list[Waiting]:
    return [Waiting(f"{number:020}", f"路口{number}", device(number)) for number in range(count)]


async def finished(job: ConnectionJob) -> ConnectionJob:
    assert job.task is not None
    await asyncio.wait_for(asyncio.gather(job.task, return_exceptions=True), 30)
    return job


async def test_each_camera_ends_as_connected_left_alone_or_failed_with_its_reason(clock: Clock) -> None:
    async def connect(code: str) -> bool:
        if int(code) == 1:
            raise Refusal("invalid", "unreachable", "无法连接。", "It cannot be reached.")
        if int(code) == 2:
            raise ValueError("a defect")
        return int(code) != 3

    told: list[str] = []
    job = ConnectionJobs(clock).start(waiting(6), connect, "hub", "me", lambda job: told.append(job.state))
    await finished(job)
    assert (job.state, job.counts) == ("done", {"connected": 3, "left_alone": 1, "failed": 2})
    reasons = {int(one.code): one.reason.code for one in job.results if one.reason is not None}
    assert reasons == {1: "unreachable", 2: "connect_failed"}
    assert told[-1] == "done"


async def test_devices_are_asked_a_few_at_once_and_the_cameras_of_one_device_in_turn(clock: Clock) -> None:
    asked: set[str] = set()
    most = 0
    order: list[int] = []

    async def connect(code: str) -> bool:
        nonlocal most
        device = str(int(code) % 40)
        assert device not in asked, "two cameras of one device are asked at once"
        asked.add(device)
        most = max(most, len(asked))
        order.append(int(code))
        await asyncio.sleep(0.001)
        asked.remove(device)
        return True

    await finished(
        ConnectionJobs(clock).start(waiting(120, lambda number: str(number % 40)), connect, "hub", "me", silent)
    )
    assert most == AT_ONCE
    assert [number for number in order if number % 40 == 7] == [7, 47, 87]


async def test_it_is_ended_at_any_time_what_is_connected_stays_and_a_second_one_waits_its_turn(clock: Clock) -> None:
    jobs = ConnectionJobs(clock)
    reached = asyncio.Event()

    async def connect(code: str) -> bool:
        if int(code) > 3:
            reached.set()
            await asyncio.sleep(60)
        return True

    job = jobs.start(waiting(100), connect, "hub", "me", silent)
    await reached.wait()
    with pytest.raises(Refusal) as refused:
        jobs.start(waiting(1), connect, "hub", "me", silent)
    assert refused.value.reason == "connecting_running"
    await asyncio.wait_for(jobs.cancel(job), 30)
    assert (job.state, job.counts["connected"], job.counts["failed"]) == ("cancelled", 4, 0)
    await finished(jobs.start(waiting(2), connect, "hub", "me", silent))
    assert [one.state for one in jobs.listed()] == ["done", "cancelled"]


async def test_one_ended_before_its_first_step_has_ended_and_keeps_no_other_out(clock: Clock) -> None:
    jobs = ConnectionJobs(clock)

    async def connect(code: str) -> bool:
        return True

    job = jobs.start(waiting(3), connect, "hub", "me", silent)
    await asyncio.wait_for(jobs.cancel(job), 5)
    assert (job.state, job.ended_at) == ("cancelled", clock())
    assert (await finished(jobs.start(waiting(1), connect, "hub", "me", silent))).state == "done"
