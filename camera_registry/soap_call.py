"""One question to an ONVIF service, its envelope and its answer read by hand (SOAP 1.2, WS-Addressing where needed).

Answers are not held to the schema: devices leave out what it asks for, change its order, and add to it. Only what is
looked for is read, and unknown elements are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from lxml import etree

from camera_registry import reasons
from camera_registry.errors import CameraRefused
from camera_registry.onvif_transport import BoundedTransport, as_bytes, parsed

SPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://www.w3.org/2005/08/addressing",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "timg": "http://www.onvif.org/ver20/imaging/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "trc": "http://www.onvif.org/ver10/recording/wsdl",
    "trp": "http://www.onvif.org/ver10/replay/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "tns1": "http://www.onvif.org/ver10/topics",
}
_NOT_AUTHORISED = frozenset({"NotAuthorized", "FailedAuthentication", "FailedCheck", "InvalidSecurity"})
"""Local names of fault codes: ONVIF's own, and those of WS-Security 1.1, 12, which many devices use."""
_LOGIN_WORDS = re.compile(r"(not|un) ?authori[sz]ed|authenticat|authori[sz]ation", re.IGNORECASE)
"""Many devices give no code, or a wrong one, and say it in words."""


class Signs(Protocol):
    """Puts a login into a SOAP header."""

    def sign(self, header: Any) -> None: ...


class SoapFault(Exception):
    """The device answered with a fault. ``codes``: local names of its code and subcodes, outermost first."""

    def __init__(self, codes: Sequence[str], text: str) -> None:
        super().__init__(f"{'/'.join(codes)} {text}".strip()[:200])
        self.codes = tuple(codes)
        self.is_login = not _NOT_AUTHORISED.isdisjoint(codes) or _LOGIN_WORDS.search(text) is not None


def element(name: str, *children: Any, text: str | None = None, **attributes: str) -> Any:
    """``element("tptz:Stop", element("tptz:ProfileToken", text="t"))``."""
    made = etree.Element(
        _qualified(name), {key: str(value) for key, value in attributes.items()}, nsmap=_space_of(name)
    )
    made.text = text
    made.extend(child for child in children if child is not None)
    return made


def find(tree: Any, path: str) -> Any:
    """The first element at a path of ``SPACES``' prefixes, or None."""
    return None if tree is None else tree.find(path, SPACES)


def text_at(tree: Any, path: str) -> str:
    """Its text, trimmed; empty where there is none."""
    return "" if tree is None else str(tree.findtext(path, "", SPACES) or "").strip()


async def call(
    transport: BoundedTransport, address: str, body: Any, login: Signs | None = None, headers: Sequence[Any] = ()
) -> Any:
    """Ask; answers the first element of the answer's body. Raises ``SoapFault`` and ``CameraRefused``."""
    question = _envelope(body, headers)
    if login is not None:
        login.sign(question[0])
    response, content = await transport.exchange(address, as_bytes(question))
    if response.status in (401, 403) and not content.strip().startswith(b"<"):
        raise SoapFault(("NotAuthorized",), "")
    if response.status >= 400 and not content.strip().startswith(b"<"):
        raise CameraRefused(reasons.NOT_ONVIF, detail=f"HTTP {response.status}")
    tree = parsed(content)
    # Some devices answer SOAP 1.1 to a question in 1.2: names are read without their namespace.
    fault = tree.find("{*}Body/{*}Fault")
    if fault is not None:
        values = [*fault.findall("{*}Code//{*}Value"), *fault.findall("faultcode")]
        codes = [str(value.text or "").strip().rpartition(":")[2] for value in values]
        raise SoapFault(codes, " ".join(part for part in fault.itertext() if part.strip()))
    if response.status in (401, 403):
        raise SoapFault(("NotAuthorized",), "")
    answer = tree.find("{*}Body/*")
    if answer is None:
        raise CameraRefused(reasons.ANSWER_INVALID)
    return answer


def envelope(body: Any) -> bytes:
    """A question without a login, as it is sent."""
    return as_bytes(_envelope(body, ()))


def _envelope(body: Any, headers: Sequence[Any]) -> Any:
    made = etree.Element(_qualified("s:Envelope"), nsmap={"s": SPACES["s"]})
    etree.SubElement(made, _qualified("s:Header")).extend(headers)
    etree.SubElement(made, _qualified("s:Body")).append(body)
    return made


def _qualified(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{SPACES[prefix]}}}{local}"


def _space_of(name: str) -> dict[str, str]:
    prefix = name.partition(":")[0]
    return {prefix: SPACES[prefix]}
