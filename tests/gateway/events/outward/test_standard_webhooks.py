"""The form of what is sent: CloudEvents 1.0 and the signature of Standard Webhooks, checked against its own example."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest

from gateway.events.outward.standard_webhooks import CloudEvent, new_secret, secret_bytes, signed_headers
from gateway.refusals import Refusal

# The published test vector of Standard Webhooks' reference libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_that_of_the_published_example() -> None:
    headers = signed_headers(SECRET, MESSAGE_ID, datetime.fromtimestamp(TIMESTAMP, UTC), BODY)
    assert headers["webhook-id"] == MESSAGE_ID
    assert headers["webhook-timestamp"] == str(TIMESTAMP)
    assert headers["webhook-signature"] == SIGNATURE


def test_a_message_is_a_cloud_event_in_structured_mode() -> None:
    at = datetime(2030, 1, 7, 9, 0, 0, 250_000, UTC)
    event = CloudEvent("019f", "/platforms/hub", "gateway.event.opened", "events/E1", at, {"no": "E1", "zh": "火情"})
    assert json.loads(event.body()) == {
        "specversion": "1.0",
        "id": "019f",
        "source": "/platforms/hub",
        "type": "gateway.event.opened",
        "subject": "events/E1",
        "time": "2030-01-07T09:00:00.250000Z",
        "datacontenttype": "application/json",
        "data": {"no": "E1", "zh": "火情"},
    }


def test_a_new_secret_can_be_used() -> None:
    assert secret_bytes(new_secret(bytes(range(32)))) == bytes(range(32))


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_!!!", SECRET.removeprefix("whsec_"), "whsec_" + base64.b64encode(b"short").decode()],
)
def test_a_secret_of_another_form_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(Refusal, match="webhook_secret_invalid") as refused:
        secret_bytes(secret)
    assert not secret or secret not in str(refused.value) or secret == "whsec_"
