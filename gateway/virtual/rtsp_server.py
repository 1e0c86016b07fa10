"""The RTSP doors of virtual cameras, on GStreamer: run by the system's Python, which has Debian's ``gi``.

Not imported by the service. Reads one JSON line with the cameras from standard input, answers one JSON line with the
ports, obeys each line that follows (``{"camera": 3, "show": "dark"}``, ``"plugged"``, ``"password"``) and answers it,
and ends when standard input ends, so that it never outlives whoever started it. Each camera has a server and
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
REORDERED = 4
"""Pictures by which presentation is put later than decoding, so that a B-frame is never shown before it is there."""


class Film:
    """Prepared footage: access unit ``n`` of an endless stream, and where a new reader may begin."""

    def __init__(self, stream: str, index: str) -> None:
        facts = json.loads(Path(index).read_text())
        self.fps: float = facts["fps"]
        self.codec: str = facts["codec"]
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

    def is_keyframe(self, number: int) -> bool:
        return bool(self._frames[self.place(number)][2])

    def keyframe_before(self, number: int) -> int:
        """The last number at or before ``number`` whose access unit is a keyframe."""
        while number > 0 and not self.is_keyframe(number):
            number -= 1
        return number

    def shown_as(self, number: int) -> int:
        """The number of the picture as which the access unit is shown."""
        place = self.place(number)
        return number + self._frames[place][3] - place

    def unit(self, number: int) -> bytes:
        offset, size, *_ = self._frames[self.place(number)]
        return self._data[offset : offset + size]


class Playback:
    """One stream's playing: since when it plays, what it shows, and what it does when its quirks come due.

    ``films`` are by name, the first is what is shown as a rule; all have the same keyframes.
    """

    def __init__(self, films: dict[str, Film], silent_after: float | None, frozen_after: float | None) -> None:
        self._films = films
        self._usual = self._wanted = self.film = next(iter(films.values()))
        self._silent_after = silent_after
        self._frozen_after = frozen_after
        self._repeats: bool = False
        self._silent = False
        self._held: bytes | None = None
        self._began: float | None = None

    def show(self, name: str | None) -> None:
        """Another film from the next keyframe on; ``repeated``: the very same keyframe again and again; ``silent``:
        nothing at all over an open connection. None: all is well again."""
        self._repeats, self._silent = name == "repeated", name == "silent"
        self._wanted = self._usual if name in (None, "repeated", "silent") else self._films[name]

    def number_now(self, now: float) -> int:
        """A camera plays on while nobody watches; it begins with its first reader."""
        if self._began is None:
            self._began = now
        return int((now - self._began) * self.film.fps)

    def unit(self, number: int) -> bytes | None:
        """Access unit ``number``; empty where nothing is sent for now, None where nothing more ever is."""
        seconds = number / self.film.fps
        if self._silent_after is not None and seconds >= self._silent_after:
            return None
        if self._silent:
            return b""
        if self._frozen_after is not None and seconds >= self._frozen_after:
            return self.film.unit(self.film.keyframe_before(int(self._frozen_after * self.film.fps)))
        if self.film.is_keyframe(number):
            self.film = self._wanted
            if not self._repeats:
                self._held = None
            elif self._held is None:
                self._held = self.film.unit(number)
        return self.film.unit(number) if self._held is None else self._held


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
            if unit:
                shown = self._playback.film.shown_as(first + sent) - first + REORDERED
                buffer = Gst.Buffer.new_wrapped(unit)
                buffer.dts = int(sent * NANOSECONDS / film.fps)
                buffer.pts = int(shown * NANOSECONDS / film.fps)
                buffer.duration = step
                if self._source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return
            sent += 1
            self._ended.wait(max(0.0, began + sent / film.fps - time.monotonic()))


LAUNCH = (
    "( appsrc name=source is-live=true format=time max-bytes=4000000 block=false"
    " ! {parse} ! {pay} name=pay0 pt=96 config-interval=-1 )"
)
ELEMENTS = {
    "h264": ("video/x-h264", "h264parse", "rtph264pay"),
    "hevc": ("video/x-h265", "h265parse", "rtph265pay"),
}


def mount(server: Any, path: str, playback: Playback) -> None:
    """Serve ``playback`` at ``path``: one pipeline for all its readers."""
    kind, parse, pay = ELEMENTS[playback.film.codec]
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(LAUNCH.format(parse=parse, pay=pay))
    factory.set_shared(True)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("reader", right, True)
    factory.set_permissions(permissions)

    def configure(_factory: Any, media: Any) -> None:
        source = media.get_element().get_child_by_name("source")
        source.set_property("caps", Gst.Caps.from_string(
            f"{kind},stream-format=byte-stream,alignment=au,framerate={round(playback.film.fps * 1000)}/1000"
        ))  # fmt: skip
        pusher = Pusher(source, playback)
        media.connect("unprepared", lambda _media: pusher.stop())
        pusher.start()

    factory.connect("media-configure", configure)
    server.get_mount_points().add_factory(path, factory)


LET_GO_SECONDS = 5.0
"""Until when a camera's readers are gone, or it goes on without waiting for that."""


