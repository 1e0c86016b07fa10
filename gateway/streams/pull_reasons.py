"""Why a camera gives no picture, as reasons that an operator can act on."""

from __future__ import annotations

import errno
import socket
from typing import Literal

from camera_registry.reasons import CLEAR_LOGIN_NEEDED

PullReason = Literal[
    "unreachable", "refused", "auth_failed", "forbidden", "clear_login_needed", "not_found", "redirected", "rejected",
    "server_error", "timeout", "invalid_answer", "no_video", "unsupported_codec", "unsupported_packetisation",
    "no_keyframe", "packets_lost", "stalled", "stream_ended", "connection_lost", "certificate_refused",
    "codec_changed",
]  # fmt: skip

SENTENCES: dict[PullReason, tuple[str, str]] = {
    "unreachable": ("无法连接到摄像机，请检查网络与地址", "the camera cannot be reached; check network and address"),
    "refused": (
        "摄像机拒绝连接，请检查端口和 RTSP 服务",
        "the connection was refused; check the port and RTSP service",
    ),
    "auth_failed": ("用户名或密码错误", "wrong user name or password"),
    "forbidden": ("该账号无权查看此视频流", "the account may not view this stream"),
    "clear_login_needed": (CLEAR_LOGIN_NEEDED.zh, CLEAR_LOGIN_NEEDED.en),
    "not_found": ("摄像机上没有该视频流，请检查路径", "the camera has no such stream; check the path"),
    "redirected": (
        "摄像机要求改连其他地址，未予跟随，请登记实际地址",
        "the camera sends us to another address, which is not followed; register the address itself",
    ),
    "rejected": ("摄像机拒绝了请求，可能连接数已满", "the camera rejected the request; it may serve too many already"),
    "server_error": ("摄像机报告内部错误", "the camera reported an error of its own"),
    "timeout": ("摄像机没有及时应答", "the camera did not answer in time"),
    "invalid_answer": ("摄像机的应答无法识别", "the camera's answer could not be understood"),
    "no_video": ("该流没有视频", "the stream has no video"),
    "unsupported_codec": ("视频编码不是 H.264 或 H.265", "the video is neither H.264 nor H.265"),
    "unsupported_packetisation": (
        "视频的 RTP 打包方式不受支持（交织模式，或不按解码顺序发送），请在摄像机上改用非交织模式",
        "the video travels in RTP packets of a kind that is not supported (interleaved mode, or not in decoding "
        "order); set the camera to non-interleaved mode",
    ),
    "no_keyframe": ("视频流没有关键帧，无法解码", "the stream has no keyframe, so it cannot be decoded"),
    "packets_lost": (
        "网络丢包严重，没有收到完整的关键帧，请检查网络或改用 TCP",
        "so many packets are lost that no keyframe arrives whole; check the network, or take the stream over TCP",
    ),
    "stalled": ("摄像机停止发送画面", "the camera stopped sending pictures"),
    "stream_ended": ("摄像机结束了视频流", "the camera ended the stream"),
    "connection_lost": ("与摄像机的连接中断", "the connection to the camera broke"),
    "codec_changed": ("视频编码已改变，正在重新连接", "the camera changed its codec; connecting anew"),
    "certificate_refused": (
        "摄像机的 TLS 证书不受信任，请核对指纹后加入信任，或导入签发机构证书",
        "the camera's certificate is not trusted; compare its fingerprint and pin it, or add its authority",
    ),
}

_AWAY = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}


class PullEnded(Exception):
    """There is no picture any more, or there was none to begin with."""

    def __init__(self, reason: PullReason) -> None:
        super().__init__(reason)
        self.reason: PullReason = reason


def why_not_connected(error: OSError) -> PullReason:
    """The reason for an error before the connection stood, or while it was spoken over."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionError):
        return "connection_lost"
    return "unreachable" if isinstance(error, socket.gaierror) or error.errno in _AWAY else "invalid_answer"


def why_refused(status: int) -> PullReason:
    """The reason for an answer other than 200 (RFC 2326, 11)."""
    known: dict[int, PullReason] = {401: "auth_failed", 403: "forbidden", 404: "not_found"}
    if status in known:
        return known[status]
    if 300 <= status < 400:
        return "redirected"
    return "rejected" if 400 <= status < 500 else "server_error" if status >= 500 else "invalid_answer"
