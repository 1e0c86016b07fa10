"""How many cores this process may keep busy: a container often shows all of the machine's, and gives the time of a few.

Of more threads than that each stands still for the rest of every period, in the midst of a picture.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS, HIERARCHIES = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
_MOST = 64 * 1024
"""Bytes of a file that are read; the kernel's say less."""


def cores(groups: Path = GROUPS, hierarchies: Path = HIERARCHIES) -> int:
    """Those the process may run on; where quotas of processor time come to fewer, these, rounded up. At least 1.

    ``groups``: names the groups that the process is in (cgroups(7)). ``hierarchies``: where they are mounted. What
    cannot be read there sets no quota.
    """
    return max(1, min([len(os.sched_getaffinity(0)), *_quotas(groups, hierarchies)]))


def _quotas(groups: Path, hierarchies: Path) -> Iterator[int]:
    """In cores, of the process's own groups and of all that hold these, of either version."""
    for line in _text(groups).splitlines():
        _number, _, named = line.partition(":")
        controllers, _, group = named.partition(":")
        if not controllers:
            for folder in (*_upwards(hierarchies, group), *_upwards(hierarchies / "unified", group)):
                yield from _quota(_text(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for folder in (*_upwards(hierarchies / "cpu", group), *_upwards(hierarchies / controllers, group)):
                yield from _quota(f"{_text(folder / 'cpu.cfs_quota_us')} {_text(folder / 'cpu.cfs_period_us')}")


def _upwards(hierarchy: Path, group: str) -> Iterator[Path]:
    """The group's folder and those above it. A container may be told a group's name on its host: it sees the last one
    of these alone, which is its own."""
    named = PurePosixPath(group)
    if ".." not in named.parts:  # else it lies beside what is seen here
        for one in (named, *named.parents):
            yield hierarchy / one.relative_to(one.anchor)


def _quota(said: str) -> Iterator[int]:
    """``said``: microseconds of processor time and of the period that they are for; ``max`` or -1: without a limit."""
    try:
        time, period = map(int, said.split())
    except ValueError:
        return
    if time > 0 and period > 0:
        yield -(-time // period)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
