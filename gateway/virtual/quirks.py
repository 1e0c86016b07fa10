"""What is odd about a virtual camera, as data. A camera without quirks is a well-behaved one.

``catalogue()`` reads the kinds that ship with the fleet (``catalogue.toml``) or a file of one's own in the same form: a
table for each kind with what a registration of it must end in, and its quirks by their names below.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from gateway.refusals import Refusal

SHIPPED = Path(__file__).with_name("catalogue.toml")

LoginForm = Literal["token", "digest", "either"]
AnswerForm = Literal[
    "soap", "malformed", "endless", "huge", "redirect", "to_https", "entities", "page", "wrong_type", "silent", "closed"
]


@dataclass(frozen=True, slots=True)
class Quirks:
    """Each field is a fault seen in the field; the default is the right behaviour.

    ``clock_offset`` (seconds): the device's clock is wrong by so much, and it judges logins by it.
    ``media2``: False on older devices, which know Profile S (Media, ver10) only; ``media``: False on those that know
    Profile T (Media2, ver20) only.
    ``advertised_host``: the host written into its addresses, such as ``0.0.0.0`` or one behind a NAT.
    ``login``: whether it takes a WS-UsernameToken, HTTP digest, or either.
    ``locked_after``: so many wrong logins in a row lock the account for ``locked_seconds``, the right login too.
    ``locked_out``: the account is locked from the beginning; every login is refused.
    ``refuses_rtsp``: ONVIF answers, but the RTSP door takes no login.
    ``silent_after`` (seconds of play): the stream stays open and sends nothing more.
    ``frozen_after`` (seconds of play): the same picture is sent again and again.
    ``main_encoding``: what the main profile claims to be (``H264`` or ``H265``); a sub profile is always H.264.
    ``h265``: the main stream is H.265 in truth and says so. ``h265_only``: every stream is.
    ``b_frames``: pictures that wait for a later one, which browsers cannot play over WebRTC.
    ``without_services``: GetServices is unknown to it, so GetCapabilities must be asked.
    ``relative_times_refused``: subscriptions must name an absolute time.
    ``slow`` (seconds): every SOAP answer comes so much later.
    ``https``: its doors speak TLS, with a certificate of its own making.
    ``answers``: what its SOAP door gives: SOAP, or broken and hostile things (a body without end, a redirect, entities
    that expand, a page, another content type, nothing at all).
    """

    clock_offset: float = 0.0
    media: bool = True
    media2: bool = True
    advertised_host: str | None = None
    login: LoginForm = "token"
    locked_after: int | None = None
    locked_seconds: float = 300.0
    locked_out: bool = False
    refuses_rtsp: bool = False
    silent_after: float | None = None
    frozen_after: float | None = None
    main_encoding: str = "H264"
    h265: bool = False
    h265_only: bool = False
    b_frames: bool = False
    without_services: bool = False
    relative_times_refused: bool = False
    slow: float = 0.0
    https: bool = False
    answers: AnswerForm = "soap"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of camera by its quirks. ``ends_in``: ``registered``, or the reason for which it is refused;
    ``notes``: what is amiss though it is registered."""

    name: str
    ends_in: str
    quirks: Quirks
    notes: tuple[str, ...] = ()


def catalogue(path: Path = SHIPPED) -> tuple[Kind, ...]:
    """The kinds of a file, in its order. Raises ``Refusal`` ``quirks_unusable`` naming what is wrong."""
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _unusable(path, str(error)) from error
    return tuple(_kind(path, name, table) for name, table in tables.items())


def _kind(path: Path, name: str, table: Any) -> Kind:
    if not isinstance(table, dict):
        raise _unusable(path, f"{name}: not a table")
    quirks = {key: value for key, value in table.items() if key not in ("ends_in", "notes")}
    if unknown := quirks.keys() - {field.name for field in fields(Quirks)}:
        raise _unusable(path, f"{name}: {', '.join(sorted(unknown))}")
    for key, choices in (("login", get_args(LoginForm)), ("answers", get_args(AnswerForm))):
        if key in quirks and quirks[key] not in choices:
            raise _unusable(path, f"{name}: {key} is one of {', '.join(choices)}")
    return Kind(name, str(table.get("ends_in", "registered")), Quirks(**quirks), tuple(table.get("notes", ())))


def _unusable(path: Path, why: str) -> Refusal:
    return Refusal(
        "invalid",
        "quirks_unusable",
        f"无法使用摄像机特性文件 {path.name}：{why}",
        f"The file of quirks {path.name} cannot be used: {why}",
        field="quirks",
    )
