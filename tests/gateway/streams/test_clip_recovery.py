"""What a crash or a full disk leaves of a clip plays, and says its true bounds."""

from __future__ import annotations

import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest

from gateway.streams.clip import ClipFailed, ClipWriter, ClosedClip
from gateway.streams.clip_recovery import recover_clip
from gateway.streams.frame import EncodedFrame, VideoCodec

FPS = 25


def pictures_of(clip: ClosedClip) -> int:
    """Pictures that FFmpeg decodes, with not one complaint."""
    asked = ["ffmpeg", "-v", "error", "-i", str(clip.path), "-f", "null", "-"]
    ran = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr == ""
    with av.open(str(clip.path), "r") as container:
        return sum(1 for _ in container.decode(video=0))


def being_written(path: Path, frames: list[EncodedFrame]) -> ClipWriter:
    writer = ClipWriter(path)
    for begin in range(0, len(frames), 7):
        writer.write(frames[begin : begin + 7])
    return writer


@pytest.mark.parametrize(("name", "cuts"), [("film", 30), ("h265_film", 12), ("bframes_film", 12)])
def test_a_clip_torn_at_any_byte_is_whole_again_or_nothing(
    tmp_path: Path, name: str, cuts: int, request: pytest.FixtureRequest
) -> None:
    frames: list[EncodedFrame] = request.getfixturevalue(name)
    writer = being_written(tmp_path / "clip.mp4", frames)
    whole = (tmp_path / "clip.mp4").read_bytes()
    chance = random.Random(3)
    recovered = set()
    for cut in sorted(chance.sample(range(len(whole)), cuts)):
        torn = tmp_path / f"torn-{cut}.mp4"
        torn.write_bytes(whole[:cut])
        clip = recover_clip(torn)
        if clip is None:
            assert whole[:cut].count(b"moof") < 2
            continue
        pictures = pictures_of(clip)
        recovered.add(pictures)
        assert clip.partial
        assert clip.starts_at == frames[0].arrival
        assert clip.ends_at == pytest.approx(frames[pictures - 1].arrival, abs=0.001)
        assert recover_clip(torn) == clip
    assert len(recovered) >= len(frames) // FPS - 2
    writer.close()


_RECORDS = """
import pickle, sys
from pathlib import Path
from gateway.streams.clip import ClipWriter
writer = ClipWriter(Path(sys.argv[1]))
for frame in pickle.loads(Path(sys.argv[2]).read_bytes()):
    writer.write([frame])
print("written", flush=True)
sys.stdin.read()
"""


def test_a_killed_writer_leaves_all_but_the_last_second(tmp_path: Path, film: list[EncodedFrame]) -> None:
    path, frames = tmp_path / "clip.mp4", tmp_path / "frames"
    frames.write_bytes(pickle.dumps(film))
    asked = [sys.executable, "-c", _RECORDS, str(path), str(frames)]
    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.kill()
    clip = recover_clip(path)
    assert clip is not None
    assert pictures_of(clip) >= len(film) - FPS - 1
    assert film[-1].arrival - clip.ends_at <= 1.1


def test_a_group_of_many_seconds_is_not_lost_whole(tmp_path: Path, film: list[EncodedFrame]) -> None:
    """ "Smart" encoders put a keyframe every ten seconds and more."""
    one_group = film[:1] + [frame for frame in film if not frame.keyframe]
    writer = being_written(tmp_path / "clip.mp4", one_group)
    shutil.copy(tmp_path / "clip.mp4", tmp_path / "left.mp4")
    writer.close()
    clip = recover_clip(tmp_path / "left.mp4")
    assert clip is not None
    assert one_group[-1].arrival - clip.ends_at <= 1.1


def test_a_clip_closed_but_not_noted_comes_back_as_it_was(tmp_path: Path, film: list[EncodedFrame]) -> None:
    for complete in (True, False):
        clip = being_written(tmp_path / "clip.mp4", film).close(complete)
        assert clip is not None
        assert clip.partial is not complete
        assert recover_clip(clip.path) == clip


