"""The HTTP server on a socket that is bound already. Signals are the service's business, not the server's."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from gateway.settings import HttpSettings
from gateway.workers.control.http_connections import BoundedConnection

GRACE = 3
"""Seconds that open requests and event streams have when the service ends."""


class HttpServer(uvicorn.Server):
    """``serve(sockets=[…])`` runs until ``should_exit`` is set."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def http_server(app: FastAPI, http: HttpSettings) -> HttpServer:
    """A server for ``app``; with TLS where a certificate is set."""
    return HttpServer(
        uvicorn.Config(
            app,
            http=BoundedConnection,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
            timeout_keep_alive=30,
            h11_max_incomplete_event_size=64 * 1024,
            lifespan="off",
            ssl_certfile=http.certificate,
            ssl_keyfile=http.private_key,
        )
    )


def address_of(http: HttpSettings, listening: socket.socket) -> str:
    """What an operator opens in a browser."""
    scheme = "https" if http.certificate is not None else "http"
    host, port = listening.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
