"""Where receivers may stand. Pure; what a name stands for is looked at again when it is connected to."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from gateway.refusals import Refusal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LONGEST = 1000
MQTT_PORT, MQTTS_PORT = 1883, 8883  # IANA


def checked_url(url: str) -> str:
    """A webhook's address itself, or the refusal: https, or http to this machine; no credentials in it, no local
    network's special addresses (a cloud's metadata service answers there)."""
    parts = _split(url)
    host = parts.hostname or "" if parts is not None else ""
    address = _address(host)
    loopback = host == "localhost" or (address is not None and address.is_loopback)
    fair = parts is not None and (parts.scheme == "https" or (parts.scheme == "http" and loopback))
    if not fair or parts is None or not _clean(url, parts) or _special(address):
        raise Refusal(
            "invalid",
            "receiver_address_refused",
            "地址须为 https://…，或本机的 http://…，不得含用户名、口令、片段或特殊网段地址。",
            "An address is https://…, or http://… to this machine, without credentials, fragment or special address.",
            field="address",
        )
    return url


@dataclass(frozen=True, slots=True)
class Broker:
    """An MQTT broker: ``host`` is a name or a literal address."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class BrokerPlaces:
    """``networks``: where brokers may stand; ``plain``: where they may stand without TLS."""

    networks: tuple[Network, ...]
    plain: tuple[Network, ...]

    def checked(self, text: str) -> Broker:
        """``mqtts://host[:port]`` or ``mqtt://host[:port]`` taken apart. A literal address is checked at once."""
        parts = _split(text)
        if parts is None or parts.scheme not in ("mqtt", "mqtts") or not _clean(text, parts):
            raise _broker_refused()
        if parts.path not in ("", "/") or parts.query:
            raise _broker_refused()
        tls = parts.scheme == "mqtts"
        broker = Broker(parts.hostname or "", parts.port or (MQTTS_PORT if tls else MQTT_PORT), tls)
        if _address(broker.host) is not None and not self.allow(broker, broker.host):
            raise _broker_refused()
        return broker

    def allow(self, broker: Broker, literal: str) -> bool:
        """Whether the broker may be spoken to at this literal address."""
        address = _address(literal.partition("%")[0])
        if address is None or _special(address):
            return False
        return _within(address, self.networks) and (broker.tls or _within(address, self.plain))


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        return parts if parts.port is None or parts.port > 0 else None
    except ValueError:
        return None


def _clean(text: str, parts: SplitResult) -> bool:
    plain = parts.username is None and parts.password is None and not parts.fragment
    return plain and bool(parts.hostname) and len(text) <= LONGEST and text.isprintable() and " " not in text


def _special(address: Address | None) -> bool:
    return address is not None and (address.is_link_local or address.is_multicast or address.is_unspecified)


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _broker_refused() -> Refusal:
    return Refusal(
        "invalid",
        "broker_address_refused",
        "MQTT 地址须为 mqtts://主机[:端口]，并在设置 receivers.networks 允许的网段内；mqtt://（不加密）只限"
        " receivers.plain_networks 内的网段。",
        "A broker's address is mqtts://host[:port] within the setting receivers.networks; mqtt:// (not encrypted) only"
        " within receivers.plain_networks.",
        field="address",
    )
