"""The front of all doors: host and origin checked, security headers set, failures caught, each request logged once.

Plain ASGI, since streams pass through here; the query is never logged.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import problem

log = structlog.get_logger(__name__)

# Styles may stand inline: the console's component library measures and places with style elements of its own.
# Scripts may not.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

PREFIX = "/api/v1"

Observe = Callable[[str, str, int, float], None]
"""Told of each request: method, route pattern, status, seconds."""


class Front:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp, allowed_hosts: tuple[str, ...], observe: Observe) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in allowed_hosts) | {"localhost"}
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            refused = self._refused(scope)
            if refused is not None:
                await refused(scope, receive, dressed)
            else:
                await self._app(scope, receive, dressed)
        except Exception as error:  # the last resort: logged with its trace, answered without it
            log.error("request_failed", method=scope["method"], path=scope["path"], exc_info=error)
            if status:
                raise
            answer = problem(
                500,
                "internal_error",
                "服务内部错误，已记录。",
                "Something went wrong inside the service; it has been logged.",
            )
            await answer(scope, receive, dressed)
        finally:
            self._note(scope, status, time.monotonic() - began)

    def _refused(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._known(host):
            # A foreign name that resolves to this address is how a web page reaches inner services (DNS rebinding).
            return problem(
                400,
                "host_unknown",
                "请求的主机名不在允许之列（设置 http.allowed_hosts）。",
                "This host name is not served; add it to the setting http.allowed_hosts.",
            )
        if scope["scheme"] == "http" and not _is_loopback(scope):
            return problem(
                403, "https_required", "非本机访问必须使用 HTTPS。", "Off this machine, only HTTPS is served."
            )
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc.lower() != host.lower()
        if scope["method"] not in _SAFE and (foreign or headers.get("sec-fetch-site") == "cross-site"):
            return problem(
                403, "origin_refused", "不接受来自其他网站的请求。", "Requests from other sites are refused."
            )
        return None

    def _known(self, host: str) -> bool:
        """Addresses are always answered; names only if they are ours."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        self._observe(scope["method"], _route(scope), status, seconds)
        client = scope.get("client")
        level = log.debug if scope["path"] in _QUIET else log.info
        level(
            "http_request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            milliseconds=round(seconds * 1000, 1),
            client=client[0] if client else None,
            user=scope.get("state", {}).get("username"),
        )


def _route(scope: Scope) -> str:
    """The pattern of the matched door, never the address itself: a metric must not grow with what callers make up."""
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is None:
        return "other"
    # FastAPI leaves out the prefix under which a router was included.
    return path if path.startswith(PREFIX) or not scope["path"].startswith(PREFIX) else PREFIX + path


def _is_loopback(scope: Scope) -> bool:
    client = scope.get("client")
    if not client:
        return True  # a local socket has no address
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
