"""The event service of a virtual camera (ONVIF Core, 9): pull-point subscriptions, renewed, ended and forgotten.

Properties keep their last value; a subscription begins with all of them, as does SetSynchronizationPoint.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from gateway.virtual.soap import Fault, Request

Topic = Literal["motion", "tamper", "digital_input"]
TOPICS: dict[Topic, tuple[str, str, str, str]] = {
    "motion": ("tns1:RuleEngine/CellMotionDetector/Motion", "VideoSourceConfigurationToken", "vsc", "IsMotion"),
    "tamper": ("tns1:VideoSource/GlobalSceneChange/ImagingService", "Source", "vs", "State"),
    "digital_input": ("tns1:Device/Trigger/DigitalInput", "InputToken", "input-1", "LogicalState"),
}
"""Topic, name and value of the source, name of the value."""
MOST_SUBSCRIPTIONS = 10
MOST_WAITING = 100
LONGEST_PULL = timedelta(seconds=60)
FIRST_LIFE = timedelta(seconds=60)
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")

Clock = Callable[[], datetime]


def duration(text: str) -> timedelta:
    """An xs:duration of days and less. Raises ``Fault``."""
    match = _DURATION.fullmatch(text)
    if match is None or text in ("P", "PT"):
        raise Fault("ter:InvalidArgVal", "not a duration")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


@dataclass(slots=True)
class Subscription:
    until: datetime
    waiting: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    came: asyncio.Event = field(default_factory=asyncio.Event)


class PullPoints:
    """``clock`` is the device's own. ``relative_times_refused``: only absolute termination times are taken."""

    def __init__(self, clock: Clock, *, relative_times_refused: bool = False) -> None:
        self._clock = clock
        self._relative_times_refused = relative_times_refused
        self._subscriptions: dict[str, Subscription] = {}
        self._values: dict[Topic, bool] = dict.fromkeys(TOPICS, False)
        self.created = 0

    @property
    def open(self) -> int:
        """Subscriptions that have not ended."""
        self._let_go()
        return len(self._subscriptions)

    def set(self, topic: Topic, value: bool) -> None:
        """A property changes; every subscription hears of it."""
        if self._values[topic] == value:
            return
        self._values[topic] = value
        self._let_go()
        for subscription in self._subscriptions.values():
            self._offer(subscription, self._message(topic, "Changed"))

    def forget_all(self) -> None:
        """As after a restart of the device."""
        for subscription in self._subscriptions.values():
            subscription.came.set()
        self._subscriptions.clear()

    async def answer(self, request: Request, door: str) -> str | None:
        """None for what the service does not know. ``door``: address under which subscriptions get one of their own.
        Raises ``Fault``."""
        match request.operation:
            case "tev:GetServiceCapabilities":
                return (
                    '<tev:GetServiceCapabilitiesResponse><tev:Capabilities WSPullPointSupport="true" '
                    f'MaxPullPoints="{MOST_SUBSCRIPTIONS}"/></tev:GetServiceCapabilitiesResponse>'
                )
            case "tev:GetEventProperties":
                return _properties()
            case "tev:CreatePullPointSubscription":
                return self._create(request, door)
            case "tev:PullMessages":
                return await self._pull(request)
            case "tev:SetSynchronizationPoint":
                self._begin(self._of(request)[1])
                return "<tev:SetSynchronizationPointResponse/>"
            case "wsnt:Renew":
                subscription = self._of(request)[1]
                subscription.until = self._termination(request.text("wsnt:TerminationTime"), "Unacceptable")
                return f"<wsnt:RenewResponse>{self._times(subscription, 'wsnt')}</wsnt:RenewResponse>"
            case "wsnt:Unsubscribe":
                name, subscription = self._of(request)
                del self._subscriptions[name]
                subscription.came.set()
                return "<wsnt:UnsubscribeResponse/>"
            case _:
                return None

    def _create(self, request: Request, door: str) -> str:
        self._let_go()
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            raise Fault("ter:TooManySubscriptions", "Maximum number of pull points", code="s:Receiver", status=500)
        until = self._termination(request.text("tev:InitialTerminationTime"), "UnacceptableInitial")
        name, subscription = secrets.token_hex(8), Subscription(until)
        self._subscriptions[name] = subscription
        self.created += 1
        self._begin(subscription)
        return (
            f"<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference><wsa:Address>{door}/{name}"
            f"</wsa:Address></tev:SubscriptionReference>{self._times(subscription, 'wsnt')}"
            "</tev:CreatePullPointSubscriptionResponse>"
        )

    async def _pull(self, request: Request) -> str:
        name, subscription = self._of(request)
        limit = request.text("tev:MessageLimit") or "1"
        if not limit.isdecimal():
            raise Fault("ter:InvalidArgVal", "not a limit")
        lasting = min(LONGEST_PULL, duration(request.text("tev:Timeout") or "PT1S"))
        if not subscription.waiting:
            subscription.came.clear()
            try:
                async with asyncio.timeout(lasting.total_seconds()):
                    await subscription.came.wait()
            except TimeoutError:
                pass
        if name not in self._subscriptions:
            raise _gone()
        taken = [subscription.waiting.popleft() for _ in range(min(max(1, int(limit[:9])), len(subscription.waiting)))]
        return (
            f"<tev:PullMessagesResponse>{self._times(subscription, 'tev')}{''.join(taken)}</tev:PullMessagesResponse>"
        )

    def _of(self, request: Request) -> tuple[str, Subscription]:
        self._let_go()
        name = request.path.rpartition("/")[2]
        if name not in self._subscriptions:
            raise _gone()
        return name, self._subscriptions[name]

    def _let_go(self) -> None:
        now = self._clock()
        for name in [name for name, one in self._subscriptions.items() if one.until <= now]:
            self._subscriptions.pop(name).came.set()

    def _begin(self, subscription: Subscription) -> None:
        for topic in TOPICS:
            self._offer(subscription, self._message(topic, "Initialized"))

    def _offer(self, subscription: Subscription, message: str) -> None:
        subscription.waiting.append(message)
        subscription.came.set()

    def _termination(self, told: str, fault: str) -> datetime:
        now = self._clock()
        if not told:
            return now + FIRST_LIFE
        try:
            if told.startswith("P"):
                if self._relative_times_refused:
                    raise ValueError("relative")
                return now + duration(told)
            until = datetime.fromisoformat(told)
        except ValueError as error:
            raise Fault(f"wsnt:{fault}TerminationTimeFault", "unacceptable time", status=500) from error
        until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
        if until <= now:
            raise Fault(f"wsnt:{fault}TerminationTimeFault", "the time has passed", status=500)
        return until

    def _times(self, subscription: Subscription, prefix: str) -> str:
        return (
            f"<{prefix}:CurrentTime>{_utc(self._clock())}</{prefix}:CurrentTime>"
            f"<{prefix}:TerminationTime>{_utc(subscription.until)}</{prefix}:TerminationTime>"
        )

    def _message(self, topic: Topic, operation: str) -> str:
        name, source, token, value = TOPICS[topic]
        return (
            '<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
            f'{name}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="{_utc(self._clock())}" '
            f'PropertyOperation="{operation}"><tt:Source><tt:SimpleItem Name="{source}" Value="{token}"/></tt:Source>'
            f'<tt:Data><tt:SimpleItem Name="{value}" Value="{str(self._values[topic]).lower()}"/></tt:Data>'
            "</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
        )


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _gone() -> Fault:
    return Fault("wsnt:ResourceUnknownFault", "no such subscription", status=500)


