"""Which worker owns which camera. Pure; one camera has one owner, and each move gets a higher fencing number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ownership:
    """A worker owns a camera under a fence; an order with a lower fence is void."""

    worker: str
    fence: int


class Placement:
    """Cameras spread over workers: the fullest that still has room first, so that few processes are needed."""

    def __init__(self, per_worker: int) -> None:
        self._per_worker = per_worker
        self._owners: dict[str, Ownership] = {}
        self._alone: set[str] = set()
        self._fence = 0

    def place(self, code: str) -> Ownership:
        """The camera's owner under a new fence; its worker stays the same while it has one."""
        self._fence += 1
        held = self._owners.get(code)
        worker = held.worker if held else self._with_room()
        self._owners[code] = Ownership(worker, self._fence)
        return self._owners[code]

    def isolate(self, code: str) -> Ownership | None:
        """Give a camera that has an owner a worker for itself alone, under a new fence; None for one that has none."""
        held = self._owners.get(code)
        if held is None or code in self._alone:
            return held
        self._alone.add(code)
        self._fence += 1
        worker = held.worker if self.owned_by(held.worker) == (code,) else self._unused()
        self._owners[code] = Ownership(worker, self._fence)
        return self._owners[code]

    def remove(self, code: str) -> Ownership | None:
        self._alone.discard(code)
        return self._owners.pop(code, None)

    def owner(self, code: str) -> Ownership | None:
        return self._owners.get(code)

    def owned_by(self, worker: str) -> tuple[str, ...]:
        return tuple(code for code, held in self._owners.items() if held.worker == worker)

    def current(self, code: str, worker: str, fence: int) -> bool:
        """Whether a report comes from the camera's present owner under its present fence."""
        return self._owners.get(code) == Ownership(worker, fence)

    @property
    def workers(self) -> tuple[str, ...]:
        """The workers that own a camera, and always the first."""
        return tuple(sorted({"camera-1"} | {held.worker for held in self._owners.values()}, key=_number))

    def _with_room(self) -> str:
        loads: dict[str, int] = {}
        for held in self._owners.values():
            loads[held.worker] = loads.get(held.worker, 0) + 1
        lonely = {self._owners[code].worker for code in self._alone}
        fitting = [worker for worker, load in loads.items() if load < self._per_worker and worker not in lonely]
        if fitting:
            return max(fitting, key=lambda worker: (loads[worker], -_number(worker)))
        return self._unused()

    def _unused(self) -> str:
        numbers = {_number(held.worker) for held in self._owners.values()}
        return f"camera-{next(n for n in range(1, len(numbers) + 2) if n not in numbers)}"


def _number(worker: str) -> int:
    return int(worker.rpartition("-")[2])