class Camera:
    """One camera's RTSP server. Raises ``OSError`` where its port is taken. All calls belong to the main loop."""

    def __init__(self, asked: dict[str, Any], host: str) -> None:
        self._where = f"{host}:{asked['port']}"
        self._username: str = asked["username"]
        self._server = GstRtspServer.RTSPServer()
        self._server.set_address(host)
        self._server.set_service(str(asked["port"]))
        self._attached: int | None = None
        self._playbacks = []
        self._let_in(asked["password"])
        for stream in asked["streams"]:
            films = {name: Film(film["stream"], film["index"]) for name, film in stream["films"].items()}
            playback = Playback(films, asked["silent_after"], asked["frozen_after"])
            self._playbacks.append(playback)
            mount(self._server, stream["path"], playback)
        self.plug(True)
        self.port: int = self._server.get_bound_port()
        self._server.set_service(str(self.port))

    def obey(self, order: dict[str, Any]) -> None:
        if "show" in order:
            for playback in self._playbacks:
                playback.show(order["show"])
        if "plugged" in order:
            self.plug(order["plugged"])
        if "password" in order:
            self._let_in(order["password"])
            self._let_go()  # whoever watches must sign in anew, as at a device that has been given another password

    def plug(self, plugged: bool) -> None:
        """Unplugged, its port is shut and all its readers are gone."""
        if plugged and self._attached is None:
            attached = self._server.attach(None)
            if attached == 0:
                raise OSError(f"cannot listen on {self._where}")
            self._attached = attached
        elif not plugged and self._attached is not None:
            GLib.Source.remove(self._attached)
            self._attached = None
            self._let_go()

    def _let_in(self, password: str | None) -> None:
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.set_realm(REALM)
        if password is not None:
            token = GstRtspServer.RTSPToken()
            token.set_string("media.factory.role", "reader")
            auth.add_digest(self._username, password, token)
        self._server.set_auth(auth)

    def _let_go(self) -> None:
        """In the thread that serves the readers: a reader whose request is being read must not be closed by another
        one, or that thread reads what is no more for ever, and nobody is served again."""
        kind, gone = GstRtspServer.RTSPThreadType.CLIENT, threading.Event()
        thread = self._server.get_thread_pool().get_thread(kind, GstRtspServer.RTSPContext())

        def remove(*_given: object) -> bool:
            self._server.client_filter(lambda _server, _client: GstRtspServer.RTSPFilterResult.REMOVE)
            gone.set()
            return False  # once

        source = GLib.idle_source_new()
        source.set_callback(remove)
        source.attach(thread.context)
        gone.wait(LET_GO_SECONDS)
        thread.stop()


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    Gst.init(None)
    asked = json.loads(sys.stdin.readline())
    try:
        cameras = [Camera(camera, asked["host"]) for camera in asked["cameras"]]
    except OSError as error:
        say({"error": str(error)})
        sys.exit(1)
    say({"ports": [camera.port for camera in cameras]})
    loop = GLib.MainLoop()

    def obey(order: dict[str, Any]) -> bool:
        try:
            cameras[order["camera"]].obey(order)
            say({"done": True})
        except (LookupError, OSError, TypeError) as error:
            say({"error": f"{type(error).__name__}: {error}"})
        return False  # once

    def until_the_end() -> None:
        while line := sys.stdin.readline():
            GLib.idle_add(obey, json.loads(line))
        loop.quit()

    threading.Thread(target=until_the_end, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