def _properties() -> str:
    dialect = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
    return (
        "<tev:GetEventPropertiesResponse><tev:TopicNamespaceLocation>http://www.onvif.org/onvif/ver10/topics/topicns.xml"
        "</tev:TopicNamespaceLocation><wsnt:FixedTopicSet>true</wsnt:FixedTopicSet>"
        '<wstop:TopicSet xmlns:wstop="http://docs.oasis-open.org/wsn/t-1">'
        f"{''.join(_topic(name) for name, *_ in TOPICS.values())}</wstop:TopicSet>"
        f"<wsnt:TopicExpressionDialect>{dialect}</wsnt:TopicExpressionDialect>"
        "<tev:MessageContentFilterDialect>http://www.onvif.org/ver10/tev/messageContentFilter/ItemFilter"
        "</tev:MessageContentFilterDialect><tev:MessageContentSchemaLocation>"
        "http://www.onvif.org/onvif/ver10/schema/onvif.xsd</tev:MessageContentSchemaLocation>"
        "</tev:GetEventPropertiesResponse>"
    )


def _topic(name: str) -> str:
    """A topic as nested elements, as a TopicSet has it."""
    *parents, last = name.split("/")
    told = f'<{last} wstop:topic="true"/>'
    for parent in reversed(parents):
        told = f"<{parent}>{told}</{parent}>"
    return told
