"""How a door reaches a camera: with the login given, with a credential set, or with those bound to its address.

A set's login goes only to addresses within the set's networks, whoever asks. A new address needs a login with it: what
is stored is sent nowhere but to where it was given for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from camera_registry import reasons
from camera_registry.errors import CameraRefused
from camera_registry.login import Login
from camera_registry.registration import CameraFound
from gateway.api.camera_network import CameraNetwork, refusal_of
from gateway.api.services import Doors, Services
from gateway.refusals import Refusal
from gateway.storage.credential_store import CredentialStore, SetLogin

_LOGIN_WANTED = frozenset({reasons.AUTH_FAILED.code, reasons.STREAM_AUTH_FAILED.code, reasons.CLOCK_UNKNOWN.code})


def network_of(doors: Doors) -> CameraNetwork:
    if doors.camera_network is None:
        raise Refusal(
            "unavailable", "camera_network_away", "摄像机接入服务未运行。", "Cameras cannot be reached from here."
        )
    return doors.camera_network


@dataclass(frozen=True, slots=True)
class Reached:
    """A camera as it answered. ``login``: its own, None where it took that of ``credential_set``; ``field``: what was
    given anew, to be named in a refusal."""

    found: CameraFound
    field: str
    login: Login | None = dataclasses.field(default=None, repr=False)
    credential_set: str | None = None


async def reach(
    doors: Services,
    network: CameraNetwork,
    address: str,
    field: str,
    login: Login | None,
    set_id: str | None = None,
    *,
    clear_login: bool = False,
) -> Reached:
    """``field``: where ``address`` was given. Without login and set, the sets bound to its address are tried in order.

    Raises ``Refusal`` with the registry's reason.
    """
    if login is not None and set_id is not None:
        raise Refusal(
            "invalid", "one_login_needed", "用户名口令与凭据集只能选择一种。",
            "Give either a login or a credential set, not both.", field="credential_set",
        )  # fmt: skip
    if login is not None:
        found, _ = await network.reach(address, [login], field, clear_login=clear_login)
        return Reached(found, field, login)
    bound = await _bound(doors, await network.host(address, field))
    if set_id is not None:
        bound = [one for one in bound if one.set_id == set_id]
        if not bound:
            raise Refusal(
                "invalid", "credential_set_elsewhere", "没有该凭据集，或其网段不含此地址。",
                "There is no such credential set, or its networks do not hold this address.", field="credential_set",
            )  # fmt: skip
    try:
        found, number = await network.reach(address, [one.login for one in bound], field, clear_login=clear_login)
    except Refusal as refusal:
        if not bound and refusal.reason in _LOGIN_WANTED:
            raise refusal_of(CameraRefused(reasons.CREDENTIAL_SET_MISSING), "credential_set") from refusal
        raise
    return Reached(found, field, credential_set=bound[number].set_id if bound else None)


async def _bound(doors: Services, host: str) -> Sequence[SetLogin]:
    async with doors.db.reading() as session:
        return await CredentialStore(session, doors.vault).for_host(host)
