"""SOAP 1.2 as an ONVIF device speaks it: requests read, WS-UsernameToken checked, answers and faults written."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

MEDIA_TYPE = "application/soap+xml; charset=utf-8"
NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "wsse": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "wsu": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "timg": "http://www.onvif.org/ver20/imaging/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tns1": "http://www.onvif.org/ver10/topics",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "tt": "http://www.onvif.org/ver10/schema",
    "ter": "http://www.onvif.org/ver10/error",
}
_PREFIXES = {namespace: prefix for prefix, namespace in NAMESPACES.items()}
CLOCK_TOLERANCE = 60.0
"""Seconds by which a login's time may differ from the device's own; common devices take between 5 s and minutes."""
_NONCES_KEPT = 1024


class Fault(Exception):
    """A SOAP fault; ``subcode`` is one of the ONVIF core specification's, such as ``ter:NotAuthorized``."""

    def __init__(self, subcode: str, reason: str, *, code: str = "s:Sender", status: int = 400) -> None:
        super().__init__(reason)
        self.subcode = subcode
        self.reason = reason
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class UsernameToken:
    """The login of WS-Security UsernameToken Profile 1.0; ``digest`` = Base64(SHA-1(nonce + created + password))."""

    username: str
    digest: str
    nonce: str
    created: str


@dataclass(frozen=True, slots=True)
class Request:
    """``operation`` is prefix and name, such as ``tds:GetServices``; prefixes are those of ``NAMESPACES``.

    ``message_id``: WS-Addressing's, which the answer must relate to. ``path``: of the door it came to.
    """

    operation: str
    body: Element
    token: UsernameToken | None
    message_id: str | None = None
    path: str = ""

    def text(self, path: str, default: str = "") -> str:
        """The text of an element of the body, with the prefixes of ``NAMESPACES``."""
        return self.body.findtext(path, default, NAMESPACES).strip()


def read(document: bytes, path: str = "") -> Request:
    """Raises ``Fault`` for what is no SOAP request."""
    try:
        envelope: Element = fromstring(document)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise Fault("ter:WellFormed", "not well formed") from error
    body = envelope.find("s:Body", NAMESPACES)
    if envelope.tag != f"{{{NAMESPACES['s']}}}Envelope" or body is None or len(body) != 1:
        raise Fault("ter:WellFormed", "not a SOAP 1.2 request")
    namespace, _, name = body[0].tag.removeprefix("{").rpartition("}")
    message_id = envelope.findtext("s:Header/wsa:MessageID", None, NAMESPACES)
    return Request(f"{_PREFIXES.get(namespace, '?')}:{name}", body[0], _token(envelope), message_id, path)


def _token(envelope: Element) -> UsernameToken | None:
    found = envelope.find("s:Header/wsse:Security/wsse:UsernameToken", NAMESPACES)
    if found is None:
        return None
    texts = [found.findtext(path, "", NAMESPACES).strip() for path in (
        "wsse:Username", "wsse:Password", "wsse:Nonce", "wsu:Created",
    )]  # fmt: skip
    return UsernameToken(*texts)


class Logins:
    """Checks logins of one device: digest, the device's clock, and that no nonce comes twice."""

    def __init__(
        self,
        username: str,
        password: str,
        *,
        locked_out: bool = False,
        locked_after: int | None = None,
        locked_seconds: float = 300.0,
    ) -> None:
        self.username = username
        self.password = password
        self._locked_out = locked_out
        self._locked_after = locked_after
        self._locked_for = timedelta(seconds=locked_seconds)
        self._locked_until: datetime | None = None
        self._in_a_row = 0
        self._nonces: OrderedDict[str, None] = OrderedDict()
        self.refused = 0

    def check(self, token: UsernameToken | None, now: datetime) -> None:
        """``now`` is the device's own clock. Raises ``Fault`` ``ter:NotAuthorized``; like a device, it says no more."""
        if token is None:
            raise not_authorized()
        self.judge(self._fits(token, now), now)

    def judge(self, right: bool, now: datetime) -> None:
        """Count a login that was tried, in whichever form. Raises as ``check`` does."""
        if right and not self.locked(now):
            self._in_a_row = 0
            return
        self.refused += 1
        self._in_a_row += not right
        if self._locked_after is not None and self._in_a_row >= self._locked_after:
            self._locked_until, self._in_a_row = now + self._locked_for, 0
        raise not_authorized()

    def locked(self, now: datetime) -> bool:
        return self._locked_out or (self._locked_until is not None and now < self._locked_until)

    def _fits(self, token: UsernameToken, now: datetime) -> bool:
        try:
            nonce = base64.b64decode(token.nonce, validate=True)
            created = datetime.fromisoformat(token.created)
        except (binascii.Error, ValueError):
            return False
        created = created if created.tzinfo is not None else created.replace(tzinfo=UTC)
        if abs((now - created).total_seconds()) > CLOCK_TOLERANCE or token.nonce in self._nonces:
            return False
        # SHA-1 is what the profile prescribes.
        wanted = hashlib.sha1(nonce + token.created.encode() + self.password.encode()).digest()  # noqa: S324
        right = hmac.compare_digest(base64.b64encode(wanted), token.digest.encode())
        if not right or not hmac.compare_digest(token.username.encode(), self.username.encode()):
            return False
        self._nonces[token.nonce] = None
        if len(self._nonces) > _NONCES_KEPT:
            self._nonces.popitem(last=False)
        return True


def not_authorized() -> Fault:
    return Fault("ter:NotAuthorized", "Sender not authorized", status=401)


def not_supported() -> Fault:
    return Fault("ter:ActionNotSupported", "Optional Action Not Implemented", code="s:Receiver", status=500)


def envelope(body: str, relates_to: str | None = None) -> bytes:
    """An answer; ``body`` is XML with the prefixes of ``NAMESPACES``, its texts already escaped. ``relates_to``: the
    question's WS-Addressing MessageID."""
    spaces = " ".join(f'xmlns:{prefix}="{namespace}"' for prefix, namespace in NAMESPACES.items())
    header = "" if relates_to is None else f"<s:Header><wsa:RelatesTo>{escape(relates_to)}</wsa:RelatesTo></s:Header>"
    written = f"<s:Envelope {spaces}>{header}<s:Body>{body}</s:Body></s:Envelope>"
    return f'<?xml version="1.0" encoding="UTF-8"?>{written}'.encode()


def fault(raised: Fault) -> bytes:
    return envelope(
        f"<s:Fault><s:Code><s:Value>{raised.code}</s:Value><s:Subcode><s:Value>{raised.subcode}</s:Value></s:Subcode>"
        f'</s:Code><s:Reason><s:Text xml:lang="en">{raised.reason}</s:Text></s:Reason></s:Fault>'
    )
