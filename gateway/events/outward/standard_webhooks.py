"""CloudEvents 1.0 (JSON, structured mode) in the form of Standard Webhooks. Pure.

The signature is ``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``; the secret is ``whsec_`` and the
base64 of 24 to 64 bytes. The message id stays the same over all tries: it is the receiver's idempotency key.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.refusals import Refusal

MEDIA_TYPE = "application/cloudevents+json; charset=utf-8"
PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One message. ``source`` is a URI reference of the platform it comes from, ``subject`` of what it is about."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, Any]

    def attributes(self) -> dict[str, str]:
        """The context attributes, by their names in the standard."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }

    def document(self) -> dict[str, Any]:
        return {**self.attributes(), "datacontenttype": "application/json", "data": self.data}

    def body(self) -> bytes:
        return compact(self.document())


def compact(document: Any) -> bytes:
    """JSON in UTF-8 without blanks."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def new_secret(entropy: bytes) -> str:
    """The text form of a secret, to be shown once."""
    return PREFIX + base64.b64encode(entropy).decode()


def secret_bytes(secret: str) -> bytes:
    """The key in a secret's text form; refuses one that is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise Refusal(
            "invalid",
            "webhook_secret_invalid",
            "Webhook 密钥应为 whsec_ 加 24 至 64 字节的 base64。",
            "A webhook secret is whsec_ and the base64 of 24 to 64 bytes.",
            field="secret",
        )
    return key


def signed_headers(
    secret: str, message_id: str, at: datetime, body: bytes, media_type: str = MEDIA_TYPE
) -> dict[str, str]:
    """The headers of one try at time ``at``."""
    timestamp = str(int(at.timestamp()))
    signature = _signature(secret, message_id, timestamp, body)
    return {
        "content-type": media_type,
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }


WINDOW = timedelta(minutes=5)
"""How far a message's time may lie from ours."""


@dataclass(frozen=True, slots=True)
class SignedHeaders:
    """``webhook-id``, ``webhook-timestamp`` and ``webhook-signature`` as they came; the last may hold several."""

    message_id: str
    timestamp: str
    signature: str


def check_signature(secret: str, headers: SignedHeaders, body: bytes, now: datetime) -> None:
    """Refuses a message that the holder of ``secret`` did not sign within the window."""
    expected = "v1," + _signature(secret, headers.message_id, headers.timestamp, body)
    if not any(hmac.compare_digest(one.encode(), expected.encode()) for one in headers.signature.split()[:10]):
        raise Refusal("unauthenticated", "signature_refused", "签名不正确。", "The signature is wrong.")
    if not headers.timestamp.isdecimal() or len(headers.timestamp) > 12:
        raise _outside_window()
    if abs(int(headers.timestamp) - now.timestamp()) > WINDOW.total_seconds():
        raise _outside_window()


def _outside_window() -> Refusal:
    return Refusal(
        "unauthenticated",
        "timestamp_outside_window",
        "消息时间与网关相差超过 5 分钟，请校时后重发。",
        "The message's time is more than 5 minutes from the gateway's; set the clock and send again.",
        field="webhook-timestamp",
    )


def _signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest()).decode()
