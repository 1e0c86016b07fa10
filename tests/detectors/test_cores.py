"""As many cores as the process is given the time of, whatever the machine has; what the kernel does not tell limits
nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from detectors.cores import cores

Told = Callable[..., int]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """The cores of a process on a machine of eight that is in such ``groups``, where these files say so."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: set(range(8)))

    def told(groups: str, **files: str) -> int:
        (tmp_path / "cgroup").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "fs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return cores(tmp_path / "cgroup", tmp_path / "fs")

    return told


@pytest.mark.parametrize(
    ("quota", "given"),
    [
        ("200000 100000\n", 2),
        ("250000 100000\n", 3),
        ("5000 100000\n", 1),
        ("100000 50000\n", 2),
        ("6400000 100000\n", 8),
        ("max 100000\n", 8),
        ("", 8),
        ("0 100000\n", 8),
        ("100000 0\n", 8),
        ("100000\n", 8),
        ("1.5 1\n", 8),
        ("\x00\xff\n", 8),
        (f"{'9' * 4000} 100000\n", 8),
        (f"{'9' * 9000} 100000\n", 8),
    ],
)
def test_a_quota_counts_rounded_up_and_what_is_none_does_not(told: Told, quota: str, given: int) -> None:
    assert told("0::/\n", **{"cpu.max": quota}) == given


def test_a_quota_of_any_group_above_counts_too(told: Told) -> None:
    files = {"a/cpu.max": "max 100000\n", "a/b/cpu.max": "300000 100000\n", "a/b/c/cpu.max": "500000 100000\n"}
    assert told("0::/a/b/c\n", **files) == 3
    assert told("0::/a/b/c (deleted)\n", **files) == 3
    assert told("0::/a\n", **files) == 8, "another's"


def test_a_container_that_is_told_its_hosts_name_for_it_finds_its_own_quota(told: Told) -> None:
    assert told("0::/docker/0123456789ab\n", **{"cpu.max": "200000 100000\n"}) == 2


@pytest.mark.parametrize("mounted", ["cpu", "cpu,cpuacct"])
def test_the_first_version_of_groups_is_understood(told: Told, mounted: str) -> None:
    groups = "5:memory:/x\n4:cpu,cpuacct:/system/gateway\n3:cpuset:/y\n"
    files = {f"{mounted}/system/cpu.cfs_quota_us": "400000\n", f"{mounted}/system/cpu.cfs_period_us": "100000\n"}
    assert told(groups, **files) == 4
    own = f"{mounted}/system/gateway"
    assert told(groups, **{f"{own}/cpu.cfs_quota_us": "-1\n", f"{own}/cpu.cfs_period_us": "100000\n"}) == 4
    assert told(groups, **{f"{own}/cpu.cfs_quota_us": "150000\n"}) == 2


def test_both_versions_beside_each_other_are_understood(told: Told) -> None:
    assert told("1:cpu:/\n0::/a\n", **{"unified/a/cpu.max": "200000 100000\n"}) == 2


@pytest.mark.parametrize("groups", ["", "no group\n", "0::/../beside\n", "4:cpu:\n", "\x00::\x00\n"])
def test_where_no_group_is_to_be_found_the_cores_it_may_run_on_count(told: Told, groups: str) -> None:
    assert told(groups, **{"a/cpu.max": "100000 100000\n"}) == 8


def test_where_the_kernel_tells_of_no_groups_the_cores_it_may_run_on_count(told: Told, tmp_path: Path) -> None:
    assert cores(tmp_path / "none", tmp_path) == 8


def test_files_without_an_end_are_not_read_to_it(told: Told, tmp_path: Path) -> None:
    (tmp_path / "endless").symlink_to("/dev/zero")
    assert cores(tmp_path / "endless", tmp_path) == 8
