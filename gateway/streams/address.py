"""Where a stream is and who asks for it. The password never shows: not in a log, a repr, or an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway.refusals import Refusal

_LONGEST = 2048


def _refused() -> Refusal:
    return Refusal(
        "invalid",
        "stream_address_invalid",
        "视频流地址无效，应为 rtsp://主机[:端口]/路径，且不含用户名和密码",
        "the stream's address is not valid: rtsp://host[:port]/path, without user name and password",
        field="rtsp_url",
    )


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """An ``rtsp://`` or ``rtsps://`` address without credentials, and the credentials. Refuses anything else.

    ``clear_login``: the password may be sent there readably (Basic), where nothing else is taken.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    clear_login: bool = False

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in ("rtsp", "rtsps") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise _refused() from None
        if not valid or "@" in parts.netloc or len(self.url) > _LONGEST or not self.url.isprintable():
            raise _refused()
