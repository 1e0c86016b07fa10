"""Sets the demo up as an operator would, through the same doors: grids, discovery, registration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import httpx

from gateway.refusals import Refusal
from gateway.virtual.fleet import VirtualDevice
from gateway.workers.demo.cast import LOGIN, grids

STEP_SECONDS = 60.0
"""Time limit of one request; a discovery takes seconds."""
Say = Callable[[str], None]


class Operator:
    """Signed in with a bearer token. Raises ``Refusal`` with what a door said."""

    def __init__(self, address: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{address}/api/v1", timeout=STEP_SECONDS, trust_env=False)

    async def __aenter__(self) -> Operator:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._http.aclose()

    async def sign_in(self, username: str, password: str) -> None:
        session = await self._post("/session", {"username": username, "password": password, "kind": "bearer"})
        self._http.headers["Authorization"] = f"Bearer {session['token']}"

    async def set_up(self, devices: tuple[VirtualDevice, ...], password: str, say: Say) -> None:
        """Import the grids, find the devices, register each. What an earlier run registered is replaced: a virtual
        camera has another port at every start."""
        await self._post("/grids/import", grids(len(devices)))
        targets = [device.discovery_target for device in devices]
        found = await self._post("/cameras/discover", {"interfaces": ["127.0.0.1"], "targets": targets})
        say(f"发现设备 devices found: {len(found['devices'])}")
        wanted = {device.endpoint_reference: device for device in devices}
        for camera in (await self._get("/cameras"))["items"]:
            await self._ask("DELETE", f"/cameras/{camera['code']}")
        for one in found["devices"]:
            device = wanted.get(one["endpoint_reference"])
            if device is None:
                continue
            camera = await self._post(
                "/cameras",
                {
                    "onvif_address": one["address"],
                    "username": LOGIN,
                    "password": password,
                    "name": device.camera.name,
                    "lng": device.camera.lng,
                    "lat": device.camera.lat,
                },
            )
            say(f"注册 registered: {camera['code']}  {camera['name']}  网格 grid {camera['grid']}")

    async def ask_for_drill(self, until: datetime) -> str | None:
        """Everything the demo opens is a drill (演练): the id of the switch asked for; None where one holds already."""
        if (await self._get("/mode"))["drill"]:
            return None
        body = {"drill": True, "reason": "演示 demo", "until": until.isoformat()}
        return str((await self._post("/mode/switches", body))["id"])

    async def approve(self, switch_id: str) -> None:
        await self._post(f"/mode/switches/{switch_id}/approve", {})

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """Every event there is, newest first."""
        for event in (await self._get("/events"))["items"]:
            yield event

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._ask("POST", path, body)

    async def _get(self, path: str) -> dict[str, Any]:
        return await self._ask("GET", path)

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            response = await self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise Refusal(
                "unavailable", "service_unreachable", "网关服务没有应答。", f"The service does not answer: {error}."
            ) from error
        answer: dict[str, Any] = response.json() if response.content else {}
        if response.is_success:
            return answer
        raise Refusal(
            "unavailable",
            str(answer.get("reason", "door_refused")),
            str(answer.get("detail", response.status_code)),
            str(answer.get("detail_en", f"{path} answered {response.status_code}")),
        )
