"""The RTSP doors of virtual cameras, on GStreamer: run by the system's Python, which has Debian's ``gi``.

Not imported by the service. Reads one JSON line with the cameras from standard input, answers one JSON line with the
ports, and ends when standard input ends, so that it never outlives whoever started it. Each camera has a server and
digest login of its own. Access units are copied from prepared footage at their own rate, with timestamps that go on
rising when the file begins anew: for a client the stream has no seam. All clients of a camera share one copy.
"""

from __future__ import annotations

import json
import mmap
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - their versions come first

NANOSECONDS = 1_000_000_000
REALM = "virtual camera"


class Film:
    """Prepared footage: access unit ``n`` of an endless stream, and where a new reader may begin."""

    def __init__(self, stream: str, index: str) -> None:
        facts = json.loads(Path(index).read_text())
        self.fps: float = facts["fps"]
        self._frames: list[list[int]] = facts["frames"]
        self._loop_from: int = facts["loop_from"]
        with Path(stream).open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def place(self, number: int) -> int:
        """The file's access unit that is number ``number`` of the endless stream."""
        total = len(self._frames)
        if number < total:
            return number
        return self._loop_from + (number - total) % (total - self._loop_from)

    def keyframe_before(self, number: int) -> int:
        """The last number at or before ``number`` whose access unit is a keyframe."""
        while number > 0 and not self._frames[self.place(number)][2]:
            number -= 1
        return number

    def unit(self, number: int) -> bytes:
        offset, size, _ = self._frames[self.place(number)]
        return self._data[offset : offset + size]


class Playback:
    """One camera's playing: since when it plays, and what it does when its quirks come due."""

    def __init__(self, film: Film, silent_after: float | None, frozen_after: float | None) -> None:
        self.film = film
        self._silent_after = silent_after
        self._frozen_after = frozen_after
        self._began: float | None = None

    def number_now(self, now: float) -> int:
        """A camera plays on while nobody watches; it begins with its first reader."""
        if self._began is None:
            self._began = now
        return int((now - self._began) * self.film.fps)

    def unit(self, number: int) -> bytes | None:
        """Access unit ``number``, or None where nothing more is sent."""
        seconds = number / self.film.fps
        if self._silent_after is not None and seconds >= self._silent_after:
            return None
        if self._frozen_after is not None and seconds >= self._frozen_after:
            return self.film.unit(self.film.keyframe_before(int(self._frozen_after * self.film.fps)))
        return self.film.unit(number)


class Pusher:
    """Feeds one pipeline at the film's own rate from one thread, until the pipeline goes away."""

    def __init__(self, source: Any, playback: Playback) -> None:
        self._source = source
        self._playback = playback
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        film = self._playback.film
        first = film.keyframe_before(self._playback.number_now(time.monotonic()))
        began = time.monotonic()
        step = int(NANOSECONDS / film.fps)
        sent = 0
        while not self._ended.is_set():
            unit = self._playback.unit(first + sent)
            if unit is None:
                return
            buffer = Gst.Buffer.new_wrapped(unit)
            buffer.pts = buffer.dts = int(sent * NANOSECONDS / film.fps)
            buffer.duration = step
            if self._source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
            sent += 1
            self._ended.wait(max(0.0, began + sent / film.fps - time.monotonic()))


LAUNCH = (
    "( appsrc name=source is-live=true format=time max-bytes=4000000 block=false"
    " caps=video/x-h264,stream-format=byte-stream,alignment=au"
    " ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)


def mount(server: Any, path: str, playback: Playback) -> None:
    """Serve ``playback`` at ``path``: one pipeline for all its readers."""
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH)
    factory.set_shared(True)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("reader", right, True)
    factory.set_permissions(permissions)

    def configure(_factory: Any, media: Any) -> None:
        source = media.get_element().get_child_by_name("source")
        source.set_property("caps", Gst.Caps.from_string(
            f"video/x-h264,stream-format=byte-stream,alignment=au,framerate={round(playback.film.fps * 1000)}/1000"
        ))  # fmt: skip
        pusher = Pusher(source, playback)
        media.connect("unprepared", lambda _media: pusher.stop())
        pusher.start()

    factory.connect("media-configure", configure)
    server.get_mount_points().add_factory(path, factory)


def serve(camera: dict[str, Any], host: str) -> tuple[Any, int]:
    """One camera's RTSP server; answers it and its port."""
    server = GstRtspServer.RTSPServer()
    server.set_address(host)
    server.set_service(str(camera["port"]))
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.set_realm(REALM)
    if camera["password"] is not None:
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "reader")
        auth.add_digest(camera["username"], camera["password"], token)
    server.set_auth(auth)
    for stream in camera["streams"]:
        film = Film(stream["stream"], stream["index"])
        mount(server, stream["path"], Playback(film, camera["silent_after"], camera["frozen_after"]))
    if server.attach(None) == 0:
        raise OSError(f"cannot listen on {host}:{camera['port']}")
    return server, server.get_bound_port()


def main() -> None:
    Gst.init(None)
    asked = json.loads(sys.stdin.readline())
    try:
        servers = [serve(camera, asked["host"]) for camera in asked["cameras"]]
    except OSError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        sys.exit(1)
    sys.stdout.write(json.dumps({"ports": [port for _, port in servers]}) + "\n")
    sys.stdout.flush()
    loop = GLib.MainLoop()

    def until_the_end() -> None:
        while sys.stdin.readline():
            pass
        loop.quit()

    threading.Thread(target=until_the_end, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
