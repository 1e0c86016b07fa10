"""The console's session in a real browser, over plain HTTP on this machine: a cookie that no script sees."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import async_playwright

CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "Correct-Horse-7"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed (Debian package chromium)"),
]

SIGN_IN = """async ([username, password]) => {
  const answer = await fetch('/api/v1/session', {
    method: 'POST', headers: {'Content-Type': 'application/json'},
    body: JSON.stringify({username, password, kind: 'cookie'}),
  });
  return [answer.status, (await answer.json()).csrf_token];
}"""
ASK = "async () => { const a = await fetch('/api/v1/session'); return [a.status, (await a.json()).csrf_token]; }"
SIGN_OUT = """async (csrf) => (await fetch('/api/v1/session', {
  method: 'DELETE', headers: csrf ? {'X-CSRF-Token': csrf} : {},
})).status"""


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    async with asyncio.timeout(30):
        await serving


async def test_a_browser_on_this_machine_signs_in_reloads_and_signs_out(
    address: str, user_with: Callable[..., Awaitable[str]]
) -> None:
    username = await user_with("duty_officer")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            page.set_default_timeout(20_000)
            await page.goto(address)
            status, csrf = await page.evaluate(SIGN_IN, [username, PASSWORD])
            assert status == 200
            assert await page.evaluate("document.cookie") == ""
            await page.reload()
            assert await page.evaluate(ASK) == [200, csrf]
            assert await page.evaluate(SIGN_OUT, None) == 403
            assert await page.evaluate(SIGN_OUT, csrf) == 204
            assert (await page.evaluate(ASK))[0] == 401
        finally:
            await browser.close()