def test_a_crash_while_the_index_was_put_in_front_costs_nothing(tmp_path: Path, film: list[EncodedFrame]) -> None:
    path = tmp_path / "clip.mp4"
    writer = being_written(path, film)
    shutil.copy(path, tmp_path / "left.mp4")
    (tmp_path / "left.mp4.plain").write_bytes(path.read_bytes()[:1000])
    writer.close()
    clip = recover_clip(tmp_path / "left.mp4")
    assert clip is not None
    assert pictures_of(clip) >= len(film) - FPS
    assert [left.name for left in tmp_path.glob("left*")] == ["left.mp4"]


@pytest.mark.parametrize("comment", ["", "{", "[]", '{"starts_at": "1"}', '{"starts_at": NaN, "ends_at": null}'])
def test_what_says_nothing_of_its_beginning_is_no_evidence(tmp_path: Path, films: Path, comment: str) -> None:
    path = tmp_path / "clip.mp4"
    asked = ["ffmpeg", "-v", "error", "-i", str(films / "film.mkv"), "-c", "copy", "-metadata", f"comment={comment}"]
    subprocess.run([*asked, str(path)], timeout=60, check=True)
    assert recover_clip(path) is None
    assert recover_clip(tmp_path / "nothing.mp4") is None


def test_bytes_that_are_no_clip_are_no_evidence(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    for data in (b"", b"\0" * 100, random.Random(1).randbytes(5000), b"\0\0\0\x10mdat" + b"\1" * 8):
        path.write_bytes(data)
        assert recover_clip(path) is None


_FULL_DISK = """
import pickle, resource, signal, sys
from pathlib import Path
from gateway.streams.clip import ClipFailed, ClipWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
frames = pickle.loads(Path(sys.argv[2]).read_bytes())
room = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
writer = ClipWriter(Path(sys.argv[1]))
try:
    for frame in frames:
        writer.write([frame])
except ClipFailed as failed:
    print(failed.reason, failed.zh, failed.en)
print(writer.closed_early, writer.close())
"""


def test_a_disk_that_is_full_is_said_and_what_it_took_is_kept(tmp_path: Path, film: list[EncodedFrame]) -> None:
    path, frames = tmp_path / "clip.mp4", tmp_path / "frames"
    frames.write_bytes(pickle.dumps(film))
    room = sum(len(frame.data) for frame in film[:70])
    asked = [sys.executable, "-c", _FULL_DISK, str(path), str(frames), str(room)]
    ran = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    said, closed = [line for line in ran.stdout.splitlines() if "clip_recovery" not in line][-2:]
    assert said.startswith("clip_disk_full ")
    assert closed.startswith("True ClosedClip(")
    clip = recover_clip(path)
    assert clip is not None
    assert clip.partial
    assert clip.sha256 in closed
    assert 25 <= pictures_of(clip) < 70


def test_a_disk_without_any_room_leaves_no_clip(film: list[EncodedFrame]) -> None:
    writer = ClipWriter(Path("/dev/full"))
    with pytest.raises(ClipFailed) as refused:
        writer.write(film)
    assert refused.value.reason == "clip_disk_full"
    writer.write(film)
    assert writer.close() is None


def test_a_folder_that_is_gone_is_a_clip_that_failed(tmp_path: Path, film: list[EncodedFrame]) -> None:
    with pytest.raises(ClipFailed) as refused:
        ClipWriter(tmp_path / "gone" / "clip.mp4").write(film)
    assert refused.value.reason == "clip_not_written"
    assert str(tmp_path) not in refused.value.en + refused.value.zh


def test_a_clip_whose_index_cannot_be_put_in_front_stays_as_it_was_written(
    tmp_path: Path, film: list[EncodedFrame]
) -> None:
    (tmp_path / "clip.mp4.plain").mkdir()
    clip = being_written(tmp_path / "clip.mp4", film).close()
    assert clip is not None
    assert not clip.partial
    assert b"moof" in clip.path.read_bytes()
    assert pictures_of(clip) == len(film)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("data", [b"", b"noise", b"\0\0\0\1\x65" + bytes(range(3, 250)), b"\0\0\0\1\x26\1\xaf\7\7"])
def test_a_stream_that_no_decoder_could_begin_is_a_clip_that_failed(
    tmp_path: Path, codec: VideoCodec, data: bytes
) -> None:
    writer = ClipWriter(tmp_path / "clip.mp4")
    with pytest.raises(ClipFailed):
        writer.write([EncodedFrame("video", codec, data, number * 3600, 90_000, 1.0, True) for number in range(3)])
    assert writer.closed_early
    assert writer.close() is None
