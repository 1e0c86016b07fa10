"""What comes from a camera is taken apart in whatever pieces it comes, and bounded whatever it is."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.rtsp_in_messages import MOST_BODY, MOST_HEAD, Answer, BadAnswer, Wire
from gateway.streams.rtsp_in_sdp import DescriptionUnusable, read_description

ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 4\r\n\r\nbody"
RTP = b"$\x00\x00\x0e\x80\x60" + b"\0" * 10 + b"ab"


class Taken:
    """What was taken apart, from pieces as they came."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.packets: list[tuple[int, bytes]] = []
        self._data = b""
        self._wire = Wire(self._packet, self.answers.append)

    def feed(self, piece: bytes) -> int:
        """How much is left of what came."""
        self._data += piece
        self._data = self._data[self._wire.take(memoryview(self._data), len(self._data)) :]
        return len(self._data)

    def _packet(self, channel: int, data: memoryview, begin: int, end: int) -> bool:
        self.packets.append((channel, bytes(data[begin:end])))
        return data[begin] >> 6 == 2


@given(st.lists(st.integers(0, 200), max_size=8).map(sorted))
def test_answers_and_packets_are_told_apart_however_they_are_cut(cuts: list[int]) -> None:
    sent = ANSWER + RTP + RTP + ANSWER + b"\r\n" + RTP
    taken = Taken()
    left = 0
    for begin, end in pairwise([0, *cuts, len(sent)]):
        left = taken.feed(sent[begin:end])
    assert left == 0
    assert [(one.status, one.sequence, one.body) for one in taken.answers] == [(200, 3, b"body")] * 2
    assert taken.packets == [(0, RTP[4:])] * 3


def test_bytes_of_a_packet_that_was_cut_are_skipped() -> None:
    taken = Taken()
    taken.feed(ANSWER + b"\x80$\x01\x02\x03\x04" + RTP)
    assert taken.packets == [(0, RTP[4:])]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"RTSP/1.0 \r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"RTSP/1.0 200 OK\r\nA: " + b"b" * MOST_HEAD,
        ANSWER + b"x" * 300_000,
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        Taken().feed(data)


@given(st.lists(st.binary(max_size=200) | st.sampled_from([ANSWER, RTP, b"RTSP/1.0 ", b"$\x00\xff"]), max_size=30))
def test_whatever_comes_only_bad_answer_is_raised_and_little_is_kept(pieces: list[bytes]) -> None:
    taken = Taken()
    with contextlib.suppress(BadAnswer):
        for piece in pieces:
            assert taken.feed(piece) <= MOST_HEAD + MOST_BODY + len(piece)


WORDS = ["m=video 0 RTP/AVP 96", "m=audio 0 RTP/AVP 0 8 97", "a=rtpmap:96 H264/90000", "a=rtpmap:96 H265/90000",
         "a=rtpmap:97 mpeg4-generic/16000", "a=control:*", "a=control:track1", "a=rtpmap:96 H264/0",
         "a=fmtp:96 sprop-parameter-sets=Z0IAHw==,aM48;packetization-mode=1", "a=fmtp:96 sprop-vps=QAE;=;;",
         "a=fmtp:97 sizelength=13;indexlength=3;indexdeltalength=3;config=1408", "a=fmtp:97 sizelength=99;config=zz",
         "a=sendonly", "a=recvonly", "i=sub_stream;width=640", "i=", "a=rtpmap:0 PCMU/-1",
         "m=", "a=", "a=rtpmap:", "a=fmtp:96", "m=video", "m=video 0 RTP/SAVP 96"]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=30), max_size=40), st.sampled_from(["\r\n", "\n", "\r"]))
def test_whatever_a_description_says_only_its_reason_is_raised(lines: list[str], end: str) -> None:
    with contextlib.suppress(DescriptionUnusable):
        description = read_description(end.join(lines).encode("utf-8", "replace"))
        assert description.video.codec in ("h264", "hevc")
        assert description.video.clock_rate > 0
        assert len(description.video.title) <= 256
        assert description.talk is None or not description.talks_otherwise


def test_a_description_tells_video_and_the_sound_that_can_be_played() -> None:
    described = read_description(
        "\n".join(
            [
                "v=0", "a=control:rtsp://h/a/", "m=audio 0 RTP/AVP 8", "a=control:back", "a=sendonly",
                "m=video 0 RTP/AVP 35", "a=rtpmap:35 H265/90000", "a=control:v",
                "a=fmtp:35 sprop-vps=QAEMAQ==; sprop-sps=QgEBAQ==; sprop-pps=RAHBcg==; sprop-max-don-diff=1",
                "m=audio 0 RTP/AVP 104", "a=rtpmap:104 MPEG4-GENERIC/16000/1", "a=control:s",
                "a=fmtp:104 mode=AAC-hbr; config=1408; SizeLength=13;IndexLength=3; IndexDeltaLength=3",
            ]
        ).encode()
    )  # fmt: skip
    assert (described.video.codec, described.video.payload_type, described.video.control) == ("hevc", 35, "v")
    assert described.video.parameters.complete
    assert described.video.decoding_order_numbers
    assert described.sound is not None
    assert (described.sound.audio.codec, described.sound.audio.sample_rate, described.sound.control) == (
        "aac",
        16000,
        "s",
    )
    assert described.talk is not None
    assert (described.talk.codec, described.talk.payload_type, described.talk.control) == ("pcm_alaw", 8, "back")
    assert not described.talks_otherwise
    plain = read_description(b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 h264/90000\r\nm=audio 0 RTP/AVP 0\r\n")
    assert plain.sound is not None
    assert (plain.sound.audio.codec, plain.sound.payload_type) == ("pcm_mulaw", 0)
    assert plain.talk is None
    otherwise = read_description(
        b"m=video 0 RTP/AVP 96\na=rtpmap:96 h264/90000\nm=audio 0 RTP/AVP 99\na=rtpmap:99 G726-32/8000\na=sendonly\n"
    )
    assert otherwise.talk is None
    assert otherwise.talks_otherwise
