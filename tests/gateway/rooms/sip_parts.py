"""A real terminal for tests: Debian's baresip, headless, with a made picture and a tone; and a reception of one room.

Loaded by path, as the tests stand in no package.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.refusals import Refusal
from gateway.rooms.conference_network import Arrival, TerminalLine
from gateway.rooms.rooms import Rooms
from gateway.rooms.sip.digest import secret

MODULES = Path("/usr/lib/baresip/modules")
needs_baresip = pytest.mark.skipif(
    shutil.which("baresip") is None or not (MODULES / "avcodec.so").exists(),
    reason="baresip is not installed (Debian packages baresip-core, baresip-ffmpeg)",
)
NUMBER = "100200"

CONFIG = """poll_method epoll
sip_listen 127.0.0.1:{listen}
sip_trans_def {transport}
call_max_calls 4
audio_path /usr/share/baresip
audio_player aubridge,quiet
audio_source ausine,880
audio_alert aubridge,alert
ausrc_srate 48000
auplay_srate 8000
ausrc_channels 2
auplay_channels 1
audio_level no
video_source fakevideo,made
video_display fakevideo,none
video_size 640x360
video_bitrate 500000
video_fps 15
video_fullscreen no
rtp_ports 40000-49999
rtcp_mux no
jitter_buffer_delay 5-10
net_interface 127.0.0.1
module_path /usr/lib/baresip/modules
module g711.so
module avcodec.so
module ausine.so
module aubridge.so
module fakevideo.so
module sndfile.so
module snapshot.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {folder}
snapshot_path {folder}
avcodec_h264enc libx264
avcodec_h264dec h264
"""


@dataclass
class Terminal:
    """One baresip. ``folder`` receives what it hears (WAV, by sndfile) and what it sees (snapshots)."""

    process: asyncio.subprocess.Process
    folder: Path
    control: int
    output: bytearray = field(default_factory=bytearray)

    async def order(self, command: str, parameters: str = "") -> None:
        """A command over baresip's control port (netstrings of JSON)."""
        body = f'{{"command":"{command}","params":"{parameters}","token":"t"}}'.encode()
        for _ in range(100):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.control)
                break
            except OSError:
                await asyncio.sleep(0.1)
        else:
            raise AssertionError(self.output.decode(errors="replace"))
        writer.write(str(len(body)).encode() + b":" + body + b",")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.close()

    def vanish(self) -> None:
        self.process.send_signal(signal.SIGKILL)


def _configure(
    folder: Path, control: int, transport: str, username: str, password: str | None, listen: int, more: str
) -> None:
    folder.mkdir()
    (folder / "config").write_text(CONFIG.format(folder=folder, control=control, transport=transport, listen=listen))
    login = f";auth_user={username};auth_pass={password}" if password else ""
    account = f"<sip:{username}@127.0.0.1;transport={transport}>;audio_codecs=PCMA;video_codecs=h264{login}{more}\n"
    (folder / "accounts").write_text(account)
    (folder / "contacts").write_text("")


@asynccontextmanager
async def terminal(
    folder: Path,
    control: int,
    *,
    transport: str = "udp",
    username: str = "9001",
    password: str | None = None,
    listen: int = 0,
    more: str = ";regint=0",
) -> AsyncIterator[Terminal]:
    """``listen``: its SIP port, where it is to be rung; ``more``: parameters of its account."""
    await asyncio.to_thread(_configure, folder, control, transport, username, password, listen, more)
    process = await asyncio.create_subprocess_exec(
        "baresip", "-f", str(folder), "-p", "/usr/share/baresip", cwd=folder,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    made = Terminal(process, folder, control)

    async def read() -> None:
        assert process.stdout is not None
        while data := await process.stdout.read(4096):
            made.output += data
            del made.output[:-20_000]

    reading = asyncio.create_task(read())
    try:
        yield made
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(3):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        await reading


class OneRoom:
    """``Reception`` of the room ``r`` with the number ``NUMBER``; knows the terminals of ``passwords``."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.passwords: dict[str, str] = {}
        self.arrived: list[tuple[str, str, bool]] = []
        self.left: list[str] = []
        self.rung: list[tuple[str, str, str]] = []
        self.where: dict[str, str] = {}

    async def arrives(self, number: str, name: str, address: str, *, known: bool) -> Arrival:
        if number != NUMBER:
            raise Refusal("not_found", "room_unknown", "没有这个会议室", "no such room")
        self.arrived.append((name, address, known))
        return Arrival("r", f"terminal{len(self.arrived)}")

    async def seat(self, arrival: Arrival, line: TerminalLine) -> None:
        await self.rooms.add_terminal(arrival.room_id, arrival.member_id, line)

    async def leaves(self, arrival: Arrival, reason: str) -> None:
        self.left.append(reason)
        await self.rooms.remove(arrival.room_id, arrival.member_id, reason)

    async def answered(self, room_id: str, ring_id: str) -> Arrival:
        self.rung.append((ring_id, "answered", ""))
        return Arrival(room_id, f"rung-{ring_id}")

    def ring_told(self, room_id: str, ring_id: str, state: str, reason: str) -> None:
        self.rung.append((ring_id, state, reason))

    def registered(self, username: str, address: str, until: float) -> None:
        self.where.pop(username, None)
        if until:
            self.where[username] = address

    async def secret_of(self, username: str) -> tuple[str, str] | None:
        password = self.passwords.get(username)
        return (secret(username, password), f"已登记 {username}") if password is not None else None
