"""The media of a call: reads a terminal's offer and makes our answer (RFC 8866, RFC 3264, RFC 6184). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from gateway.refusals import Refusal

MOST_BYTES = 8 * 1024
MOST_LINES = 200
_G711 = {"PCMA/8000": "pcm_alaw", "PCMU/8000": "pcm_mulaw"}
_STATIC = {"8": "PCMA/8000", "0": "PCMU/8000"}


@dataclass(frozen=True, slots=True)
class Medium:
    """One m= line. ``codec`` None: nothing of it is understood, and it is refused by port 0."""

    kind: str
    host: str
    port: int
    payload_type: int
    codec: str | None
    parameters: str
    direction: str
    protocol: str
    formats: str

    @property
    def sends(self) -> bool:
        return self.direction in ("sendrecv", "sendonly")

    @property
    def receives(self) -> bool:
        return self.direction in ("sendrecv", "recvonly")

    @property
    def fragments(self) -> bool:
        """Whether H.264 may travel in fragments and aggregates: packetization-mode 1."""
        return "packetization-mode=1" in self.parameters.replace(" ", "")


@dataclass(frozen=True, slots=True)
class CallOffer:
    """The first usable video and sound; ``media`` are all, in order, as the answer must list them."""

    media: tuple[Medium, ...]
    video: Medium | None
    sound: Medium | None


def _bad(reason: str = "sdp_malformed") -> Refusal:
    return Refusal("invalid", reason, "呼叫的媒体描述无法解析", "the call's SDP cannot be read", field="offer")


def read_offer(body: bytes) -> CallOffer:
    """Refuses ``sdp_malformed`` and, where neither H.264 nor G.711 is offered, ``codecs_not_offered``."""
    if len(body) > MOST_BYTES:
        raise _bad()
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if len(lines) > MOST_LINES or not lines[0].startswith("v=0"):
        raise _bad()
    session: list[str] = []
    parts: list[list[str]] = []
    for line in lines:
        if line.startswith("m="):
            parts.append([])
        (parts[-1] if parts else session).append(line)
    if not 0 < len(parts) <= 8:
        raise _bad()
    media = tuple(_medium(part, session) for part in parts)
    video = next((one for one in media if one.kind == "video" and one.codec == "h264"), None)
    sound = next((one for one in media if one.kind == "audio" and one.codec is not None), None)
    if video is None and sound is None:
        raise Refusal(
            "invalid", "codecs_not_offered", "呼叫需要 H.264 视频或 G.711 音频", "a call needs H.264 or G.711",
            field="offer",
        )  # fmt: skip
    return CallOffer(media, video, sound)


def ours() -> CallOffer:
    """What we offer ourselves, before anybody has answered: H.264 in both packetization modes, G.711."""
    sound = Medium("audio", "", 0, 8, "pcm_alaw", "", "sendrecv", "RTP/AVP", "8 0")
    video = Medium("video", "", 0, 97, "h264", "packetization-mode=1", "sendrecv", "RTP/AVP", "97 98")
    return CallOffer((sound, video), video, sound)


def offer(host: str, ports: dict[str, int], number: int) -> bytes:
    """``ports`` by kind."""
    lines = [
        "v=0", f"o=gateway {number} {number} IN IP4 {host}", "s=room", f"c=IN IP4 {host}", "t=0 0",
        f"m=audio {ports['audio']} RTP/AVP 8 0", "a=rtpmap:8 PCMA/8000", "a=rtpmap:0 PCMU/8000", "a=ptime:20",
        "a=sendrecv",
        f"m=video {ports['video']} RTP/AVP 97 98", "a=rtpmap:97 H264/90000",
        "a=fmtp:97 profile-level-id=42e01f;packetization-mode=1", "a=rtpmap:98 H264/90000",
        "a=fmtp:98 profile-level-id=42e01f;packetization-mode=0", "a=sendrecv",
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n").encode()


def _medium(part: list[str], session: list[str]) -> Medium:
    found = re.fullmatch(r"m=(\w{1,16}) (\d{1,5})(?:/\d+)? (\S{1,32})((?: \S{1,16}){0,64})\s*", part[0])
    if found is None or int(found[2]) > 65_535:
        raise _bad()
    kind, port, protocol, formats = found[1], int(found[2]), found[3], found[4].split()
    host = _host(part) or _host(session) or ""
    codec: str | None = None
    payload_type, parameters = -1, ""
    if port and host and protocol in ("RTP/AVP", "RTP/AVPF"):
        maps, settings = _maps(part), _settings(part)
        codec, payload_type = _chosen(kind, formats, maps, settings)
        parameters = settings.get(str(payload_type), "")
    directions = {line[2:].strip() for line in [*session, *part] if line.startswith("a=")}
    direction = next((one for one in ("sendonly", "recvonly", "inactive") if one in directions), "sendrecv")
    return Medium(kind, host, port, payload_type, codec, parameters, direction, protocol, " ".join(formats))


def _chosen(kind: str, formats: list[str], maps: dict[str, str], settings: dict[str, str]) -> tuple[str | None, int]:
    if kind == "audio":
        for number in formats:
            codec = _G711.get(maps.get(number, _STATIC.get(number, "")))
            if codec is not None and number.isdigit():
                return codec, int(number)
        return None, -1
    if kind != "video":
        return None, -1
    h264 = [one for one in formats if one.isdigit() and maps.get(one, "").upper() == "H264/90000"]
    # packetization-mode 1 lets a picture travel in fragments; mode 0 ties each slice to one packet.
    h264.sort(key=lambda one: "packetization-mode=1" not in settings.get(one, "").replace(" ", ""))
    return ("h264", int(h264[0])) if h264 else (None, -1)


def _maps(part: list[str]) -> dict[str, str]:
    found = (re.fullmatch(r"a=rtpmap:(\d{1,3}) ([\w.-]+/\d+)(?:/\d+)?\s*", line) for line in part)
    return {one[1]: one[2].upper() for one in found if one}


def _settings(part: list[str]) -> dict[str, str]:
    found = (re.fullmatch(r"a=fmtp:(\d{1,3}) (.{1,256})", line.strip()) for line in part)
    return {one[1]: one[2] for one in found if one}


def _host(lines: list[str]) -> str | None:
    for line in lines:
        found = re.fullmatch(r"c=IN IP4 (\S{1,64})\s*", line)
        if found:
            try:
                address = ip_address(found[1].partition("/")[0])
            except ValueError:
                raise _bad() from None
            if address.is_multicast or address.is_unspecified:
                return None
            return str(address)
    return None


def answer(offer: CallOffer, host: str, ports: dict[str, int], number: int, version: int = 0) -> bytes:
    """Our side: ``ports`` by kind; media that are not served are refused with port 0 (RFC 3264, 6). ``number`` of the
    session, ``version`` of what is said of it."""
    lines = ["v=0", f"o=gateway {number} {number + version} IN IP4 {host}", "s=room", f"c=IN IP4 {host}", "t=0 0"]
    turned = {"sendonly": "recvonly", "recvonly": "sendonly"}
    for medium in offer.media:
        if medium not in (offer.video, offer.sound):
            lines.append(f"m={medium.kind} 0 {medium.protocol} {medium.formats or '0'}")
            continue
        port, payload_type = ports[medium.kind], medium.payload_type
        lines.append(f"m={medium.kind} {port} {medium.protocol} {payload_type}")
        if medium.codec == "h264":
            lines.append(f"a=rtpmap:{payload_type} H264/90000")
            mode = int(medium.fragments)
            lines.append(f"a=fmtp:{payload_type} profile-level-id=42e01f;packetization-mode={mode}")
            if medium.protocol == "RTP/AVPF":
                lines += [f"a=rtcp-fb:{payload_type} nack pli", f"a=rtcp-fb:{payload_type} ccm fir"]
        else:
            name = "PCMA" if medium.codec == "pcm_alaw" else "PCMU"
            lines += [f"a=rtpmap:{payload_type} {name}/8000", "a=ptime:20"]
        lines.append(f"a={turned.get(medium.direction, medium.direction)}")
    return ("\r\n".join(lines) + "\r\n").encode()
