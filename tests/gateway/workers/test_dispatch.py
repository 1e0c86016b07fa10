"""What workers tell control of their own."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.processes.messages import AlertsLost
from gateway.refusals import Refusal
from gateway.workers.control.dispatch import Dispatch

NOBODY: Any = None


async def test_alerts_that_ended_with_their_worker_are_counted() -> None:
    """Only the log of a worker that was gone knew of them."""
    dispatch = Dispatch(NOBODY, NOBODY, NOBODY, NOBODY, NOBODY, NOBODY)
    for count in (2, 1):
        await dispatch.message("camera-1", AlertsLost(count))
    assert dispatch.alerts_lost == 3
    with pytest.raises(Refusal, match="unexpected_message"):
        await dispatch.message("room", AlertsLost(1))
