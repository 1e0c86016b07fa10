"""Janus as Debian ships it, with its streaming plugin on a plain RTP stream."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PLUGINS = Path("/usr/lib/x86_64-linux-gnu/janus")

_MAIN = """
general: {{
  configs_folder = "{folder}"
  plugins_folder = "{plugins}/plugins"
  transports_folder = "{plugins}/transports"
  events_folder = "{folder}/none"
  loggers_folder = "{folder}/none"
  debug_level = 2
  session_timeout = 0
}}
nat: {{ nice_debug = false, ice_lite = false, full_trickle = false }}
media: {{ dtls_mtu = 1200 }}
plugins: {{ disable = "{others}" }}
transports: {{ disable = "{silent}" }}
"""
_HTTP = """
general: {{ json = "compact", base_path = "/janus", http = true, port = {port}, ip = "127.0.0.1", https = false }}
"""
_STREAMING = """
general: {{ }}
camera: {{
  type = "rtp"
  id = 1
  audio = false
  video = true
  videoport = {port}
  videopt = 96
  videocodec = "h264"
  videofmtp = "profile-level-id=42e01f;packetization-mode=1"
}}
"""


@dataclass(frozen=True, slots=True)
class Janus:
    url: str
    pid: int


def installed() -> bool:
    return shutil.which("janus") is not None and PLUGINS.is_dir()


@asynccontextmanager
async def janus(
    folder: Path, http_port: int, rtp_port: int, *, plugin: str = "streaming", text: str = _STREAMING
) -> AsyncIterator[Janus]:
    """Run it on a configuration of its own; stream 1 is what comes to ``rtp_port``. ``plugin``: the only one, with its
    settings as ``text``."""
    await asyncio.to_thread(_configure, folder, http_port, rtp_port, plugin, text)
    process = await asyncio.create_subprocess_exec(
        "janus", "-F", folder, "-C", folder / "janus.jcfg", "-o", stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
    )
    url = f"http://127.0.0.1:{http_port}/janus"
    try:
        async with asyncio.timeout(20), httpx.AsyncClient(trust_env=False) as client:
            while True:
                try:
                    if (await client.get(f"{url}/info")).is_success:
                        break
                except httpx.HTTPError:
                    await asyncio.sleep(0.1)
        yield Janus(url, process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _configure(folder: Path, http_port: int, rtp_port: int, plugin: str, settings: str) -> None:
    folder.mkdir()

    def all_but(kind: str, name: str) -> str:
        return ",".join(one.name for one in (PLUGINS / kind).glob("*.so") if one.name != name)

    plugins, transports = all_but("plugins", f"libjanus_{plugin}.so"), all_but("transports", "libjanus_http.so")
    text = _MAIN.format(folder=folder, plugins=PLUGINS, others=plugins, silent=transports)
    (folder / "janus.jcfg").write_text(text)
    (folder / "janus.transport.http.jcfg").write_text(_HTTP.format(port=http_port))
    (folder / f"janus.plugin.{plugin}.jcfg").write_text(settings.format(port=rtp_port))
