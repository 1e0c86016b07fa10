"""Camera networks that are loopback only, a clock, and devices on loopback: the virtual fleet and a peer we script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from camera_registry.address_policy import AddressPolicy
from camera_registry.login import Login, LoginBackoff
from camera_registry.registration import Registrar
from gateway.virtual import Quirks, RenderedFootage, VirtualCamera, VirtualDevice, VirtualFleet

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
