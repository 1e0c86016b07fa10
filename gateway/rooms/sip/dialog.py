"""A call as SIP sees it: its dialog (RFC 3261, 12), and the requests and answers that are made of it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sipmessage import URI, Address, CSeq, Parameters, Request, Response, Via

from gateway.rooms.conference_network import Arrival
from gateway.rooms.sip.call_media import CallMedia
from gateway.rooms.sip.session_timer import SessionTimer
from gateway.rooms.sip.transactions import Way, new_branch

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REGISTER"
PHRASES = {
    100: "Trying", 200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 422: "Session Interval Too Small", 481: "Call/Transaction Does Not Exist",
    486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
    500: "Server Internal Error", 503: "Service Unavailable",
}  # fmt: skip


@dataclass(slots=True)
class Call:
    """A dialog with its media. ``arrival`` is set once the rooms have taken it in; ``answer``: our SDP as agreed."""

    call_id: str
    local: Address
    remote: Address
    target: URI
    routes: list[Address]
    way: Way
    remote_sequence: int
    sequence: int = 0
    media: CallMedia | None = None
    arrival: Arrival | None = None
    answer: bytes = b""
    session_id: int = field(default_factory=lambda: secrets.randbelow(1 << 31))
    version: int = 0
    """Of our SDP: its o= line (RFC 3264, 8)."""
    takes_update: bool = False
    """Whether its session can be refreshed by UPDATE; else by INVITE."""
    timer: SessionTimer | None = None
    due: asyncio.TimerHandle | None = None
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.call_id, str(self.local.parameters.get("tag"))

    @classmethod
    def of(cls, request: Request, way: Way) -> Call:
        """The dialog that an INVITE from outside begins."""
        contact = request.contact
        tag = secrets.token_hex(8)
        local = Address(request.to_address.uri, "", request.to_address.parameters.replace(tag=tag))
        target = contact[0].uri if contact else request.from_address.uri
        return cls(
            request.call_id, local, request.from_address, target, request.record_route, way, request.cseq.sequence,
            takes_update=_takes_update(request),
        )  # fmt: skip

    @classmethod
    def begun_by(cls, invite: Request, response: Response, way: Way) -> Call:
        """The dialog that an INVITE of ours began, as the answer to it has it."""
        contacts = response.contact
        target = contacts[0].uri if contacts else invite.uri
        routes = list(reversed(response.record_route))
        return cls(
            invite.call_id, invite.from_address, response.to_address, target, routes, way, 0, invite.cseq.sequence,
            takes_update=_takes_update(response),
        )  # fmt: skip

    def request(self, method: str, host: str, port: int) -> Request:
        """The next request of ours in it; ``host`` and ``port`` are where we are reached."""
        self.sequence += 1
        request = Request(method, self.target)
        request.via = [Via(self.way.transport, host, port, Parameters(branch=new_branch(), rport=None))]
        request.headers.set("Max-Forwards", "70")
        request.from_address = self.local
        request.to_address = self.remote
        request.headers.set("Call-ID", self.call_id)
        request.cseq = CSeq(self.sequence, method)
        if self.routes:
            request.route = self.routes
        request.contact = [contact(self.way, host, port)]
        request.headers.set("Content-Length", "0")
        return request

    def acknowledgement(self, invite: Request, host: str, port: int) -> Request:
        """Of the answer to an INVITE of ours: a request of its own, with the number of that (RFC 3261, 13.2.2.4)."""
        request = self.request("ACK", host, port)
        self.sequence -= 1
        request.cseq = CSeq(invite.cseq.sequence, "ACK")
        return request


def _takes_update(message: Request | Response) -> bool:
    return "UPDATE" in ",".join(message.headers.getlist("Allow")).upper()


def contact(way: Way, host: str, port: int) -> Address:
    parameters = Parameters(transport="tcp") if way.transport == "TCP" else Parameters()
    return Address(URI("sip", host, "gateway", None, port, parameters))


def response_to(request: Request, code: int, *, tag: bool = True, reason: str | None = None) -> Response:
    """``reason``: said in a Warning."""
    response = Response(code, PHRASES[code])
    response.headers.setlist("Via", request.headers.getlist("Via"))
    for route in request.headers.getlist("Record-Route"):
        response.headers.add("Record-Route", route)
    response.headers.set("From", request.headers["From"])
    to = request.to_address
    if tag and to.parameters.get("tag") is None:
        to = Address(to.uri, to.name, to.parameters.replace(tag=secrets.token_hex(8)))
    response.to_address = to
    response.headers.set("Call-ID", request.call_id)
    response.headers.set("CSeq", request.headers["CSeq"])
    response.headers.set("Server", "grid-video-gateway")
    if reason is not None:
        response.headers.set("Warning", f'399 gateway "{reason}"')
    response.headers.set("Content-Length", "0")
    return response


class CallLine:
    """A call's media as the rooms hold it: closing it hangs up."""

    def __init__(self, media: CallMedia, hang_up: Callable[[], None]) -> None:
        self._media = media
        self._hang_up = hang_up
        self.bus = media.bus
        self.sound = media.sound
        self.sound_codec = media.sound_codec

    @property
    def sends(self) -> bool:
        return self._media.sends

    @property
    def heard_at(self) -> float | None:
        return self._media.heard_at

    def ask_keyframe(self) -> None:
        self._media.ask_keyframe()

    def show(self, bus: Any) -> None:
        self._media.show(bus)

    def play(self, data: bytes) -> None:
        self._media.play(data)

    async def close(self) -> None:
        self._hang_up()
