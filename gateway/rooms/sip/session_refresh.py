"""Keeps the session timers of calls (RFC 4028, 10): refreshes where that is ours, else waits for the other side to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from sipmessage import MediaType, Response

from gateway.rooms.sip.dialog import Call
from gateway.rooms.sip.session_timer import SessionTimer, agreed, least_of, put_into_request
from gateway.rooms.sip.steps import Steps
from gateway.rooms.sip.transactions import Transactions
from gateway.rooms.sip.transport import SipTransport

log = structlog.get_logger(__name__)

MOST_TRIES = 3
AGAIN_AFTER = 2.0
"""Seconds; two sides that refresh at once do not meet again (RFC 3261, 14.1)."""
_UNKNOWN_METHOD = (405, 501)
_NO_CALL = (408, 481)


class SessionRefresh:
    """``lapsed`` hears of a call that was not refreshed in time."""

    def __init__(
        self, transport: SipTransport, transactions: Transactions, steps: Steps, lapsed: Callable[[Call], None]
    ) -> None:
        self._transport = transport
        self._transactions = transactions
        self._steps = steps
        self._lapsed = lapsed

    def agree(self, call: Call, timer: SessionTimer | None) -> None:
        """From now on this holds, and the interval begins anew."""
        self.stop(call)
        call.timer = timer
        if timer is not None and not call.over:
            call.due = asyncio.get_running_loop().call_later(timer.acts_after, self._due, call, timer)

    def stop(self, call: Call) -> None:
        if call.due is not None:
            call.due.cancel()
            call.due = None

    def _due(self, call: Call, timer: SessionTimer) -> None:
        if timer.ours:
            self._steps.begin(self._refresh(call, timer))
        else:
            self._lapsed(call)

    async def _refresh(self, call: Call, timer: SessionTimer) -> None:
        before, interval = timer, timer.interval
        for _ in range(MOST_TRIES):
            try:
                async with asyncio.timeout(timer.answers_within):
                    response = await self._asked(call, interval)
            except TimeoutError:
                break
            if call.over or call.timer is not before:  # ended, or refreshed by the other side, meanwhile
                return
            if response.code < 300:
                self.agree(call, agreed(response, SessionTimer(interval, ours=True)))
                return
            if response.code in _NO_CALL:
                break
            if response.code == 422:
                interval = max(interval, least_of(response))
            elif response.code in _UNKNOWN_METHOD and call.takes_update:
                call.takes_update = False
            else:
                await asyncio.sleep(min(AGAIN_AFTER, interval / 10))
        if not call.over and call.timer is before:
            self._lapsed(call)

    async def _asked(self, call: Call, interval: int) -> Response:
        host, port = self._transport.host_toward(call.way), self._transport.port
        request = call.request("UPDATE" if call.takes_update else "INVITE", host, port)
        put_into_request(request, interval, refresher="uac")
        if call.takes_update:
            return await self._transactions.ask(request, call.way)
        request.content_type = MediaType("application/sdp")
        request.body = call.answer  # unchanged, and so are the media (RFC 3264, 8)
        request.headers.set("Content-Length", str(len(call.answer)))
        response = await self._transactions.invite(request, call.way, lambda _provisional: None)
        if response.code < 300:
            acknowledgement = bytes(call.acknowledgement(request, host, port))
            call.way.send(acknowledgement)
            self._transactions.acknowledge_again(request, call.way, acknowledgement)
        return response
