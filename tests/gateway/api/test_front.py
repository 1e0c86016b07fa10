"""The front: who is answered at all, what every answer carries, and the console's pages."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from gateway.api.front import Front
from gateway.api.pages import ConsolePages

SESSION = "/api/v1/session"


async def test_every_answer_carries_the_security_headers(anonymous: httpx.AsyncClient) -> None:
    for path in ("/", "/healthz", SESSION, "/nothing"):
        headers = (await anonymous.get(path)).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "script-src 'self';" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["strict-transport-security"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "", "[", "127.0.0.1.evil.example"])
async def test_a_foreign_host_name_is_not_answered(anonymous: httpx.AsyncClient, host: str) -> None:
    answer = await anonymous.get("/healthz", headers={"Host": host})
    assert (answer.status_code, answer.json()["reason"]) == (400, "host_unknown")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "192.168.7.9"])
async def test_addresses_and_this_machine_are_answered(anonymous: httpx.AsyncClient, host: str) -> None:
    assert (await anonymous.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_another_site_cannot_write(anonymous: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await anonymous.post(SESSION, json={}, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (403, "origin_refused")


async def test_the_console_itself_can_write(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.post(SESSION, json={}, headers={"Origin": "https://127.0.0.1"})
    assert answer.status_code == 422


async def test_plain_http_is_answered_on_this_machine_only(app: FastAPI) -> None:
    for client_address, status in (
        ("127.0.0.1", 200),
        ("::1", 200),
        ("::ffff:127.0.0.1", 200),
        ("::ffff:192.168.7.9", 403),
        ("192.168.7.9", 403),
    ):
        transport = httpx.ASGITransport(app, client=(client_address, 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get("/healthz")
        assert answer.status_code == status
        assert "strict-transport-security" not in answer.headers


async def test_requests_are_logged_without_their_query(anonymous: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await anonymous.get(SESSION, params={"token": "Secret-In-Query"})
    entry = next(entry for entry in logs if entry["event"] == "http_request")
    assert (entry["method"], entry["path"], entry["status"]) == ("GET", SESSION, 401)
    assert "Secret-In-Query" not in str(logs)


async def test_metrics_count_requests_by_route_and_not_by_address(anonymous: httpx.AsyncClient) -> None:
    await anonymous.get(SESSION)
    await anonymous.get("/some/made/up/address")
    text = (await anonymous.get("/metrics")).text
    assert 'gateway_http_requests_total{method="GET",route="/api/v1/session",status="401"} 1.0' in text
    assert "made/up" not in text
    assert "gateway_live_dropped_total" in text


async def test_a_name_allowed_by_the_settings_is_answered() -> None:
    async def fine(scope, receive, send):  # type: ignore[no-untyped-def]  # a bare ASGI app
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    front = Front(fine, ("Grid.Example",), lambda *_: None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="https://grid.example") as client:
        assert (await client.get("/")).status_code == 204


async def test_the_console_is_served_with_its_views_and_nothing_beside_it(tmp_path: Path) -> None:
    built = tmp_path / "dist"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<title>控制台</title>")
    (built / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    (built / "link.txt").symlink_to(tmp_path / "secret.txt")
    transport = httpx.ASGITransport(ConsolePages(built), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://127.0.0.1") as client:
        assert "控制台" in (await client.get("/")).text
        assert "控制台" in (await client.get("/events/12")).text
        script = await client.get("/assets/app-1a2b.js")
        assert script.text == "1"
        assert "immutable" in script.headers["cache-control"]
        for escape in ("/../secret.txt", "/%2e%2e/secret.txt", "/link.txt", "/assets/..%2f..%2fsecret.txt"):
            assert "secret" not in (await client.get(escape)).text


@pytest.mark.parametrize("name", ["%00", "index.html%00.js", "a" * 5000, "a/" * 3000])
async def test_a_name_that_no_file_can_have_is_a_view_like_any_other(tmp_path: Path, name: str) -> None:
    (tmp_path / "index.html").write_text("<title>控制台</title>")
    transport = httpx.ASGITransport(ConsolePages(tmp_path))
    async with httpx.AsyncClient(transport=transport, base_url="https://127.0.0.1") as client:
        answer = await client.get("/" + name)
    assert (answer.status_code, "控制台" in answer.text) == (200, True)


async def test_without_a_build_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    transport = httpx.ASGITransport(ConsolePages(tmp_path / "none"))
    async with httpx.AsyncClient(transport=transport, base_url="https://127.0.0.1") as client:
        page = await client.get("/")
    assert "尚未构建" in page.text
    assert "make" in page.text
