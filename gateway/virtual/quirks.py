"""What is odd about a virtual camera, as data. A camera without quirks is a well-behaved one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quirks:
    """Each field is a fault seen in the field; the default is the right behaviour.

    ``clock_offset`` (seconds): the device's clock is wrong by so much, and it judges logins by it.
    ``media2``: False on older devices, which know Profile S (Media, ver10) only.
    ``advertised_host``: the host written into its addresses, such as ``0.0.0.0`` or one behind a NAT.
    ``locked_out``: the account is locked after wrong logins; every login is refused, the right one too.
    ``refuses_rtsp``: ONVIF answers, but the RTSP door takes no login.
    ``silent_after`` (seconds of play): the stream stays open and sends nothing more.
    ``frozen_after`` (seconds of play): the same picture is sent again and again.
    ``main_encoding``: what the main profile claims to be (``H264`` or ``H265``); a sub profile is always H.264.
    ``without_services``: GetServices is unknown to it, so GetCapabilities must be asked.
    ``slow`` (seconds): every SOAP answer comes so much later.
    """

    clock_offset: float = 0.0
    media2: bool = True
    advertised_host: str | None = None
    locked_out: bool = False
    refuses_rtsp: bool = False
    silent_after: float | None = None
    frozen_after: float | None = None
    main_encoding: str = "H264"
    without_services: bool = False
    slow: float = 0.0
