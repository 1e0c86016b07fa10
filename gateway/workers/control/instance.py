"""One service for one data folder, and its port: both taken before anything else is touched."""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from gateway.refusals import Refusal
from gateway.settings import HttpSettings


@contextmanager
def sole_instance(data_folder: Path) -> Iterator[None]:
    """Hold the data folder. Raises Refusal ``already_running``, or one that says why the folder cannot be used."""
    run = data_folder / "run"
    try:
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(run / "gateway.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Refusal(
            "unavailable",
            "data_folder_unusable",
            f"数据目录 {data_folder} 无法使用：{error.strerror}",
            f"The data folder {data_folder} cannot be used: {error.strerror}",
            field="data_folder",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise Refusal(
            "conflict",
            "already_running",
            f"数据目录 {data_folder} 已有服务在运行。",
            f"Another service is running on the data folder {data_folder}.",
            field="data_folder",
        ) from None
    try:
        yield
    finally:
        os.close(handle)


def bound_socket(http: HttpSettings) -> socket.socket:
    """The listening socket. Raises Refusal ``port_taken``, ``https_required`` or ``certificate_unusable``."""
    if not _loopback(http.host) and (http.certificate is None or http.private_key is None):
        raise Refusal(
            "invalid",
            "https_required",
            "监听非本机地址必须配置证书，可用 `gateway tls` 生成。",
            "Listening off loopback needs a certificate; make one with `gateway tls`.",
            field="http.certificate",
        )
    if http.certificate is not None:
        _check_certificate(http.certificate, http.private_key)
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((http.host, http.port))
    except OSError as error:
        listening.close()
        raise Refusal(
            "conflict",
            "port_taken",
            f"无法监听 {http.host}:{http.port}：{error.strerror}。请停止占用该端口的程序，或更改设置 http.port。",
            f"Cannot listen on {http.host}:{http.port}: {error.strerror}. Stop what uses it, or change http.port.",
            field="http.port",
        ) from error
    return listening


def _check_certificate(certificate: Path, private_key: Path | None) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, private_key)
    except OSError as error:  # an SSLError is one too: no PEM, or a key of another certificate
        raise Refusal(
            "invalid",
            "certificate_unusable",
            f"证书 {certificate} 或其私钥无法使用：{error.strerror or error}",
            f"The certificate {certificate} or its private key cannot be used: {error.strerror or error}",
            field="http.certificate",
        ) from error


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
