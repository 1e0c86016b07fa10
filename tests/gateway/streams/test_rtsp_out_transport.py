"""Which way RTP goes is read from a header that may say anything; datagrams go to nobody but who asked."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.rtsp_out_transport import Datagrams, Interleaved, OverDatagrams, wanted_transport


@given(st.text(max_size=80))
def test_no_transport_breaks_the_reading(text: str) -> None:
    wanted_transport(text)
    wanted_transport("RTP/AVP/TCP;interleaved=" + text)
    wanted_transport("RTP/AVP;client_port=" + text)


@pytest.mark.parametrize(
    ("transport", "wanted"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", Interleaved(0, 1)),
        ("RTP/AVP/TCP;unicast;interleaved=4-5;mode=play", Interleaved(4, 5)),
        ("RTP/AVP/TCP;unicast", Interleaved(0, 1)),
        ("RTP/AVP/TCP;interleaved=6", Interleaved(6, 7)),
        ("RTP/AVP;unicast;client_port=5000-5001", Datagrams(5000, 5001)),
        ("RTP/AVP/UDP;unicast;client_port=5000-5001,rtp/avp/tcp;interleaved=2-3", Datagrams(5000, 5001)),
        ("RTP/AVP;unicast;client_port=5000", Datagrams(5000, 5001)),
        ("RTP/AVP;unicast;destination=192.0.2.9;client_port=5000-5001", Datagrams(5000, 5001)),
        ("RTP/AVP;unicast;client_port=1-2,rtp/avp/tcp;interleaved=2-3", Interleaved(2, 3)),
        ("RTP/AVP;unicast;client_port=53-54", None),
        ("RTP/AVP;unicast;client_port=65535-65536", None),
        ("RTP/AVP;unicast", None),
        ("RTP/AVP;multicast;client_port=5000-5001", None),
        ("RTP/SAVP/TCP;interleaved=0-1", None),
        ("RTP/AVP/TCP;multicast;interleaved=0-1", None),
        ("RTP/AVP/TCP;interleaved=255-256", None),
        ("RTP/AVP/TCP;interleaved=3-3", None),
        ("RTP/AVP/TCP;interleaved=-1", None),
        ("", None),
    ],
)
def test_the_first_offer_that_can_be_served_is_taken(transport: str, wanted: Interleaved | Datagrams | None) -> None:
    assert wanted_transport(transport) == wanted


async def test_datagrams_leave_from_a_pair_of_ports_and_a_reader_that_is_gone_is_noticed() -> None:
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
        one.settimeout(30)
    ports = Datagrams(*(one.getsockname()[1] for one in sockets))
    heard: list[int] = []
    carrier = await OverDatagrams.to("127.0.0.1", "127.0.0.1", ports, lambda: heard.append(1))
    own = carrier.described.rpartition("server_port=")[2].split("-")
    assert int(own[0]) % 2 == 0
    assert int(own[1]) == int(own[0]) + 1
    carrier.rtp([(b"header", b"payload")])
    carrier.rtcp(b"report")
    assert sockets[0].recv(100) == b"headerpayload"
    assert sockets[1].recv(100) == b"report"
    sockets[1].sendto(b"receiver report", ("127.0.0.1", int(own[1])))
    async with asyncio.timeout(30):
        while not heard:
            await asyncio.sleep(0.01)
    assert await carrier.ready()
    for one in sockets:
        one.close()
    async with asyncio.timeout(30):
        while await carrier.ready():
            carrier.rtp([(b"header", b"payload")])
            await asyncio.sleep(0.01)
    carrier.close()
