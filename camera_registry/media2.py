"""The questions of ONVIF's Media2 service (Profile T) that a registration asks: profiles, stream, snapshot.

Only there does a camera tell that a profile is H.265.
"""

from __future__ import annotations

from typing import Any

from camera_registry.profiles import MediaProfile, told
from camera_registry.soap_call import SPACES, element, text_at
from camera_registry.ws_discovery import printable

_MOST_PROFILES = 64


def get_profiles(kind: str = "VideoEncoder") -> Any:
    """With the configurations of one kind, or ``All``."""
    return element("tr2:GetProfiles", element("tr2:Type", text=kind))


def get_stream_uri(token: str, protocol: str = "RTSP") -> Any:
    """``protocol``: ``RTSP`` (interleaved) or, for devices that know only that, ``RtspUnicast``."""
    return element("tr2:GetStreamUri", element("tr2:Protocol", text=protocol), element("tr2:ProfileToken", text=token))


def get_snapshot_uri(token: str) -> Any:
    return element("tr2:GetSnapshotUri", element("tr2:ProfileToken", text=token))


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
    return text_at(answer, "tr2:Uri")
