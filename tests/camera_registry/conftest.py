"""Camera networks that are loopback only, a clock, and devices on loopback: the virtual fleet and a peer we script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

import pytest
from aiohttp import web

from camera_registry.address_policy import AddressPolicy
from camera_registry.login import Login, LoginBackoff
from camera_registry.registration import Registrar
from gateway.virtual import Quirks, RenderedFootage, VirtualCamera, VirtualDevice, VirtualFleet, answers, soap

SMALL = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
LARGER = RenderedFootage("quiet", seconds=2.0, fps=10, size=(640, 360))
LOGIN = Login("viewer", "made-for-this-test")

OneDevice = Callable[..., AbstractAsyncContextManager[VirtualDevice]]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def footage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("footage")


@pytest.fixture
def policy() -> AddressPolicy:
    return AddressPolicy((ip_network("127.0.0.0/8"),))


@pytest.fixture
def login() -> Login:
    return LOGIN


@pytest.fixture
def backoff() -> LoginBackoff:
    return LoginBackoff()


@pytest.fixture
def registrar(policy: AddressPolicy, backoff: LoginBackoff) -> Registrar:
    return Registrar(policy, backoff, now)


@pytest.fixture
def one_device(footage_folder: Path) -> OneDevice:
    """Starts one virtual camera with these quirks; ``sub``: with a smaller stream beside its main one."""

    @asynccontextmanager
    async def start(*, sub: bool = False, **quirks: object) -> AsyncIterator[VirtualDevice]:
        camera = VirtualCamera(
            "东 & 西门",
            LARGER if sub else SMALL,
            LOGIN.username,
            LOGIN.password,
            sub=SMALL if sub else None,
            quirks=Quirks(**quirks),  # type: ignore[arg-type]  # each has its own type
        )
        async with VirtualFleet([camera], footage_folder, multicast=False) as fleet:
            yield fleet.devices[0]

    return start


@dataclass(slots=True)
class SoapPeer:
    """A device whose answers a test replaces by operation, such as ``tds:GetServices``."""

    facts: answers.DeviceFacts
    address: str = ""
    replaced: dict[str, Callable[[web.Request], web.StreamResponse | bytes | str]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Operation, and how the login was made: ``none``, ``token`` or ``digest``."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = soap.read(await request.read())
        digest = request.headers.get("Authorization", "").startswith("Digest ")
        self.asked.append((asked.operation, "digest" if digest else "token" if asked.token else "none"))
        if (replaced := self.replaced.get(asked.operation)) is not None:
            made = replaced(request)
            if isinstance(made, web.StreamResponse):
                return made
            return soap_response(soap.envelope(made) if isinstance(made, str) else made)
        return soap_response(soap.envelope(self._known(asked)))

    def usual(self, operation: str) -> str:
        """What it would have answered."""
        body = Element("asked")
        SubElement(body, f"{{{soap.NAMESPACES[operation.partition(':')[0]]}}}ProfileToken").text = "main"
        return self._known(soap.Request(operation, body, None))

    def _known(self, asked: soap.Request) -> str:
        known = {**answers.UNAUTHENTICATED, **answers.AUTHENTICATED, **answers.MEDIA2}
        return known[asked.operation](self.facts, asked, now())


def soap_response(body: bytes, status: int = 200, **headers: str) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": soap.MEDIA_TYPE, **headers})


@pytest.fixture
async def soap_peer() -> AsyncIterator[SoapPeer]:
    """A device that takes any login; its stream's door is shut."""
    profile = answers.ServedProfile("main", "MainStream", "/main", "H264", 640, 360, 10)
    peer = SoapPeer(answers.DeviceFacts("门口", "VC-2000", "1", "127.0.0.1", "127.0.0.1:9", True, True, (profile,)))
    app = web.Application()
    app.router.add_post("/{path:.*}", peer.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    authority = f"127.0.0.1:{runner.addresses[0][1]}"
    peer.facts = replace(peer.facts, web=authority)
    peer.address = f"http://{authority}/onvif/device_service"
    yield peer
    await runner.cleanup()
