"""What is recorded of each source: H.264 in MP4, VP8 in WebM, copied; what a crash leaves plays."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from gateway.rooms.composer_messages import Recorded, RecordingFailed, Said
from gateway.rooms.mixing import TICK, SoundTarget
from gateway.rooms.recorder import Recorder
from gateway.rooms.recording_file import _begun, left_behind, recorded_in
from gateway.streams.frame import EncodedFrame

_spec = importlib.util.spec_from_file_location("webrtc_parts", Path(__file__).parents[1] / "webrtc_parts.py")
assert _spec is not None
assert _spec.loader is not None
parts = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = parts
_spec.loader.exec_module(parts)

BEGUN = 1_800_000_000.0


def record(recorder: Recorder, frames: Sequence[EncodedFrame], begun: float, epoch: int) -> None:
    """A film in real time, with a tone."""
    encoder = SoundTarget("opus")
    tone = (9000 * np.sin(np.arange(TICK) / 20)).astype(np.int16)
    for number, frame in enumerate(frames):
        at = begun + number / parts.FRAMES_PER_SECOND
        codec = "vp8" if frame.codec == "vp8" else "h264"
        recorder.picture("one", codec, frame.data, frame.pts, frame.keyframe, epoch, at)
        for half in range(2):
            for data in encoder.encode(tone):
                recorder.sound("one", data, at + half * 0.02)


def played(path: Path) -> tuple[set[str], int, float]:
    """Codecs, pictures, and how bright the last one is."""
    with av.open(str(path)) as container:
        names = {stream.codec_context.name for stream in container.streams if stream.type in ("video", "audio")}
        pictures = [picture.to_ndarray(format="gray") for picture in container.decode(video=0)]
    return names, len(pictures), float(np.median(pictures[-1]))


def test_a_member_that_comes_back_with_another_codec_begins_another_file_and_both_play(tmp_path: Path) -> None:
    said: list[Said] = []
    recorder = Recorder(said.append)
    recorder.arrange(tmp_path)
    record(recorder, parts.vp8_film(grey=170), BEGUN, 1)
    record(recorder, parts.film(50, grey=40), BEGUN + 10, 2)
    recorder.arrange(None)
    first, second = (one for one in said if isinstance(one, Recorded))
    assert (Path(first.path).suffix, Path(second.path).suffix) == (".webm", ".mp4")
    names, pictures, brightness = played(Path(first.path))
    assert names & {"vp8", "libvpx"}
    assert names & {"opus", "libopus"}
    assert pictures == 50
    assert abs(brightness - 170) < 12
    assert (first.starts_at, round(first.ends_at - first.starts_at, 1), first.partial) == (BEGUN, 2.0, False)
    assert abs(played(Path(second.path))[2] - 40) < 12
    assert not [one for one in said if isinstance(one, RecordingFailed)]


def test_what_a_crash_leaves_of_vp8_plays_and_knows_when_it_began(tmp_path: Path) -> None:
    recorder = Recorder(lambda _said: None)
    recorder.arrange(tmp_path / "room")
    record(recorder, parts.vp8_film(100, grey=170), BEGUN, 1)
    (growing,) = recorded_in(tmp_path / "room")
    cut = Path(shutil.copy(growing, tmp_path))
    recorder.arrange(None)
    left = left_behind(cut)
    assert left is not None
    assert left.partial
    assert left.starts_at == BEGUN
    assert left.ends_at - left.starts_at > 2.8, "at most the last cluster is lost"
    assert played(cut)[1] > 60


@pytest.mark.parametrize(
    ("comment", "begins"),
    [('{"starts_at": 7.5}', 7.5), ("5", 1.0), ("[]", 1.0), ("", 1.0), ("not JSON", 1.0), ('{"starts_at": null}', 1.0),
     ('{"starts_at": NaN}', 1.0)],
)  # fmt: skip
def test_a_recording_that_says_no_time_begins_when_its_file_did(comment: str, begins: float) -> None:
    assert _begun(comment, 1.0) == begins
