"""What virtual cameras show: clips and rendered scenes, encoded once, H.264 or H.265, a keyframe every two seconds.

A prepared footage is a file of Annex B access units and beside it a JSON index (codec, frame rate, size, where the
endless loop begins, and for each access unit its offset, size, whether it is a keyframe, and the number of the picture
it is shown as: with B-frames that is another order). The RTSP server copies from it, so
a stream costs no encoding. Files are keyed by what they were made of and kept in a cache folder.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.error
import cv2
import numpy as np
import structlog
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from gateway.refusals import Refusal
from gateway.streams.upright import upright
from gateway.virtual.spoiling import Change, changed
from models.scenes import Scene, SceneKind

log = structlog.get_logger(__name__)

KEYFRAME_SECONDS = 2
_FORMAT = 4
"""Counts up when the encoding changes, so that an older cache is not taken for a newer one."""

Picture = NDArray[np.uint8]
Codec = Literal["h264", "hevc"]
Progress = Callable[[str, float], None]
"""Called with the footage's name and the share that is done, 0 to 1, from a worker thread."""


@dataclass(frozen=True, slots=True)
class RenderedFootage:
    """A drawn scene: quiet until ``hazard_from``, then the hazard, which stays. Only the part with it is repeated.

    ``size`` is width and height in pixels, both even. ``seconds`` is the length of the file, not of the stream.
    """

    kind: SceneKind
    seed: int = 7
    seconds: float = 26.0
    fps: int = 12
    size: tuple[int, int] = (1280, 720)
    hazard_from: float = 10.0
    full_after: float = 8.0
    """So many seconds after ``hazard_from`` the hazard has grown to its full size, and the endless loop begins."""

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.seed}"

    @property
    def loop_from(self) -> float:
        """Start of the repeated part, on a keyframe. A scene without a hazard is repeated whole."""
        if self.kind == "quiet":
            return 0.0
        wanted = self.hazard_from + self.full_after
        aligned = KEYFRAME_SECONDS * int(-(-wanted // KEYFRAME_SECONDS))
        if aligned >= self.seconds:
            raise ValueError("the footage ends before its loop begins")
        return float(aligned)


@dataclass(frozen=True, slots=True)
class ClipFootage:
    """A film file (anything PyAV reads), repeated whole; scaled down to ``max_height`` and at most ``max_fps``."""

    path: Path
    max_seconds: float = 120.0
    max_fps: int = 15
    max_height: int = 720

    @property
    def name(self) -> str:
        return self.path.stem


@dataclass(frozen=True, slots=True)
class ChangedFootage:
    """Another footage as a faulty camera, or bad weather, shows it; in the corner the camera's own clock. Each has the
    access units of its ``base`` one for one, so that a camera changes from one to the other at any keyframe."""

    base: RenderedFootage | ClipFootage
    change: Change

    @property
    def name(self) -> str:
        return f"{self.base.name}-{self.change}"


@dataclass(frozen=True, slots=True)
class EncodedFootage:
    """Another footage as an odd camera encodes it."""

    base: RenderedFootage | ClipFootage | ChangedFootage
    codec: Codec = "h264"
    b_frames: int = 0

    @property
    def name(self) -> str:
        return f"{self.base.name}-{self.codec}-{self.b_frames}"


Footage = RenderedFootage | ClipFootage | ChangedFootage | EncodedFootage


@dataclass(frozen=True, slots=True)
class Prepared:
    """Footage ready to be served. ``loop_from`` is the number of the access unit at which the endless loop begins."""

    stream: Path
    index: Path
    poster: Path
    width: int
    height: int
    fps: float
    frames: int
    loop_from: int
    codec: Codec = "h264"

    @property
    def seconds(self) -> float:
        return self.frames / self.fps


async def prepare_footage(
    wanted: Sequence[Footage], folder: Path, progress: Progress | None = None, *, threads: int = 2
) -> dict[Footage, Prepared]:
    """Encode what the cache folder does not hold yet. Raises ``Refusal`` ``footage_unreadable`` for a bad clip."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()
    distinct = list(dict.fromkeys(wanted))
    # PyAV, x264 and OpenCV let go of the interpreter while they work, so threads share the cores.
    with ThreadPoolExecutor(threads, thread_name_prefix="footage") as pool:
        work = [loop.run_in_executor(pool, _prepare, footage, folder, progress) for footage in distinct]
        try:
            done = await asyncio.gather(*work)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return dict(zip(distinct, done, strict=True))


def _prepare(footage: Footage, folder: Path, progress: Progress | None) -> Prepared:
    def tell(share: float) -> None:
        if progress is not None:
            progress(footage.name, min(1.0, share))

    key = _key(footage)
    stream, index, poster = (folder / f"{key}{end}" for end in (".h264", ".json", ".jpg"))
    if not index.is_file():  # written last, so what it speaks of is whole
        coded = footage if isinstance(footage, EncodedFootage) else EncodedFootage(footage)
        _encode(_pictures(coded.base), coded, stream, index, poster, tell)
        log.info("footage_prepared", footage=footage.name, bytes=stream.stat().st_size)
    tell(1.0)
    facts = json.loads(index.read_text())
    size = facts["width"], facts["height"]
    return Prepared(
        stream, index, poster, *size, facts["fps"], len(facts["frames"]), facts["loop_from"], facts["codec"]
    )


def _key(footage: Footage) -> str:
    facts: dict[str, object] = {"format": _FORMAT, **asdict(footage)}
    film = footage
    while not isinstance(film, RenderedFootage | ClipFootage):
        film = film.base
    if isinstance(film, ClipFootage):
        try:
            with film.path.open("rb") as file:
                facts["film"] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(film, error) from error
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    return f"{footage.name}-{digest[:16]}"


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Pictures (BGR H×W×3) at a steady rate, made as they are taken."""

    width: int
    height: int
    fps: Fraction
    expected: int
    loop_from: int
    pictures: Iterator[Picture]


def _pictures(footage: RenderedFootage | ClipFootage | ChangedFootage) -> _Pictures:
    if isinstance(footage, ChangedFootage):
        base = _pictures(footage.base)
        return replace(base, pictures=changed(base.pictures, footage.change, float(base.fps)))
    return _rendered(footage) if isinstance(footage, RenderedFootage) else _film(footage)


def _rendered(footage: RenderedFootage) -> _Pictures:
    scene = Scene(footage.kind, footage.seed, pieces="demo", size=footage.size, hazard_from=footage.hazard_from)
    frames = int(footage.seconds * footage.fps)
    pictures = (scene.frame(number / footage.fps) for number in range(frames))
    loop_from = int(footage.loop_from * footage.fps)
    return _Pictures(*footage.size, Fraction(footage.fps), frames, loop_from, pictures)


def _film(footage: ClipFootage) -> _Pictures:
    try:
        with av.open(str(footage.path)) as film:
            video = film.streams.video[0]
            rate = min(video.average_rate or Fraction(25), Fraction(footage.max_fps))
            length = float(film.duration or 0) / av.time_base or footage.max_seconds
            first = next((upright(frame) for frame in film.decode(video)), video)
            scale = min(1.0, footage.max_height / first.height)
            width, height = (max(2, int(side * scale) // 2 * 2) for side in (first.width, first.height))
    except (av.error.FFmpegError, IndexError, OSError) as error:
        raise _unreadable(footage, error) from error
    expected = int(min(length, footage.max_seconds) * rate)
    return _Pictures(width, height, rate, expected, 0, _film_pictures(footage, rate, (width, height)))


def _film_pictures(footage: ClipFootage, rate: Fraction, size: tuple[int, int]) -> Iterator[Picture]:
    """The picture shown at each tick of ``rate``; between two of the film's pictures the earlier one."""
    tick = 0
    try:
        with av.open(str(footage.path)) as film:
            start: float | None = None
            shown: Picture | None = None
            for frame in film.decode(video=0):
                if frame.pts is None:
                    continue
                start = frame.time if start is None else start
                at = frame.time - start
                while shown is not None and tick / rate < at:
                    yield shown
                    tick += 1
                if at >= footage.max_seconds:
                    return
                full = upright(frame).to_ndarray(format="bgr24")
                shown = np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_AREA))
            if shown is not None:
                yield shown
    except av.error.FFmpegError as error:
        if tick == 0:
            raise _unreadable(footage, error) from error
        log.warning("footage_cut_short", footage=footage.name, error=str(error))


def _unreadable(footage: ClipFootage, error: Exception) -> Refusal:
    return Refusal(
        "invalid",
        "footage_unreadable",
        f"无法读取视频文件 {footage.path.name}：{error}",
        f"The film {footage.path.name} cannot be read: {error}",
        field="path",
    )


def _encode(
    source: _Pictures, coded: EncodedFootage, stream: Path, index: Path, poster: Path, tell: Callable[[float], None]
) -> None:
    encoder = _encoder(source, coded)
    frames: list[tuple[int, int, int, int]] = []
    offset = given = 0
    # An encoder that has only begun writes the same picture differently than a minute later. Where nothing moves, the
    # endless loop would show that: there it is run in first, and what it writes meanwhile is let go.
    run_in = 2 * encoder.gop_size if isinstance(coded.base, ChangedFootage) and coded.base.change == "frozen" else 0
    first: Picture | None = None
    draft = stream.with_suffix(f".{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            for picture in _with_end(source.pictures):
                if picture is None:
                    packets = encoder.encode(None)
                else:
                    frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
                    if first is None:
                        for frame.pts in range(run_in):
                            encoder.encode(frame)
                        first, given = picture, run_in
                    frame.pts = given
                    packets = encoder.encode(frame)
                    tell((given - run_in) / max(1, source.expected))
                    given += 1
                for packet in packets:
                    data = bytes(packet)
                    frames.append((offset, len(data), int(packet.is_keyframe), (packet.pts or 0) - run_in))
                    offset += file.write(data)
        if first is None or not frames:
            raise Refusal(
                "invalid",
                "footage_empty",
                f"{stream.stem} 没有画面。",
                f"{stream.stem} holds no picture.",
                field="path",
            )
        if not cv2.imwrite(str(poster), first):
            raise OSError(f"cannot write {poster}")
        draft.replace(stream)
    finally:
        draft.unlink(missing_ok=True)
    facts = {"codec": coded.codec, "fps": float(source.fps), "width": source.width, "height": source.height}
    index_draft = index.with_suffix(f".{os.getpid()}.part")
    index_draft.write_text(json.dumps({**facts, "loop_from": source.loop_from, "frames": frames}))
    index_draft.replace(index)


def _encoder(source: _Pictures, coded: EncodedFootage) -> VideoCodecContext:
    encoder = av.CodecContext.create({"h264": "libx264", "hevc": "libx265"}[coded.codec], "w")
    assert isinstance(encoder, VideoCodecContext)  # noqa: S101 - what that name makes
    encoder.width, encoder.height = source.width, source.height
    encoder.pix_fmt = "yuv420p"
    encoder.framerate = source.fps
    encoder.time_base = 1 / source.fps
    encoder.gop_size = round(KEYFRAME_SECONDS * source.fps)
    encoder.max_b_frames = coded.b_frames
    encoder.thread_count = 1
    if coded.codec == "hevc":
        keyframes = f"keyint={encoder.gop_size}:min-keyint={encoder.gop_size}:scenecut=0:open-gop=0"
        encoder.options = {
            "preset": "ultrafast",
            "crf": "26",
            "x265-params": f"{keyframes}:bframes={coded.b_frames}:repeat-headers=1:pools=none:log-level=none",
        }
        return encoder
    encoder.options = {
        "preset": "veryfast",
        "crf": "23",
        "x264-params": f"scenecut=0:repeat-headers=1:annexb=1:open-gop=0:bframes={coded.b_frames}",
    }
    if not coded.b_frames:
        # zerolatency: one packet for each picture, in order. Constrained baseline is what every browser takes.
        encoder.options |= {"tune": "zerolatency", "profile": "baseline"}
    return encoder


def _with_end(pictures: Iterator[Picture]) -> Iterator[Picture | None]:
    yield from pictures
    yield None
