"""The questions of ONVIF's Media service (Profile S) that a registration asks: profiles, stream, snapshot."""

from __future__ import annotations

from typing import Any

from camera_registry.profiles import MediaProfile, told
from camera_registry.soap_call import SPACES, element, text_at
from camera_registry.ws_discovery import printable

_MOST_PROFILES = 64


def get_profiles() -> Any:
    return element("trt:GetProfiles")


def get_stream_uri(token: str) -> Any:
    """RTP over RTSP: who pulls chooses TCP."""
    setup = element(
        "trt:StreamSetup",
        element("tt:Stream", text="RTP-Unicast"),
        element("tt:Transport", element("tt:Protocol", text="RTSP")),
    )
    return element("trt:GetStreamUri", setup, element("trt:ProfileToken", text=token))


def get_snapshot_uri(token: str) -> Any:
    return element("trt:GetSnapshotUri", element("trt:ProfileToken", text=token))


def profiles(answer: Any) -> tuple[MediaProfile, ...]:
    """The profiles of a ``GetProfilesResponse``, in whatever order their parts stand; what is no video is left out."""
    found = []
    for profile in answer.findall("trt:Profiles", SPACES)[:_MOST_PROFILES]:
        encoder = profile.find("tt:VideoEncoderConfiguration", SPACES)
        if encoder is None:
            continue
        one = told(
            token=str(profile.get("token", ""))[:64],
            name=printable(profile.findtext("tt:Name", "", SPACES)),
            encoding=encoder.findtext("tt:Encoding", "", SPACES).strip(),
            width=encoder.findtext("tt:Resolution/tt:Width", None, SPACES),
            height=encoder.findtext("tt:Resolution/tt:Height", None, SPACES),
            fps=encoder.findtext("tt:RateControl/tt:FrameRateLimit", None, SPACES),
            gop=encoder.findtext("tt:H264/tt:GovLength", None, SPACES),
        )
        if one is not None:
            found.append(one)
    return tuple(found)


def uri(answer: Any) -> str:
    return text_at(answer, "trt:MediaUri/tt:Uri")
