"""What a reader is told of a stream before it plays: SDP (RFC 4566) with the parameter sets of the newest keyframe."""

from __future__ import annotations

from base64 import b64encode

from gateway.streams import nal
from gateway.streams.frame import AudioFormat, EncodedFrame, VideoCodec
from gateway.streams.nal import ParameterSets

PAYLOAD_TYPE = 96
CLOCK_RATE = 90_000
TRACK, SOUND_TRACK = "video", "audio"
SOUND_PAYLOAD_TYPE = {"pcm_mulaw": 0, "pcm_alaw": 8, "aac": 97, "opus": 98}
"""The first two are fixed (RFC 3551, 6)."""


def parameters_of(keyframe: EncodedFrame) -> ParameterSets:
    codec: VideoCodec = "h264" if keyframe.codec == "h264" else "hevc"
    return ParameterSets.found_in(codec, nal.nal_units(keyframe.data))


def describe(
    parameters: ParameterSets, session: int, host: str, audio: AudioFormat | None = None, title: str | None = None
) -> bytes:
    """``parameters`` must be complete. ``host`` is an IP address, this side's; ``session`` any number; ``title``: what
    is to be known of the pictures, one line."""
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=- {session} 1 IN {family} {host}",
        "s=gateway",
        f"c=IN {family} {'::' if family == 'IP6' else '0.0.0.0'}",  # noqa: S104 - nothing listens there
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        *([] if title is None else [f"i={title}"]),
        f"a=rtpmap:{PAYLOAD_TYPE} {'H264' if parameters.codec == 'h264' else 'H265'}/{CLOCK_RATE}",
        f"a=fmtp:{PAYLOAD_TYPE} {_format(parameters)}",
        f"a=control:{TRACK}",
        *([] if audio is None else _sound(audio)),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def sound_clock_rate(audio: AudioFormat) -> int:
    """Of RTP; Opus counts 48000 whatever was recorded (RFC 7587, 4.1)."""
    return 48_000 if audio.codec == "opus" else audio.sample_rate


def _sound(audio: AudioFormat) -> list[str]:
    """RFC 3551, RFC 3640 (mode AAC-hbr), RFC 7587."""
    kind = SOUND_PAYLOAD_TYPE[audio.codec]
    names = {"pcm_mulaw": "PCMU/8000", "pcm_alaw": "PCMA/8000", "opus": "opus/48000/2"}
    name = names.get(audio.codec, f"mpeg4-generic/{audio.sample_rate}/{audio.channels}")
    lines = [f"m=audio 0 RTP/AVP {kind}", f"a=rtpmap:{kind} {name}"]
    if audio.codec == "aac":
        lines.append(
            f"a=fmtp:{kind} streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
            f"indexdeltalength=3;config={audio.config.hex()}"
        )
    return [*lines, f"a=control:{SOUND_TRACK}"]


def sound_payload(frame: EncodedFrame) -> bytes:
    """AAC has a header before each access unit: 13 bits of its size (RFC 3640, 3.3.6)."""
    if frame.codec != "aac":
        return frame.data
    return b"\x00\x10" + (len(frame.data) << 3).to_bytes(2, "big") + frame.data


def _format(parameters: ParameterSets) -> str:
    """RFC 6184, 8.2.1, and RFC 7798, 7.1."""
    if parameters.codec == "h264":
        level = parameters.of_kind(nal.H264_SPS)[0][1:4].hex().upper()
        return f"packetization-mode=1;profile-level-id={level};sprop-parameter-sets={_base64(parameters.units)}"
    kinds = (("vps", nal.HEVC_VPS), ("sps", nal.HEVC_SPS), ("pps", nal.HEVC_PPS))
    return ";".join(f"sprop-{name}={_base64(parameters.of_kind(kind))}" for name, kind in kinds)


def _base64(units: tuple[bytes, ...]) -> str:
    return ",".join(b64encode(unit).decode() for unit in units)
