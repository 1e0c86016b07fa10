"""The composed picture: each visible source decoded once, painted on one canvas, encoded once. It runs in a thread of
the composer's; FFmpeg and OpenCV leave the interpreter's lock to the others meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from fractions import Fraction

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from gateway.rooms.canvas import Canvas
from gateway.rooms.composer_messages import PictureIn, Scene
from gateway.rooms.layouts import Tile, most, tiles
from gateway.streams.frame import PictureCodec
from gateway.streams.vp8 import MOST_PIXELS

WIDTH, HEIGHT = 1280, 720
PER_SECOND = 15
BITS_PER_SECOND = 1_500_000
GOP = 2 * PER_SECOND
LARGEST_SLICE = 1200
"""Bytes: each slice fits a packet, as packetization-mode 0 wants it, which many terminals know alone."""
MOST_WAITING = 90
"""Pictures of one source that wait to be decoded: three seconds at 30 a second; then a keyframe is waited for."""
SILENT_AFTER = 3.0


class Source:
    """One visible member: what waits to be decoded, and its newest picture."""

    def __init__(self) -> None:
        self.waiting: deque[PictureIn] = deque()
        self.newest: av.VideoFrame | None = None
        self.changed = False
        self.at = 0.0
        self.lost = True
        self._epoch = -1
        self._codec: PictureCodec = "h264"
        self._decoder = _decoder("h264")

    def add(self, picture: PictureIn, now: float) -> bool:
        """False: this one is of no use; a keyframe is."""
        if picture.epoch != self._epoch:
            self._epoch, self.lost = picture.epoch, True
        if picture.keyframe:
            if len(self.waiting) > MOST_WAITING // 2:
                self.waiting.clear()
            self.lost = False
        if self.lost or len(self.waiting) >= MOST_WAITING:
            self.lost = True
            self.waiting.clear()
            return False
        self.waiting.append(picture)
        self.at = now
        return True

    def decode(self) -> None:
        while self.waiting:
            picture = self.waiting.popleft()
            if picture.codec != self._codec:
                self._codec, self._decoder = picture.codec, _decoder(picture.codec)
            try:
                for frame in self._decoder.decode(av.Packet(picture.data)):
                    self.newest, self.changed = frame, True
            except av.error.FFmpegError:
                self._decoder = _decoder(self._codec)
                self.lost = True


def _decoder(codec: PictureCodec) -> av.VideoCodecContext:
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)  # noqa: S101 - of a video codec
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(MOST_PIXELS), "flags": "low_delay"}
    return decoder


def _encoder() -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 90_000), Fraction(PER_SECOND)
    encoder.bit_rate = BITS_PER_SECOND
    encoder.thread_count = 1
    encoder.profile = "Baseline"
    encoder.options = {
        "preset": "ultrafast", "tune": "zerolatency", "forced-idr": "1", "maxrate": str(BITS_PER_SECOND),
        "bufsize": str(BITS_PER_SECOND // 2), "level": "31",
        "x264-params": f"annexb=1:repeat-headers=1:keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=0"
        f":slice-max-size={LARGEST_SLICE}",
    }  # fmt: skip
    encoder.open()
    return encoder


class Painter:
    """The composed picture. ``step`` runs in its thread; ``scene`` and ``add`` may come at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sources: dict[str, Source] = {}
        self._scene: Scene | None = None
        self._laid_out: tuple[object, ...] | None = None
        self._canvas = Canvas(WIDTH, HEIGHT)
        self._encoder = _encoder()
        self._keyframe = True
        self._places: dict[str, tuple[Tile, str]] = {}
        self.pictures = 0

    def scene(self, scene: Scene) -> None:
        with self._lock:
            self._scene = scene
            shown = [one.member for one in scene.shown[: most(scene.layout)]] if scene.picture else []
            self._sources = {member: self._sources.get(member) or Source() for member in shown}

    def add(self, picture: PictureIn, now: float) -> bool:
        with self._lock:
            source = self._sources.get(picture.member)
            return True if source is None else source.add(picture, now)

    def new_keyframe(self) -> None:
        self._keyframe = True

    def step(self, now: float, wall: datetime, pts: int) -> tuple[bytes, bool] | None:
        """One picture: the access unit and whether it is a keyframe. None: nobody takes it."""
        with self._lock:
            scene, sources = self._scene, dict(self._sources)
        if scene is None or not scene.picture:
            return None
        for source in sources.values():
            source.decode()
        self._lay_out(scene, sources)
        for member, (tile, name) in self._places.items():
            source = sources[member]
            silent = now - source.at > SILENT_AFTER
            if silent and source.newest is not None:
                source.newest = None  # an old picture is never shown as live
                self._canvas.clear(tile)
                self._canvas.write(tile, f"{name} · 无信号", 22)
            elif source.changed and source.newest is not None:
                source.changed = False
                self._canvas.paint(tile, source.newest)
                self._canvas.write(tile, name, 22)
        self._canvas.write(Tile(0, 0, WIDTH, HEIGHT), f"{scene.title}  {wall:%Y-%m-%d %H:%M:%S}", 22, top=True)
        frame = self._canvas.frame()
        frame.pts, frame.time_base = pts, Fraction(1, 90_000)
        if self._keyframe:
            self._keyframe = False
            frame.pict_type = PictureType.I
        packets = self._encoder.encode(frame)
        self.pictures += 1
        if not packets:
            return None
        return b"".join(bytes(packet) for packet in packets), any(packet.is_keyframe for packet in packets)

    def _lay_out(self, scene: Scene, sources: dict[str, Source]) -> None:
        shown = [one for one in scene.shown if one.member in sources]
        layout = (scene.layout, tuple((one.member, one.name) for one in shown))
        if layout == self._laid_out:
            return
        self._laid_out = layout
        self._canvas.clear()
        places = tiles(scene.layout, len(shown), WIDTH, HEIGHT)
        self._places = {one.member: (tile, one.name) for one, tile in zip(shown, places, strict=False)}
        for one, tile in zip(shown, places, strict=False):
            self._canvas.write(tile, one.name, 22)
            sources[one.member].changed = True
