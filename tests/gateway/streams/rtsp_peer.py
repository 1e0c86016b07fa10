"""A real RTSP server for tests, on GStreamer: run by the system's Python, which has gi.

    /usr/bin/python3 rtsp_peer.py FOLDER PORT [USER PASSWORD]

Plays the films of FOLDER in real time, over and over: ``film.mkv`` as ``/film``; ``film.0.mkv``, ``film.1.mkv`` … one
after another as ``/film``. Prints its port when it listens (0 takes a free one). ``/raw`` is not encoded, ``/sound``
has no video, ``/heard-pcm_alaw`` and ``/heard-aac`` are the film with sound.
"""

import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

ROLE = "viewer"
PAY = {"h264": "h264parse ! clocksync ! rtph264pay config-interval=-1 aggregate-mode=zero-latency name=pay0 pt=96",
       "h265": "h265parse ! clocksync ! rtph265pay config-interval=-1 name=pay0 pt=96"}  # fmt: skip
LIVE = {
    "/raw": "videotestsrc is-live=true ! video/x-raw,width=64,height=64 ! rtpvrawpay name=pay0 pt=96",
    "/sound": "audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8",
    "/heard-pcm_alaw": "audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay1 pt=8",
    "/heard-aac": "audiotestsrc is-live=true ! audio/x-raw,rate=16000 ! voaacenc ! rtpmp4gpay name=pay1 pt=97",
}


def films(folder: Path) -> dict[str, str]:
    pipelines = {}
    for film in folder.glob("*.mkv"):
        name, *part = film.name.removesuffix(".mkv").split(".")
        location = folder / f"{name}.%d.mkv" if part else film
        codec = "h265" if "h265" in name else "h264"
        pipelines[f"/{name}"] = f"multifilesrc location={location} loop=true ! matroskademux ! {PAY[codec]}"
    return pipelines


def guard(server: GstRtspServer.RTSPServer, user: str, password: str) -> None:
    """Digest for everyone: without it 401, as a camera answers."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    auth.add_digest(user, password, token)
    server.set_auth(auth)


def main(folder: str, port: str, *login: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    if login:
        guard(server, *login)
    played = films(Path(folder))
    heard = {path: f"{played['/film']} {sound}" for path, sound in LIVE.items() if path.startswith("/heard")}
    for path, pipeline in (played | LIVE | heard).items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {pipeline} )")
        factory.set_shared(True)
        if login:
            permissions = GstRtspServer.RTSPPermissions()
            permissions.add_permission_for_role(ROLE, "media.factory.access", True)
            permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
            factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


main(*sys.argv[1:])
