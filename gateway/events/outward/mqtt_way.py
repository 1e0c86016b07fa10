"""To an MQTT 5 broker: one connection for each receiver, QoS 1, CloudEvents in the MQTT binding.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/mqtt-protocol-binding.md. A retained topic says
``online`` while the connection stands; the broker itself says ``offline`` for us when it breaks (will).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.events.outward.addresses import Broker, BrokerPlaces
from gateway.events.outward.mqtt_options import MqttOptions, filled, topic_values
from gateway.events.outward.standard_webhooks import compact
from gateway.events.outward.ways import Letter, Outcome, Receiver, WayLost
from gateway.refusals import Refusal

CONNECT_SECONDS = 5.0
KEEPALIVE_SECONDS = 20
AT_ONCE = 16
ONLINE, OFFLINE = "online", "offline"


@dataclass(frozen=True, slots=True)
class MqttWays:
    places: BrokerPlaces
    try_seconds: float

    @asynccontextmanager
    async def open(self, receiver: Receiver) -> AsyncIterator[MqttWay]:
        """A connection; raises ``WayLost`` with the reason where there is none."""
        options = MqttOptions.model_validate(receiver.options)
        try:
            broker = self.places.checked(receiver.address)
        except Refusal as refusal:
            raise WayLost(refusal.reason) from None
        context = await asyncio.to_thread(_context, options) if broker.tls else None
        literal = await _reachable(self.places, broker, context, options.pin)
        status_topic = filled(options.status_topic, {"platform": receiver.platform})
        client = _Client(
            broker.host if broker.tls else literal,
            broker.port,
            identifier=f"gateway-{receiver.id}",
            protocol=aiomqtt.ProtocolVersion.V5,
            username=options.username or None,
            password=(receiver.secret or None) if options.username else None,
            will=aiomqtt.Will(status_topic, OFFLINE, qos=1, retain=True),
            tls_context=context,
            timeout=self.try_seconds,
            keepalive=KEEPALIVE_SECONDS,
            max_inflight_messages=AT_ONCE,
            max_queued_outgoing_messages=2 * AT_ONCE,
        )
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as error:
            raise WayLost(_reason(error)) from None
        try:
            with suppress(aiomqtt.MqttError):  # a broker may keep this topic to others; the messages still go
                await client.deliver(status_topic, ONLINE.encode(), retain=True)
            yield MqttWay(client, receiver, options)
        finally:
            with suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(2):
                    if client.lost is None:
                        await client.deliver(status_topic, OFFLINE.encode(), retain=True)
                    await client.__aexit__(None, None, None)


@dataclass(slots=True)
class MqttWay:
    client: _Client
    receiver: Receiver
    options: MqttOptions
    at_once: int = AT_ONCE

    def check(self) -> None:
        if self.client.lost is not None:
            raise WayLost(self.client.lost)

    async def send(self, letter: Letter) -> Outcome:
        event = letter.event
        platform = event.source.removeprefix("/platforms/")
        topic = filled(self.options.topic, topic_values(event.type, platform, event.data))
        body, properties = _form(letter, self.options.mode)
        try:
            answer = await self.client.deliver(topic, body, properties=properties)
        except aiomqtt.MqttError as error:
            raise WayLost(_reason(error)) from None
        if answer.is_failure:
            return Outcome(answer.value, f"mqtt_refused: {answer.getName()}"[:200])
        return Outcome(answer.value, None)


class _Client(aiomqtt.Client):
    """aiomqtt drops the broker's answer to a publication, so one that the broker refused (no right to the topic, over
    its quota) would look delivered. The seams are the paho client, its callback and the future of the connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._answers: dict[int, asyncio.Future[ReasonCode]] = {}

    @property
    def lost(self) -> str | None:
        """Why the connection has ended; None while it stands."""
        if not self._disconnected.done():
            return None
        return _reason(self._disconnected.exception())

    async def deliver(
        self, topic: str, body: bytes, *, retain: bool = False, properties: Properties | None = None
    ) -> ReasonCode:
        """Publish at QoS 1 and wait for what the broker answers."""
        info = self._client.publish(topic, body, qos=1, retain=retain, properties=properties)
        if info.rc != 0:
            raise aiomqtt.MqttCodeError(info.rc)
        answer: asyncio.Future[ReasonCode] = asyncio.get_running_loop().create_future()
        self._answers[info.mid] = answer
        try:
            done, _ = await asyncio.wait(
                (answer, self._disconnected), timeout=self.timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self._answers.pop(info.mid, None)
        if answer in done:
            return answer.result()
        raise aiomqtt.MqttError("timeout" if not done else "connection lost")

    def _on_publish(
        self, client: PahoClient, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)


def _form(letter: Letter, mode: str) -> tuple[bytes, Properties]:
    """Payload and properties: the idempotency key is the user property ``id``, whatever the form."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves its constructor untyped
    if letter.binary:
        properties.ContentType = letter.media_type
        properties.UserProperty = list(letter.event.attributes().items())
        return letter.body, properties
    if letter.mapped or mode == "structured":
        properties.ContentType = letter.media_type
        properties.UserProperty = [("id", letter.event.id)]
        return letter.body, properties
    properties.ContentType = "application/json"
    properties.UserProperty = list(letter.event.attributes().items())
    return compact(letter.event.data), properties


class _PinnedSocket(ssl.SSLSocket):
    """Ends the handshake before anything is said where the certificate is another one than expected."""

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        pin = getattr(self.context, "pin", "")
        if not _is_pinned(self.getpeercert(binary_form=True), pin):
            raise ssl.SSLCertVerificationError("certificate_not_pinned")


class _PinningContext(ssl.SSLContext):
    pin: str = ""


def _context(options: MqttOptions) -> ssl.SSLContext:
    if options.pin:
        pinned = _PinningContext(ssl.PROTOCOL_TLS_CLIENT)
        pinned.check_hostname, pinned.verify_mode = False, ssl.CERT_NONE  # the pin says more than a chain would
        pinned.sslsocket_class = _PinnedSocket
        pinned.pin = options.pin
        return pinned
    return ssl.create_default_context(cadata=options.authority or None)


def _is_pinned(certificate: bytes | None, pin: str) -> bool:
    return certificate is not None and hmac.compare_digest(hashlib.sha256(certificate).hexdigest(), pin)


async def _reachable(places: BrokerPlaces, broker: Broker, context: ssl.SSLContext | None, pin: str) -> str:
    """A literal address at which the broker answers, TLS and all. The MQTT client connects in a thread and may hold it
    for seconds: a broker that is away must not cost one, since others need them."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            found = await loop.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
            literals = list(dict.fromkeys(str(entry[4][0]) for entry in found))
            if not literals or not all(places.allow(broker, literal) for literal in literals):
                raise WayLost("broker_address_refused")
            name = broker.host if context is not None else None
            _, writer = await asyncio.open_connection(literals[0], broker.port, ssl=context, server_hostname=name)
    except TimeoutError:
        raise WayLost("broker_timeout") from None
    except socket.gaierror:
        raise WayLost("broker_name_unknown") from None
    except ssl.SSLError as error:
        raise WayLost(_tls_reason(error)) from None
    except OSError:
        raise WayLost("broker_unreachable") from None
    try:
        tls = writer.get_extra_info("ssl_object")
        if pin and (tls is None or not _is_pinned(tls.getpeercert(binary_form=True), pin)):
            raise WayLost("certificate_not_pinned")
    finally:
        writer.transport.abort()
    return literals[0]


def _tls_reason(error: ssl.SSLError) -> str:
    return "certificate_refused" if isinstance(error, ssl.SSLCertVerificationError) else "tls_failed"


def _reason(error: BaseException | None) -> str:
    """What an operator may act on; never the address."""
    code = getattr(error, "rc", None)
    if isinstance(code, ReasonCode):
        return f"mqtt_refused: {code.getName()}"[:200]
    if isinstance(error, aiomqtt.MqttError) and str(error) == "timeout":
        return "timeout"
    return "broker_lost"
