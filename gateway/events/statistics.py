"""Counts and rates of a period, each rate with its numerator, its denominator and its formula.

Cities define their rates differently; the formula is shown so that nobody has to guess. A period counts what was
reported (events) or raised (alerts) within it, as it stands now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access.caller import Caller
from gateway.storage.tables.events import AlertRow, EventFlowRow, EventRow


@dataclass(frozen=True, slots=True)
class Rate:
    """``value`` is None where there is nothing to divide by."""

    name: str
    zh: str
    formula: str
    numerator: int
    denominator: int

    @property
    def value(self) -> float | None:
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts by state and by class, and the rates that can be told from them."""

    alerts_by_state: dict[str, int]
    alerts_by_hazard: dict[str, int]
    events_by_state: dict[str, int]
    events_by_class: dict[str, int]
    rates: tuple[Rate, ...]


async def summary(
    session: AsyncSession, caller: Caller, since: datetime, until: datetime, platform: str | None = None
) -> Summary:
    """What was raised and reported from ``since`` to before ``until``, in the caller's scope."""
    alerts = [AlertRow.raised_at >= since, AlertRow.raised_at < until, caller.visible(AlertRow.platform)]
    events = [EventRow.reported_at >= since, EventRow.reported_at < until, caller.visible(EventRow.platform)]
    if platform is not None:
        alerts.append(AlertRow.platform == platform)
        events.append(EventRow.platform == platform)
    states = select(AlertRow.state, func.count()).where(*alerts).group_by(AlertRow.state)
    hazards = select(AlertRow.hazard, func.count()).where(*alerts).group_by(AlertRow.hazard)
    event_states = select(EventRow.state, func.count()).where(*events).group_by(EventRow.state)
    classes = select(EventRow.class_code, func.count()).where(*events).group_by(EventRow.class_code)
    reworked = (
        select(func.count(func.distinct(EventRow.no)))
        .join(EventFlowRow, EventFlowRow.event_no == EventRow.no)
        .where(*events, EventFlowRow.action == "rework")
    )
    judged = select(func.count()).select_from(AlertRow).where(*alerts, AlertRow.assessed_at.is_not(None))
    by_state = await _counts(session, states)
    by_event_state = await _counts(session, event_states)
    checked = (
        select(func.count(func.distinct(EventRow.no)))
        .join(EventFlowRow, EventFlowRow.event_no == EventRow.no)
        .where(*events, EventFlowRow.action.in_(("close", "rework")))
    )
    reported = sum(by_event_state.values())
    left_out = by_event_state.get("not_accepted", 0) + by_event_state.get("cancelled", 0)
    return Summary(
        alerts_by_state=by_state,
        alerts_by_hazard=await _counts(session, hazards),
        events_by_state=by_event_state,
        events_by_class=await _counts(session, classes),
        rates=(
            Rate(
                "closure_rate",
                "办结率",
                "closed / (reported - not_accepted - cancelled)",
                by_event_state.get("closed", 0),
                reported - left_out,
            ),
            Rate(
                "rework_rate",
                "返工率",
                "reworked / checked (closed or sent back)",
                (await session.execute(reworked)).scalar_one(),
                (await session.execute(checked)).scalar_one(),
            ),
            Rate(
                "false_positive_rate",
                "误报率",
                "false_positive / assessed",
                by_state.get("false_positive", 0),
                (await session.execute(judged)).scalar_one(),
            ),
        ),
    )


async def _counts(session: AsyncSession, query: Select[str, int]) -> dict[str, int]:
    return {name: number for name, number in (await session.execute(query)).all()}  # noqa: C416 - a Result has keys
