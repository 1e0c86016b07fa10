"""The doors of receivers: secrets shown once, deliveries looked at and replayed, by system administrators alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx
from sqlalchemy import update

from gateway.access import audit
from gateway.api.services import Services
from gateway.storage.ids import new_id
from gateway.storage.tables.outward import DeliveryRow

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
URL = "https://grid.example/hook"


async def test_a_receiver_is_added_looked_at_changed_and_taken_away(client_as: ClientAs, services: Services) -> None:
    client = await client_as("system_admin")
    body = {"address": URL, "types": ["gateway.event.opened"], "name": "网格平台"}
    made = await client.post("/api/v1/receivers", json=body)
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    path = f"/api/v1/receivers/{made.json()['id']}"
    listed = await client.get("/api/v1/receivers")
    assert listed.json()["total"] == 1
    changed = await client.patch(path, json={"enabled": False, "types": [], "revision": 1})
    assert (changed.json()["enabled"], changed.json()["types"], changed.json()["address"]) == (False, [], URL)
    for answer in (listed, changed, await client.get(path)):
        assert secret not in answer.text
    assert (await client.patch(path, json={"enabled": True, "revision": 1})).json()["reason"] == "revision_stale"
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    async with services.db.reading() as session:
        rows = (await audit.page(session, what="receiver.")).items
    assert [row.what for row in rows] == ["receiver.remove", "receiver.change", "receiver.add"]
    assert not any(secret in row.why for row in rows)


async def test_wrong_addresses_and_types_are_refused_with_the_field(client_as: ClientAs) -> None:
    client = await client_as("system_admin")
    for body, reason, field in (
        ({"address": "http://grid.example/"}, "receiver_address_refused", "address"),
        ({"address": URL, "types": ["everything"]}, "receiver_type_unknown", "types"),
        ({"address": URL, "secret": "mine"}, "field_invalid", "secret"),
        ({}, "field_missing", "address"),
    ):
        answer = await client.post("/api/v1/receivers", json=body)
        assert (answer.status_code, answer.json()["reason"], answer.json()["field"]) == (422, reason, field)
    assert (await client.get("/api/v1/receivers")).json()["total"] == 0


async def test_dead_letters_are_listed_and_replayed(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services
) -> None:
    client = await client_as("system_admin")
    path = f"/api/v1/receivers/{(await client.post('/api/v1/receivers', json={'address': URL})).json()['id']}"
    for zone in ("a", "b"):
        await raise_alert("fire", zone=zone)
    waiting = (await client.get(f"{path}/deliveries", params={"state": "pending"})).json()
    assert waiting["total"] == 2
    first = waiting["items"][0]
    assert (first["type"], first["attempts"]) == ("gateway.event.opened", 0)
    async with services.db.transaction() as session:
        await session.execute(update(DeliveryRow).values(state="dead", attempts=11, last_status=500))
    assert (await client.get(path)).json()["dead"] == 2
    one = await client.post(f"{path}/deliveries/{first['id']}/replay")
    assert one.json() == {"replayed": 1}
    again = (await client.get(f"{path}/deliveries", params={"state": "pending"})).json()["items"]
    assert [(item["id"], item["message_id"], item["attempts"]) for item in again] == [
        (first["id"], first["message_id"], 0)
    ]
    assert (await client.post(f"{path}/replay")).json() == {"replayed": 1}
    assert (await client.get(path)).json()["pending"] == 2
    assert (await client.post(f"{path}/deliveries/{new_id()}/replay")).json()["reason"] == "delivery_unknown"


async def test_a_mapping_is_previewed_then_kept_in_versions(client_as: ClientAs) -> None:
    client = await client_as("system_admin")
    made = (await client.post("/api/v1/receivers", json={"address": URL})).json()
    path = f"/api/v1/receivers/{made['id']}/mappings"
    mapping = {"fields": [{"to": "case.no", "from": "data.no"}]}
    preview = await client.post("/api/v1/receivers/preview-mapping", json={"mapping": mapping})
    assert preview.json()["body"] == '{\n  "case": {\n    "no": "TEST-000001"\n  }\n}'
    bad = {"fields": [{"to": "case.until", "from": "data.closed_at"}]}
    for answer in (
        await client.post("/api/v1/receivers/preview-mapping", json={"mapping": bad}),
        await client.put(path, json={"mapping": bad}),
    ):
        assert (answer.status_code, answer.json()["field"]) == (422, "case.until")
    assert (await client.get(path)).json()["items"] == []
    first = await client.put(path, json={"mapping": mapping, "revision": made["revision"]})
    assert first.status_code == 200, first.text
    assert (await client.put(path, json={"mapping": None, "revision": made["revision"]})).status_code == 409
    longer = {"fields": [*mapping["fields"], {"to": "kind", "value": None}]}
    await client.put(path, json={"mapping": longer})
    listed = (await client.get(path)).json()
    assert [(one["version"], one["in_force"]) for one in listed["items"]] == [(2, True), (1, False)]
    assert listed["items"][0]["mapping"] == {"fields": [{**mapping["fields"][0]}, {"to": "kind", "value": None}]}
    await client.put(path, json={"mapping": None})
    assert (await client.get(f"/api/v1/receivers/{made['id']}")).json()["mapping_version"] is None
    assert (await client.delete(f"/api/v1/receivers/{made['id']}")).status_code == 204


async def test_a_test_message_goes_into_the_outbox_for_this_receiver_alone(client_as: ClientAs) -> None:
    client = await client_as("system_admin")
    first, other = [(await client.post("/api/v1/receivers", json={"address": URL})).json()["id"] for _ in range(2)]
    tested = await client.post(f"/api/v1/receivers/{first}/test")
    assert tested.status_code == 202
    [sent] = (await client.get(f"/api/v1/receivers/{first}/deliveries")).json()["items"]
    assert (sent["id"], sent["type"]) == (tested.json()["delivery_id"], "gateway.receiver.test")
    assert (await client.get(f"/api/v1/receivers/{other}/deliveries")).json()["total"] == 0
    await client.patch(f"/api/v1/receivers/{first}", json={"enabled": False})
    assert (await client.post(f"/api/v1/receivers/{first}/test")).json()["reason"] == "receiver_disabled"


async def test_a_broker_is_set_up_without_ever_showing_its_password(client_as: ClientAs) -> None:
    client = await client_as("system_admin")
    body = {"kind": "mqtt", "address": "mqtts://10.1.2.3", "password": "Broker-Word-1", "mqtt": {"username": "gateway"}}
    made = await client.post("/api/v1/receivers", json=body)
    assert (made.status_code, made.json()["has_password"], made.json()["secret"]) == (201, True, None)
    assert "Broker-Word-1" not in made.text
    path = f"/api/v1/receivers/{made.json()['id']}"
    assert (await client.patch(path, json={"password": ""})).json()["has_password"] is False
    for wrong in ({**body, "address": "mqtt://10.1.2.3"}, {**body, "mqtt": None}, {**body, "mqtt": {"topic": "a/#"}}):
        answer = await client.post("/api/v1/receivers", json=wrong)
        assert answer.status_code == 422, answer.text
        assert "Broker-Word-1" not in answer.text


async def test_only_system_administrators_pass(client_as: ClientAs) -> None:
    for role in ("duty_leader", "machine", "security_admin"):
        client = await client_as(role)
        assert (await client.get("/api/v1/receivers")).status_code == 403
        assert (await client.post("/api/v1/receivers", json={"address": URL})).status_code == 403
