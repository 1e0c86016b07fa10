"""The two questions of ONVIF's Media2 service (Profile T) that a registration asks, written and read by hand.

onvif-zeep-async ships no description of Media2 (ver20/media). Only there does a camera tell that a profile is H.265.
"""

from __future__ import annotations

from typing import Any, Protocol

from lxml import etree

from camera_registry import reasons
from camera_registry.errors import CameraRefused
from camera_registry.onvif_transport import BoundedTransport, as_bytes, parsed
from camera_registry.profiles import MediaProfile, told
from camera_registry.ws_discovery import printable

SPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
}
_MOST_PROFILES = 64


class Signs(Protocol):
    """Puts a login into an envelope, as zeep's UsernameToken does."""

    def apply(self, envelope: Any, headers: dict[str, str]) -> tuple[Any, dict[str, str]]: ...


class MediaFault(Exception):
    """The device answered with a fault."""

    def __init__(self, text: str) -> None:
        super().__init__(text[:200])
        self.is_login = "NotAuthorized" in text


def get_profiles() -> Any:
    body = etree.Element(f"{{{SPACES['tr2']}}}GetProfiles")
    etree.SubElement(body, f"{{{SPACES['tr2']}}}Type").text = "VideoEncoder"
    return body


def get_stream_uri(token: str) -> Any:
    body = etree.Element(f"{{{SPACES['tr2']}}}GetStreamUri")
    etree.SubElement(body, f"{{{SPACES['tr2']}}}Protocol").text = "RTSP"
    etree.SubElement(body, f"{{{SPACES['tr2']}}}ProfileToken").text = token
    return body


async def call(transport: BoundedTransport, address: str, body: Any, login: Signs) -> Any:
    """Ask; answers the first element of the answer's body. Raises ``MediaFault`` and ``CameraRefused``."""
    envelope = etree.Element(f"{{{SPACES['s']}}}Envelope", nsmap={"s": SPACES["s"]})
    etree.SubElement(envelope, f"{{{SPACES['s']}}}Header")
    etree.SubElement(envelope, f"{{{SPACES['s']}}}Body").append(body)
    signed, _ = login.apply(envelope, {})
    response, content = await transport.exchange(address, as_bytes(signed))
    if response.status in (401, 403) and not content.strip().startswith(b"<"):
        raise MediaFault("NotAuthorized")
    tree = parsed(content)
    fault = tree.find("s:Body/s:Fault", SPACES)
    if fault is not None:
        raise MediaFault(" ".join(text for text in fault.itertext() if text.strip()))
    answer = tree.find("s:Body/*", SPACES)
    if answer is None:
        raise CameraRefused(reasons.ANSWER_INVALID)
    return answer


def profiles(answer: Any) -> tuple[MediaProfile, ...]:
    """The profiles of a ``GetProfilesResponse``; what is no video profile is left out."""
    found = []
    for profile in answer.findall("tr2:Profiles", SPACES)[:_MOST_PROFILES]:
        encoder = profile.find("tr2:Configurations/tr2:VideoEncoder", SPACES)
        if encoder is None:
            continue
        one = told(
            token=str(profile.get("token", ""))[:64],
            name=printable(profile.findtext("tr2:Name", "", SPACES)),
            encoding=encoder.findtext("tt:Encoding", "", SPACES).strip(),
            width=encoder.findtext("tt:Resolution/tt:Width", None, SPACES),
            height=encoder.findtext("tt:Resolution/tt:Height", None, SPACES),
            fps=encoder.findtext("tt:RateControl/tt:FrameRateLimit", None, SPACES),
            gop=encoder.get("GovLength"),
        )
        if one is not None:
            found.append(one)
    return tuple(found)


def uri(answer: Any) -> str:
    return str(answer.findtext("tr2:Uri", "", SPACES)).strip()
