"""What a camera says of its stream (SDP, RFC 4566): the first video and sound that can be taken. Pure and bounded.

Cameras write it freely: lines end as they like, parameter sets are wrong or left out, names are in any case.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass, field, replace
from typing import Literal

from gateway.streams import nal
from gateway.streams.frame import AudioCodec, AudioFormat, VideoCodec
from gateway.streams.nal import ParameterSets
from gateway.streams.sound_framing import AacHeaders

MOST_BYTES = 64 * 1024
MOST_LINES = 1000
MOST_MEDIA = 16
LONGEST_TITLE = 256
_STATIC = {"0": "PCMU/8000/1", "8": "PCMA/8000/1"}
"""Types that need no rtpmap (RFC 3551, 6)."""
_VIDEO: dict[str, VideoCodec] = {"H264": "h264", "H265": "hevc", "HEVC": "hevc"}
_RATES = range(1000, 1_000_001)
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
"""By samplingFrequencyIndex (ISO/IEC 14496-3, 1.6.3.4)."""
_MOST_SETS = 8

SdpFault = Literal["invalid_answer", "no_video", "unsupported_codec", "unsupported_packetisation"]


class DescriptionUnusable(Exception):
    """There is nothing to pull in what the camera said of its stream."""

    def __init__(self, reason: SdpFault) -> None:
        super().__init__(reason)
        self.reason: SdpFault = reason


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """``control`` and ``title`` (5.4) as they were said; ``decoding_order_numbers`` as in ``Depacketiser``."""

    codec: VideoCodec
    payload_type: int
    clock_rate: int
    control: str
    parameters: ParameterSets
    decoding_order_numbers: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """``headers`` only of AAC."""

    audio: AudioFormat
    payload_type: int
    clock_rate: int
    control: str
    headers: AacHeaders | None = None


TalkCodec = Literal["pcm_alaw", "pcm_mulaw"]


@dataclass(frozen=True, slots=True)
class TalkTrack:
    """What the camera takes and makes audible (ONVIF Streaming Specification, 5.3): G.711, 8000 samples a second."""

    codec: TalkCodec
    payload_type: int
    control: str


@dataclass(frozen=True, slots=True)
class Description:
    """``control``: of the whole session, as it was said. ``talk``: the backchannel; ``talks_otherwise``: there is one,
    but none that takes G.711."""

    control: str
    video: VideoTrack
    sound: SoundTrack | None
    talk: TalkTrack | None = None
    talks_otherwise: bool = False


@dataclass(slots=True)
class _Medium:
    kind: str = ""
    protocol: str = ""
    formats: list[str] = field(default_factory=list)
    maps: dict[str, str] = field(default_factory=dict)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    control: str = ""
    title: str = ""
    to_camera: bool = False


def read_description(body: bytes) -> Description:
    """Raises ``DescriptionUnusable``."""
    if len(body) > MOST_BYTES:
        raise DescriptionUnusable("invalid_answer")
    session, media = _divided(body)
    videos = [medium for medium in media if medium.kind == "video"]
    if not videos:
        raise DescriptionUnusable("no_video" if media else "invalid_answer")
    refused: SdpFault = "unsupported_codec"
    for medium in videos:
        try:
            talk = _talk(media)
            otherwise = talk is None and any(one.kind == "audio" and one.to_camera for one in media)
            return Description(session.control, _video(medium), _sound(media), talk, otherwise)
        except DescriptionUnusable as unusable:
            refused = unusable.reason
    raise DescriptionUnusable(refused)


def _divided(body: bytes) -> tuple[_Medium, list[_Medium]]:
    lines = body.decode("utf-8", "replace").replace("\r", "\n").split("\n")
    session = now = _Medium()
    media: list[_Medium] = []
    for line in lines[: 2 * MOST_LINES]:
        name, _, value = line.strip().partition("=")
        if name == "m":
            if len(media) == MOST_MEDIA:
                raise DescriptionUnusable("invalid_answer")
            kind, _, rest = value.partition(" ")
            words = rest.split()
            now = _Medium(kind.lower(), words[1].upper() if len(words) > 1 else "", words[2:])
            media.append(now)
        elif name == "i":
            now.title = value[:LONGEST_TITLE]
        elif name == "a":
            _attribute(now, value)
    return session, media


def _attribute(medium: _Medium, value: str) -> None:
    name, _, rest = value.partition(":")
    rest = rest.strip()
    match name.strip().lower():
        case "control":
            medium.control = rest
        case "rtpmap":
            number, _, mapped = rest.partition(" ")
            medium.maps[number] = mapped.strip()
        case "fmtp":
            number, _, settings = rest.partition(" ")
            parts = (part.partition("=") for part in settings.split(";"))
            medium.settings[number] = {key.strip().lower(): said.strip() for key, _, said in parts if key.strip()}
        case "sendonly":
            medium.to_camera = True  # a backchannel (ONVIF Streaming Specification, 5.3)


def _formats(medium: _Medium) -> list[tuple[int, str, int, int, dict[str, str]]]:
    """Payload type, encoding, clock rate, channels and parameters of each format that makes sense."""
    found = []
    for number in medium.formats:
        if not _is_number(number) or int(number) > 127:
            continue
        encoding, _, rest = medium.maps.get(number, _STATIC.get(number, "")).partition("/")
        rate, _, channels = rest.partition("/")
        clock_rate = int(rate) if _is_number(rate) else 90_000
        if clock_rate in _RATES:
            count = int(channels) if _is_number(channels) else 1
            found.append((int(number), encoding.strip().upper(), clock_rate, count, medium.settings.get(number, {})))
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9


def _video(medium: _Medium) -> VideoTrack:
    if medium.protocol not in ("RTP/AVP", "RTP/AVPF", "RTP/AVP/TCP", "RTP/AVP/UDP"):
        raise DescriptionUnusable("unsupported_codec")
    for number, encoding, clock_rate, _, settings in _formats(medium):
        codec = _VIDEO.get(encoding)
        if codec is None:
            continue
        if codec == "h264" and settings.get("packetization-mode", "0") not in ("0", "1"):
            raise DescriptionUnusable("unsupported_packetisation")
        numbered = settings.get("sprop-max-don-diff", "0").strip("0") != ""
        return VideoTrack(
            codec, number, clock_rate, medium.control, _parameters(codec, settings), numbered, medium.title
        )
    raise DescriptionUnusable("unsupported_codec")


def _parameters(codec: VideoCodec, settings: dict[str, str]) -> ParameterSets:
    names = ("sprop-parameter-sets",) if codec == "h264" else ("sprop-vps", "sprop-sps", "sprop-pps")
    units = []
    for name in names:
        for text in settings.get(name, "").split(",")[:_MOST_SETS]:
            try:
                data = b64decode(text)
            except (binascii.Error, ValueError):
                continue
            # Some cameras put start codes in front, or several sets into one.
            units += nal.nal_units(data) if data.startswith(b"\x00") else [data.rstrip(b"\x00")]
    return ParameterSets.found_in(codec, [unit for unit in units if len(unit) > 2])


def _sound(media: list[_Medium]) -> SoundTrack | None:
    """None for what no viewer could play (G.726, G.722 …) and for what makes no sense."""
    for medium in media:
        if medium.kind != "audio" or medium.to_camera or not medium.protocol.startswith("RTP/AVP"):
            continue
        for number, encoding, clock_rate, channels, settings in _formats(medium):
            found = _sound_of(encoding, clock_rate, channels, settings)
            if found is not None:
                return replace(found, payload_type=number, control=medium.control)
    return None


def _talk(media: list[_Medium]) -> TalkTrack | None:
    for medium in media:
        if medium.kind != "audio" or not medium.to_camera or not medium.protocol.startswith("RTP/AVP"):
            continue
        for number, encoding, clock_rate, channels, _ in _formats(medium):
            if encoding in ("PCMA", "PCMU") and (clock_rate, channels) == (8000, 1):
                return TalkTrack("pcm_alaw" if encoding == "PCMA" else "pcm_mulaw", number, medium.control)
    return None


def _sound_of(encoding: str, clock_rate: int, channels: int, settings: dict[str, str]) -> SoundTrack | None:
    g711: dict[str, AudioCodec] = {"PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}
    if encoding in g711:
        if (clock_rate, channels) != (8000, 1):
            return None
        return SoundTrack(AudioFormat(g711[encoding], 8000, 1), 0, 8000, "")
    if encoding == "OPUS":
        return SoundTrack(AudioFormat("opus", 48_000, 2), 0, 48_000, "") if clock_rate == 48_000 else None
    if encoding != "MPEG4-GENERIC":
        return None
    headers = AacHeaders(*(_bits(settings, name) for name in ("sizelength", "indexlength", "indexdeltalength")))
    try:
        config = bytes.fromhex(settings.get("config", ""))
    except ValueError:
        return None
    if not headers.size or not 2 <= len(config) <= 64:
        return None
    rate, count = _aac(config, clock_rate, channels)
    if not 8000 <= rate <= 96_000 or not 1 <= count <= 2:
        return None
    return SoundTrack(AudioFormat("aac", rate, count, config), 0, clock_rate, "", headers)


def _bits(settings: dict[str, str], name: str) -> int:
    text = settings.get(name, "0")
    return int(text) if _is_number(text) and int(text) <= 32 else 0


def _aac(config: bytes, clock_rate: int, channels: int) -> tuple[int, int]:
    """Sample rate and channels as the AudioSpecificConfig has them (ISO/IEC 14496-3, 1.6.2.1), which is what decoders
    go by; as the rtpmap has them where it spells them out."""
    head = int.from_bytes(config[:2])
    index, said = head >> 7 & 0x0F, head >> 3 & 0x0F
    if head >> 11 == 31 or index >= len(_AAC_RATES):
        return clock_rate, channels
    return _AAC_RATES[index], said or channels
