"""The messages of WS-Discovery (2005/04, as ONVIF uses it): probes written, matches read. Pure; packets are hostile."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

GROUP, PORT = "239.255.255.250", 3702
SPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "d": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
}
TYPES = ("dn:NetworkVideoTransmitter", "tds:Device")
"""What cameras call themselves (ONVIF Core, 7.3.2): older ones the first alone, a few newer ones the second alone."""
_NAME, _HARDWARE = "onvif://www.onvif.org/name/", "onvif://www.onvif.org/hardware/"
_LONGEST = 200
_MOST_SCOPES = 64


@dataclass(frozen=True, slots=True)
class ProbeMatch:
    """One device of an answer. ``addresses`` are its device services as it says; nothing in it is to be trusted."""

    endpoint_reference: str
    addresses: tuple[str, ...]
    scopes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self._scope(_NAME)

    @property
    def model(self) -> str:
        return self._scope(_HARDWARE)

    def _scope(self, prefix: str) -> str:
        for scope in self.scopes:
            if scope.lower().startswith(prefix):
                return printable(unquote(scope[len(prefix) :], errors="replace"))
        return ""


def probe(message_id: str, kind: str = "dn:NetworkVideoTransmitter") -> bytes:
    """A probe for devices of one of ``TYPES``; ``message_id`` is a ``urn:uuid:…``."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<s:Envelope xmlns:s="{SPACES["s"]}" xmlns:a="{SPACES["a"]}"><s:Header>'
        f'<a:Action s:mustUnderstand="1">{SPACES["d"]}/Probe</a:Action><a:MessageID>{message_id}</a:MessageID>'
        '<a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To></s:Header>'
        f'<s:Body><d:Probe xmlns:d="{SPACES["d"]}"><d:Types xmlns:dn="http://www.onvif.org/ver10/network/wsdl"'
        f' xmlns:tds="http://www.onvif.org/ver10/device/wsdl">{kind}</d:Types></d:Probe></s:Body></s:Envelope>'
    ).encode()


def matches(packet: bytes, message_ids: frozenset[str]) -> tuple[ProbeMatch, ...]:
    """The devices in an answer to one of our probes; empty for anything else."""
    try:
        envelope: Element = fromstring(packet)
    except (ParseError, DefusedXmlException, ValueError, LookupError):  # LookupError: an unknown encoding
        return ()
    # Names are read without their namespaces: devices answer in newer WS-Addressing and WS-Discovery, and in SOAP 1.1.
    asked = {_bare(one) for one in message_ids}
    if not any(_bare(one.text or "") in asked for one in envelope.iterfind("{*}Header/{*}RelatesTo")):
        return ()
    found = []
    for match in envelope.iterfind("{*}Body/{*}ProbeMatches/{*}ProbeMatch"):
        reference = match.findtext("{*}EndpointReference/{*}Address", "").strip()
        addresses = tuple(match.findtext("{*}XAddrs", "").split())
        scopes = tuple(printable(scope) for scope in match.findtext("{*}Scopes", "").split())
        if reference and addresses:
            found.append(ProbeMatch(printable(reference), addresses[:8], scopes[:_MOST_SCOPES]))
    return tuple(found)


def _bare(message_id: str) -> str:
    """Some devices give an identifier back with one of its prefixes, or in other letters."""
    return message_id.strip().lower().removeprefix("urn:").removeprefix("uuid:")


def printable(text: str) -> str:
    """What may be shown and stored: no control characters, not too long."""
    return "".join(c for c in text if c.isprintable())[:_LONGEST].strip()
