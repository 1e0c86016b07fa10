"""A real camera with an ONVIF backchannel for tests, on GStreamer: run by the system's Python, which has gi.

    /usr/bin/python3 talk_peer.py FILM HEARD CODEC [USER PASSWORD]

Plays FILM as ``/film`` and writes what is spoken through it, G.711 as it comes, to the file HEARD. CODEC is PCMA or
PCMU. ``/mute`` is the film without a backchannel. Prints its port when it listens.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

ROLE = "viewer"
TYPES = {"PCMU": 0, "PCMA": 8}


def main(film: str, heard: str, codec: str, *login: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPOnvifServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    if login:
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", ROLE)
        auth.add_digest(*login, token)
        server.set_auth(auth)
    source = f"multifilesrc location={film} loop=true ! matroskademux ! h264parse ! clocksync"
    # A camera's encoder goes on, whoever takes its pictures; of a source that is not linked GStreamer makes an error.
    kept = "tee name=all all. ! queue ! fakesink sync=false all."
    played = f"( {source} ! {kept} ! queue ! rtph264pay name=pay0 pt=96 )"
    takes = (
        f'( capsfilter caps="application/x-rtp, media=audio, payload={TYPES[codec]}, clock-rate=8000, '
        f'encoding-name={codec}" name=depay_backchannel ! rtp{codec.lower()}depay ! '
        f"filesink location={heard} append=true buffer-mode=unbuffered async=false sync=false )"
    )
    for path, spoken in (("/film", takes), ("/mute", None)):
        factory = GstRtspServer.RTSPOnvifMediaFactory()
        factory.set_launch(played)
        factory.set_media_gtype(GstRtspServer.RTSPOnvifMedia)
        factory.set_shared(True)
        if spoken is not None:
            factory.set_backchannel_launch(spoken)
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
