"""A room's composer as the room sees it: started when needed, fed within bounds, started again if it dies."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from gateway.processes.lifeline import die_with_parent
from gateway.rooms.composer_messages import (
    LARGEST_PICTURE,
    AnySaid,
    Cost,
    NewKeyframe,
    PictureIn,
    PictureOut,
    Recorded,
    RecordingFailed,
    Said,
    Scene,
    SoundIn,
    SoundOut,
    WantsKeyframe,
    heard,
    packed,
)
from gateway.rooms.recording_file import left_behind, recorded_in
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame, PictureCodec

log = structlog.get_logger(__name__)

MOST_UNSENT = 4 * 1024 * 1024
AGAIN_AFTER = 1.0
END_WITHIN = 5.0


@dataclass(frozen=True, slots=True)
class Heard:
    """Who hears what comes out of the composer."""

    sound: Callable[[str, str, bytes, int], None]
    wants_keyframe: Callable[[str], None]
    recorded: Callable[[Recorded], None]
    recording_failed: Callable[[str], None]


class Composition:
    """``bus`` carries the composed picture. ``cost`` is the composer's CPU time so far, in seconds."""

    def __init__(self, folder: Path, heard_by: Heard, clock: Callable[[], float]) -> None:
        self.bus = FrameBus()
        self.cost = Cost(0.0, 0)
        self.starts = 0
        self._folder = folder
        self._heard = heard_by
        self._clock = clock
        self._writer: asyncio.StreamWriter | None = None
        self._scene: Scene | None = None
        self._closing = False
        self._running: asyncio.Task[None] | None = None
        self._lost: set[str] = set()
        self._too_large: set[str] = set()
        self._told: set[str] = set()

    def start(self) -> None:
        self._running = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """End it; files being recorded are finished and told of first."""
        self._closing = True
        if self._writer is not None:
            self._writer.write_eof()
        if self._running is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_WITHIN + 1):
                    await self._running
        self.bus.close()

    def scene(self, scene: Scene) -> None:
        self._scene = scene
        self._say(scene)

    def new_keyframe(self) -> None:
        self._say(NewKeyframe())

    def picture(self, member: str, frame: EncodedFrame) -> None:
        """A source's picture. One that the composer has no room for is let go, and the next keyframe is waited for; so
        is one too large for it, which is said once."""
        codec: PictureCodec
        if frame.codec == "h264":
            codec = "h264"
        elif frame.codec == "hevc":
            codec = "hevc"
        elif frame.codec == "vp8":
            codec = "vp8"
        else:
            return
        if frame.keyframe:
            self._lost.discard(member)
        if member in self._lost:
            return
        if len(frame.data) > LARGEST_PICTURE:  # the composer would end over it, and over the same one when begun again
            if member not in self._too_large:
                log.warning("picture_too_large", member=member, size=len(frame.data), most=LARGEST_PICTURE)
            self._too_large.add(member)
            self._lost.add(member)
            return
        if frame.keyframe:
            self._too_large.discard(member)
        pts = frame.pts * 90_000 // frame.clock_rate
        if not self._say(PictureIn(member, codec, frame.data, pts, frame.keyframe, frame.epoch)):
            self._lost.add(member)

    def sound(self, member: str, frame: EncodedFrame) -> None:
        codec: Literal["opus", "pcm_alaw", "pcm_mulaw"]
        if frame.codec == "opus":
            codec = "opus"
        elif frame.codec == "pcm_alaw":
            codec = "pcm_alaw"
        elif frame.codec == "pcm_mulaw":
            codec = "pcm_mulaw"
        else:
            return
        self._say(SoundIn(member, codec, frame.data, frame.pts))

    def _say(self, said: Said) -> bool:
        writer = self._writer
        if writer is None or writer.transport.get_write_buffer_size() > MOST_UNSENT:
            return False
        writer.write(packed(said))
        return True

    async def _keep(self) -> None:
        while not self._closing:
            try:
                await self._once()
            except OSError as error:
                log.error("composer_not_started", error=str(error))
            except Exception:  # whatever it is, the room gets its composed picture back
                log.exception("composer_failed")
            await self._recover()
            if not self._closing:
                log.error("composer_ended", starts=self.starts)
                self.bus.interrupted()
                await asyncio.sleep(AGAIN_AFTER)

    async def _once(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway.rooms.composer", "--handle", str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL, pass_fds=(theirs.fileno(),), preexec_fn=die_with_parent,
            )  # fmt: skip
        self.starts += 1
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=1 << 20)
        self._writer = writer
        try:
            if self._scene is not None:
                self._say(self._scene)
                for shown in self._scene.shown:
                    self._heard.wants_keyframe(shown.member)
            while True:
                self._take(await heard(reader))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            self._writer = None
            writer.close()
            try:
                async with asyncio.timeout(END_WITHIN):
                    await process.wait()
            except (TimeoutError, asyncio.CancelledError):
                process.kill()
                await process.wait()

    def _take(self, said: AnySaid) -> None:
        match said:
            case PictureOut(data, pts, keyframe):
                self.bus.publish(
                    EncodedFrame("video", "h264", data, pts, 90_000, self._clock(), keyframe, self.starts, 1280, 720)
                )
            case SoundOut(member, codec, data, pts):
                self._heard.sound(member, codec, data, pts)
            case WantsKeyframe(member):
                self._heard.wants_keyframe(member)
            case Recorded():
                self._told.add(said.path)
                self._heard.recorded(said)
            case RecordingFailed(reason):
                log.error("recording_failed", reason=reason)
                self._heard.recording_failed(reason)
            case Cost():
                self.cost = said
            case _:
                log.warning("composer_said_nonsense", kind=type(said).__name__)

    async def _recover(self) -> None:
        """What a composer that died was recording plays up to its last whole fragment. Read in a thread: it is long."""
        for path in recorded_in(self._folder):
            if str(path) in self._told:
                continue
            self._told.add(str(path))
            try:
                left = await asyncio.to_thread(left_behind, path)
            except (OSError, RuntimeError) as error:  # the disk's, or no thread can be started for now
                log.error("recording_not_recovered", path=str(path), error=str(error))
                continue
            except Exception:  # whatever it is, the room gets its composed picture back
                log.exception("recording_not_recovered", path=str(path))
                continue
            if left is not None:
                member = path.name.rsplit("-", 2)[0]
                self._heard.recorded(
                    Recorded(
                        None if member == "composed" else member, str(path), left.sha256, left.size, left.starts_at,
                        left.ends_at, left.partial,
                    )
                )  # fmt: skip
