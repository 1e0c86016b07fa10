"""What a camera itself reports (ONVIF Core, 9): a pull point subscribed to, renewed, and created anew after its loss.

Topics are named by the ONVIF topic set; what a topic means to us (motion, tamper, digital input) is one table. Devices
that refuse a relative termination time are given an absolute one, in their own clock.
"""

from __future__ import annotations

import re
import uuid
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from camera_registry import reasons
from camera_registry.errors import CameraRefused
from camera_registry.onvif_session import OnvifSession, Unsupported
from camera_registry.soap_call import SPACES, element, find, text_at
from camera_registry.ws_discovery import printable

LIFE = timedelta(seconds=60)
RENEW_AFTER = timedelta(seconds=30)
PULL_SECONDS = 10
"""How long the device may wait for an event before it answers with none."""
MESSAGE_LIMIT = 32
_PULL_POINT = "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription"
_CREATE = "http://www.onvif.org/ver10/events/wsdl/EventPortType/CreatePullPointSubscriptionRequest"
_MANAGER = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager"
_IS_REFERENCE = f"{{{SPACES['a']}}}IsReferenceParameter"

EventKind = Literal["motion", "tamper", "digital_input"]

KINDS: tuple[tuple[str, EventKind], ...] = (
    ("RuleEngine/CellMotionDetector/Motion", "motion"),
    ("RuleEngine/MotionRegionDetector/Motion", "motion"),
    ("VideoAnalytics/Motion", "motion"),
    ("VideoSource/MotionAlarm", "motion"),
    ("RuleEngine/TamperDetector/Tamper", "tamper"),
    ("VideoSource/GlobalSceneChange", "tamper"),
    ("VideoSource/ImageTooDark", "tamper"),
    ("VideoSource/ImageTooBright", "tamper"),
    ("VideoSource/ImageTooBlurry", "tamper"),
    ("Device/Trigger/DigitalInput", "digital_input"),
)
"""The beginning of a topic's path, its prefixes taken off, and what it means."""


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """``state``: whether the condition holds, None where no truth value is told; ``at``: by the device's own clock.

    ``initial``: its state as the subscription began, no change.
    """

    kind: EventKind
    topic: str
    state: bool | None
    source: str
    at: datetime | None
    initial: bool


