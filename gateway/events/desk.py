"""What a person does with alerts. Each act is one transaction: state, flow, outbox and audit row together.

A window that has lapsed counts even before the sweep has come by: such an alert is promoted first, then judged.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.events.alert_states import ACTION_OF, UNDECIDED, Verdict, deadline, next_state
from gateway.events.announcing import Announcer, Changes
from gateway.events.event_desk import seen_event, stale
from gateway.events.event_records import add_flow, held_event
from gateway.events.event_states import ENDS, OPEN
from gateway.events.opening import Opening
from gateway.events.shown import AlertShown, shown_alert
from gateway.events.suppressions import suppress
from gateway.events.windows import windows_of
from gateway.refusals import Refusal
from gateway.settings import WindowSettings
from gateway.storage.tables.events import AlertRow


@dataclass(frozen=True, slots=True)
class Assessment:
    """A judgement. ``merged`` names what the alert is merged into: another alert's id, or an event's number."""

    verdict: Verdict
    reason: str = ""
    into_alert: str | None = None
    into_event: str | None = None


class DutyDesk:
    """Acknowledge and assess. ``revision`` is the one the caller looked at; None where it does not matter to them."""

    def __init__(self, announcer: Announcer, opening: Opening, windows: WindowSettings) -> None:
        self._announcer = announcer
        self._opening = opening
        self._windows = windows

    async def acknowledge(self, caller: Caller, alert_id: str, revision: int | None = None) -> AlertShown:
        """研判: the caller attends to the alert, and one assessment window begins."""

        async def work(session: AsyncSession, changes: Changes) -> AlertShown:
            alert = await _alert(session, caller, alert_id)
            _same_revision(alert, revision)
            if alert.due_at is not None and alert.due_at <= changes.at:
                raise Refusal(
                    "conflict",
                    "window_lapsed",
                    "处理时限已过，预警正在转为事件。",
                    "The window has lapsed; the alert is becoming an event.",
                    field="state",
                )
            alert.state = next_state(alert.state, "acknowledge")
            alert.acknowledged_by = caller.username
            conduct = await self._opening.conduct(session, alert.platform, alert.class_code, changes.at)
            alert.assess_until = changes.at + windows_of(self._windows, alert.hazard, conduct).assess
            alert.due_at = deadline(alert.state, alert.acknowledge_until, alert.assess_until)
            await session.flush()
            changes.alert(alert, "alert.changed")
            _audit(caller, "alert.acknowledge", alert, changes)
            return await shown_alert(session, alert)

        return await self._announcer.commit(work)

    async def assess(
        self, caller: Caller, alert_id: str, assessment: Assessment, revision: int | None = None
    ) -> AlertShown:
        """属实、误报、合并. A false positive needs a reason; on an opened event it proposes not to accept it."""

        async def work(session: AsyncSession, changes: Changes) -> AlertShown:
            alert = await _alert(session, caller, alert_id)
            _same_revision(alert, revision)
            next_state(alert.state, ACTION_OF[assessment.verdict])
            if alert.state in UNDECIDED and alert.due_at is not None and alert.due_at <= changes.at:
                await self._opening.promote(session, alert, changes)
            alert.assessed_by, alert.assessed_at = caller.username, changes.at
            alert.reason = assessment.reason.strip()
            if assessment.verdict == "confirmed":
                opinion = alert.reason
                await self._opening.confirm(session, alert, changes, operator=caller.username, opinion=opinion)
            elif assessment.verdict == "false_positive":
                await self._reject(session, caller, alert, changes)
            else:
                await self._merge(session, caller, alert, assessment, changes)
            _audit(caller, f"alert.{ACTION_OF[assessment.verdict]}", alert, changes, alert.reason)
            await session.refresh(alert)
            return await shown_alert(session, alert)

        return await self._announcer.commit(work)

    async def _reject(self, session: AsyncSession, caller: Caller, alert: AlertRow, changes: Changes) -> None:
        if not alert.reason:
            raise Refusal(
                "invalid", "reason_missing", "判为误报须填写理由。", "A false positive needs a reason.", field="reason"
            )
        alert.state = next_state(alert.state, "reject")
        alert.due_at = None
        await session.flush()
        await suppress(session, alert, caller.username, changes.at)
        changes.alert(alert, "alert.changed")
        event = await held_event(session, alert.event_no) if alert.event_no is not None else None
        if event is not None and event.state in OPEN:
            opinion = f"预警判为误报，建议不予受理：{alert.reason}"
            await add_flow(session, event, event.state, "propose_not_accept", caller.username, opinion, changes.at)
            changes.event(event, "event.changed")

    async def _merge(
        self, session: AsyncSession, caller: Caller, alert: AlertRow, assessment: Assessment, changes: Changes
    ) -> None:
        if (assessment.into_alert is None) == (assessment.into_event is None):
            raise Refusal(
                "invalid",
                "merge_target_missing",
                "请指明并入的预警或事件（二者之一）。",
                "Say into which alert or which event (one of them) it is merged.",
                field="merge_into",
            )
        if assessment.into_event is not None:
            event = await seen_event(session, caller, assessment.into_event)
            if event.state in ENDS:
                raise _not_to_be_merged_into()
            await self._opening.link(
                session, alert, event, changes, "merge", operator=caller.username, opinion=alert.reason
            )
            return
        target = await _alert(session, caller, assessment.into_alert or "")
        if target.id == alert.id or target.state in ("merged", "false_positive"):
            raise _not_to_be_merged_into()
        alert.state = next_state(alert.state, "merge")
        alert.due_at, alert.merged_into, alert.event_no = None, target.id, target.event_no
        # What had been merged into this one goes with it.
        await session.flush()
        await session.execute(
            update(AlertRow)
            .where(AlertRow.merged_into == alert.id)
            .values(merged_into=target.id, event_no=target.event_no)
        )
        changes.alert(alert, "alert.changed")


def _same_revision(row: AlertRow, revision: int | None) -> None:
    if revision is not None and row.revision != revision:
        raise stale()


async def _alert(session: AsyncSession, caller: Caller, alert_id: str) -> AlertRow:
    query = select(AlertRow).where(AlertRow.id == alert_id, caller.visible(AlertRow.platform)).with_for_update()
    found = await session.scalar(query)
    if found is None:
        raise Refusal("not_found", "alert_unknown", "没有这条预警。", "There is no such alert.", field="alert_id")
    return found


def _audit(caller: Caller, what: str, alert: AlertRow, changes: Changes, why: str = "") -> None:
    changes.audit(audit.Act(caller.username, what, f"alert:{alert.id}", alert.platform, why))


def _not_to_be_merged_into() -> Refusal:
    return Refusal(
        "conflict",
        "merge_target_unfit",
        "不能并入该预警或事件：它已结束、已合并或已判为误报。",
        "It cannot be merged into that: it has ended, is merged itself, or was a false positive.",
        field="merge_into",
    )
