"""A real Mosquitto of a test's own: two users, one of whom may write only under ``gateway/``; plain and TLS."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt

from bench.demo_run import free_port
from gateway.certificates import Certificates, make_certificates

USER, PASSWORD = "gateway", "Broker-Word-1"


@dataclass
class Mosquitto:
    folder: Path
    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.certificates: Certificates = make_certificates(self.folder / "tls", ("127.0.0.1",), datetime.now(UTC))
        words = self.folder / "words"
        for user in (USER, "platform"):
            subprocess.run(
                ["mosquitto_passwd", "-b", *([] if words.exists() else ["-c"]), str(words), user, PASSWORD], check=True,
                capture_output=True,
            )  # fmt: skip
        (self.folder / "rights").write_text(f"user {USER}\ntopic write gateway/#\nuser platform\ntopic readwrite #\n")
        (self.folder / "conf").write_text(
            f"user root\nallow_anonymous false\npassword_file {words}\nacl_file {self.folder / 'rights'}\n"
            f"listener {self.port} 127.0.0.1\n"
            f"listener {self.tls_port} 127.0.0.1\ncertfile {self.certificates.certificate}\n"
            f"keyfile {self.certificates.private_key}\n"
        )

    @property
    def pin(self) -> str:
        first = self.certificates.certificate.read_text().partition("-----END CERTIFICATE-----")
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[0] + first[1])).hexdigest()

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(self.folder / "conf"),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.tls_port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    @asynccontextmanager
    async def listener(self, topic: str = "#") -> AsyncIterator[list[aiomqtt.Message]]:
        """What the other platform hears from now on, until the broker goes."""
        heard: list[aiomqtt.Message] = []
        async with aiomqtt.Client(
            "127.0.0.1", self.port, username="platform", password=PASSWORD, protocol=aiomqtt.ProtocolVersion.V5
        ) as client:
            await client.subscribe(topic, qos=1)

            async def hear() -> None:
                async for message in client.messages:
                    heard.append(message)

            task = asyncio.create_task(hear())
            try:
                yield heard
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