class PullPoint:
    """One subscription through ``session``, which must bear answers that come after ``PULL_SECONDS``.

    ``await create()`` first; then ``await pull()`` in a loop, which renews what is half over. Raises ``Unsupported``
    where the subscription is lost (create it anew), and ``CameraRefused``.
    """

    def __init__(self, session: OnvifSession) -> None:
        self._session = session
        self._address = ""
        self._references: list[Any] = []
        self._absolute = False
        self._renew_at = datetime.min.replace(tzinfo=UTC)
        self._renewable = True

    async def create(self) -> None:
        """Subscribe to everything; what is not in ``KINDS`` is left unread. Raises ``events_refused``."""
        try:
            answer = await self._created()
        except Unsupported as error:
            raise CameraRefused(reasons.EVENTS_REFUSED, detail=str(error)) from error
        reference = find(answer, "tev:SubscriptionReference")
        address = "" if reference is None else str(reference.findtext("{*}Address") or "").strip()
        repaired = self._session.repaired(address)
        if repaired is None:
            raise CameraRefused(reasons.ANSWER_INVALID, detail="no subscription")
        self._address = repaired
        parameters = reference.find("{*}ReferenceParameters")
        self._references = [] if parameters is None else [deepcopy(one) for one in parameters][:8]
        for one in self._references:
            one.set(_IS_REFERENCE, "true")
        self._renew_at = self._session.now() + RENEW_AFTER
        self._renewable = True

    async def pull(self) -> tuple[DeviceEvent, ...]:
        """What has come; after ``PULL_SECONDS`` at the latest, perhaps nothing."""
        if self._renewable and self._session.now() >= self._renew_at:
            await self._renew()
        body = element(
            "tev:PullMessages",
            element("tev:Timeout", text=f"PT{PULL_SECONDS}S"),
            element("tev:MessageLimit", text=str(MESSAGE_LIMIT)),
        )
        answer = await self._ask(f"{_PULL_POINT}/PullMessagesRequest", body)
        messages = answer.findall("wsnt:NotificationMessage", SPACES)[: 4 * MESSAGE_LIMIT]
        return tuple(event for one in messages if (event := event_of(one)) is not None)

    async def synchronise(self) -> None:
        """Ask for the state of every property anew; a device without SetSynchronizationPoint tells changes only."""
        try:
            body = element("tev:SetSynchronizationPoint")
            await self._ask(f"{_PULL_POINT}/SetSynchronizationPointRequest", body)
        except Unsupported:
            return

    async def end(self) -> None:
        """Unsubscribe, so that the device's few places are free again."""
        if self._address:
            await self._ask(f"{_MANAGER}/UnsubscribeRequest", element("wsnt:Unsubscribe"))
            self._address = ""

    async def _created(self) -> Any:
        try:
            return await self._ask_for_one()
        except Unsupported:
            if self._absolute:
                raise
            self._absolute = True
            return await self._ask_for_one()

    async def _ask_for_one(self) -> Any:
        """With WS-Addressing (Core, 9.1), which some devices insist on."""
        headers = [
            element("a:Action", text=_CREATE),
            element("a:MessageID", text=f"urn:uuid:{uuid.uuid4()}"),
        ]
        return await self._session.ask("tev", _subscription(self._termination()), headers=headers)

    async def _renew(self) -> None:
        try:
            await self._ask(
                f"{_MANAGER}/RenewRequest",
                element("wsnt:Renew", element("wsnt:TerminationTime", text=self._termination())),
            )
        except Unsupported as error:
            if "ResourceUnknownFault" in error.codes or self._absolute:
                # Some devices keep a subscription while it is pulled and know no Renew; a lost one shows at the pull.
                self._renewable = False
            self._absolute = True
            return
        self._renew_at = self._session.now() + RENEW_AFTER

    def _termination(self) -> str:
        if not self._absolute:
            return f"PT{int(LIFE.total_seconds())}S"
        return f"{self._session.device_now().astimezone(UTC) + LIFE:%Y-%m-%dT%H:%M:%SZ}"

    async def _ask(self, action: str, body: Any) -> Any:
        headers = [
            element("a:Action", text=action),
            element("a:MessageID", text=f"urn:uuid:{uuid.uuid4()}"),
            element("a:To", text=self._address),
            *(deepcopy(one) for one in self._references),
        ]
        return await self._session.ask("tev", body, address=self._address, headers=headers)


def event_of(message: Any) -> DeviceEvent | None:
    """A ``wsnt:NotificationMessage`` as an event; None for topics that mean nothing to us."""
    topic = "/".join(part.rpartition(":")[2] for part in text_at(message, "wsnt:Topic").split("/"))
    kind = next((kind for start, kind in KINDS if topic == start or topic.startswith(f"{start}/")), None)
    told = find(message, "wsnt:Message/tt:Message")
    if kind is None or told is None:
        return None
    sources = [item.get("Value", "") for item in told.iterfind("tt:Source/tt:SimpleItem", SPACES)]
    values = [item.get("Value", "") for item in told.iterfind("tt:Data/tt:SimpleItem", SPACES)]
    return DeviceEvent(
        kind,
        printable(topic),
        next((state for value in values if (state := _truth(value)) is not None), None),
        printable(" ".join(sources)),
        _time(str(told.get("UtcTime", ""))),
        str(told.get("PropertyOperation", "")) == "Initialized",
    )


def _subscription(termination: str) -> Any:
    return element("tev:CreatePullPointSubscription", element("tev:InitialTerminationTime", text=termination))


def _truth(text: str) -> bool | None:
    """An xs:boolean, or what devices write for one."""
    return {"true": True, "1": True, "active": True, "false": False, "0": False, "inactive": False}.get(text.lower())


def _time(text: str) -> datetime | None:
    """An xs:dateTime; devices write more digits of a second than Python reads."""
    bare = re.sub(r"\.\d+", "", text.strip())
    try:
        at = datetime.fromisoformat(bare)
    except ValueError:
        return None
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:
        return None
