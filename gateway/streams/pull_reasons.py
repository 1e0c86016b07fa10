"""Why a camera gives no picture: FFmpeg's errors turned into reasons that an operator can act on."""

from __future__ import annotations

import errno
import ssl
from typing import Literal

import av.error

PullReason = Literal[
    "unreachable", "refused", "auth_failed", "forbidden", "not_found", "rejected", "server_error", "timeout",
    "invalid_answer", "no_video", "unsupported_codec", "no_keyframe", "stalled", "stream_ended", "connection_lost",
    "certificate_refused", "codec_changed",
]  # fmt: skip

SENTENCES: dict[PullReason, tuple[str, str]] = {
    "unreachable": ("无法连接到摄像机，请检查网络与地址", "the camera cannot be reached; check network and address"),
    "refused": (
        "摄像机拒绝连接，请检查端口和 RTSP 服务",
        "the connection was refused; check the port and RTSP service",
    ),
    "auth_failed": ("用户名或密码错误", "wrong user name or password"),
    "forbidden": ("该账号无权查看此视频流", "the account may not view this stream"),
    "not_found": ("摄像机上没有该视频流，请检查路径", "the camera has no such stream; check the path"),
    "rejected": ("摄像机拒绝了请求，可能连接数已满", "the camera rejected the request; it may serve too many already"),
    "server_error": ("摄像机报告内部错误", "the camera reported an error of its own"),
    "timeout": ("摄像机没有及时应答", "the camera did not answer in time"),
    "invalid_answer": ("摄像机的应答无法识别", "the camera's answer could not be understood"),
    "no_video": ("该流没有视频", "the stream has no video"),
    "unsupported_codec": ("视频编码不是 H.264 或 H.265", "the video is neither H.264 nor H.265"),
    "no_keyframe": ("视频流没有关键帧，无法解码", "the stream has no keyframe, so it cannot be decoded"),
    "stalled": ("摄像机停止发送画面", "the camera stopped sending pictures"),
    "stream_ended": ("摄像机结束了视频流", "the camera ended the stream"),
    "connection_lost": ("与摄像机的连接中断", "the connection to the camera broke"),
    "codec_changed": ("视频编码已改变，正在重新连接", "the camera changed its codec; connecting anew"),
    "certificate_refused": (
        "摄像机的 TLS 证书不受信任，请核对指纹后加入信任，或导入签发机构证书",
        "the camera's certificate is not trusted; compare its fingerprint and pin it, or add its authority",
    ),
}

_OPENING: tuple[tuple[type[Exception], PullReason], ...] = (
    (av.error.HTTPUnauthorizedError, "auth_failed"),
    (av.error.HTTPForbiddenError, "forbidden"),
    (av.error.HTTPNotFoundError, "not_found"),
    (av.error.HTTPClientError, "rejected"),
    (av.error.HTTPServerError, "server_error"),
    (ssl.SSLError, "invalid_answer"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "connection_lost"),
    (TimeoutError, "timeout"),
    (av.error.ExitError, "timeout"),
    (EOFError, "connection_lost"),
)
_AWAY = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EIO, errno.EADDRNOTAVAIL}


def why_not_opened(error: Exception, *, out_of_time: bool) -> PullReason:
    """``out_of_time``: the time limit had passed when it came. FFmpeg then often says "invalid data"."""
    for kind, reason in _OPENING:
        if isinstance(error, kind):
            return reason
    if out_of_time:
        return "timeout"
    # A name that cannot be resolved is an I/O error to FFmpeg.
    if isinstance(error, OSError) and error.errno in _AWAY:
        return "unreachable"
    return "invalid_answer"


def why_it_ended(error: Exception) -> PullReason:
    """The reason for an error in mid-stream."""
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return "stalled"
    return "stream_ended" if isinstance(error, EOFError) else "connection_lost"
