"""Requests are read as clients write them; bytes that are no request are refused within bounds."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.rtsp_out_messages import (
    MOST_HEAD,
    BadRequest,
    Request,
    answer,
    parse_request,
    read_request,
)


async def read(data: bytes) -> list[Request]:
    """Every request of a connection on which ``data`` came."""
    reader = asyncio.StreamReader(limit=MOST_HEAD)
    reader.feed_data(data)
    reader.feed_eof()
    found = []
    while (request := await read_request(reader)) is not None:
        found.append(request)
    return found


async def test_requests_are_read_one_after_another_and_rtcp_between_them_is_let_go() -> None:
    first = b"OPTIONS rtsp://h/cameras/1 RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: Lavf\r\n\r\n"
    second = b"GET_PARAMETER rtsp://h/cameras/1 RTSP/1.0\r\nCSEQ:2\r\nContent-Length: 9\r\n\r\nposition\n"
    rtcp = b"$\x01\x00\x08" + b"OPTIONS\x00"
    requests = await read(first + rtcp + second + b"\r\n" + rtcp + first)
    assert [(request.method, request.sequence) for request in requests] == [
        ("OPTIONS", "1"), ("GET_PARAMETER", "2"), ("OPTIONS", "1"),
    ]  # fmt: skip
    assert requests[0].headers["user-agent"] == "Lavf"


async def test_a_connection_that_ends_within_a_request_has_none() -> None:
    assert await read(b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\n") == []
    assert await read(b"$\x01\xff\xff") == []


async def refused(data: bytes) -> int:
    with pytest.raises(BadRequest) as error:
        await read(data)
    return error.value.status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: h", 400),
        (b"DESCRIBE rtsp://h/", 400),
        (b"DESCRIBE rtsp://h/\n RTSP/1.0\r\nCSeq: 1", 400),
        (b"DESCRIBE rtsp://h/" + b"a" * 3000 + b" RTSP/1.0\r\nCSeq: 1", 400),
        (b"DESCRIBE rtsp://h/ RTSP/2.0\r\nCSeq: 1", 505),
        (b"DESCRIBE rtsp://h/ RTSP/1.0", 400),
        (b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: x", 400),
        (b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: " + b"1" * 11, 400),
        (b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\nno colon", 400),
        (b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\nA: \x00", 400),
        (b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\nA: \xff", 400),
        (b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1", 400),
        (b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 9999999999999999", 413),
        (b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 1" + b"\r\nA: b" * 70, 413),
        (b"DESCRIBE rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\nA: " + b"b" * MOST_HEAD, 413),
    ],
)
async def test_what_is_no_request_is_refused(head: bytes, status: int) -> None:
    assert await refused(head + b"\r\n\r\n") == status


async def test_a_head_without_end_is_not_waited_for() -> None:
    assert await refused(b"A" * 3 * MOST_HEAD) == 413


@given(st.binary(max_size=400))
def test_no_bytes_at_all_break_the_reading(data: bytes) -> None:
    with contextlib.suppress(BadRequest):
        parse_request(data)
    with contextlib.suppress(BadRequest):
        asyncio.run(read(data + b"\r\n\r\n"))


def test_an_answer_is_written_with_its_body() -> None:
    assert answer(200, "7", [("Session", "1")], b"v=0\r\n", "application/sdp") == (
        b"RTSP/1.0 200 OK\r\nCSeq: 7\r\nSession: 1\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    )


def test_credentials_do_not_show_in_a_request() -> None:
    request = parse_request(b"PLAY rtsp://h/ RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Digest response=0123\r\n\r\n")
    assert "0123" not in repr(request)
