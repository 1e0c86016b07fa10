"""WS-Discovery's messages: our probe, and answers of which nothing is trusted."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_registry.ws_discovery import SPACES, matches, probe

ASKED = "urn:uuid:00000000-0000-4000-8000-000000000001"
IDS = frozenset({ASKED})


def answer(match: str, relates_to: str = ASKED, head: str = "") -> bytes:
    return (
        f'{head}<s:Envelope xmlns:s="{SPACES["s"]}" xmlns:a="{SPACES["a"]}" xmlns:d="{SPACES["d"]}"><s:Header>'
        f"<a:RelatesTo>{relates_to}</a:RelatesTo></s:Header><s:Body><d:ProbeMatches>{match}</d:ProbeMatches></s:Body>"
        "</s:Envelope>"
    ).encode()


def device(reference: str = "urn:uuid:1", addresses: str = "http://192.0.2.7/onvif", scopes: str = "") -> str:
    return (
        f"<d:ProbeMatch><a:EndpointReference><a:Address>{reference}</a:Address></a:EndpointReference>"
        f"<d:Scopes>{scopes}</d:Scopes><d:XAddrs>{addresses}</d:XAddrs></d:ProbeMatch>"
    )


def test_a_probe_asks_for_video_transmitters() -> None:
    envelope = fromstring(probe(ASKED))  # noqa: S314 - our own
    assert envelope.findtext("s:Header/a:MessageID", "", SPACES) == ASKED
    assert envelope.findtext("s:Body/d:Probe/d:Types", "", SPACES).endswith(":NetworkVideoTransmitter")


def test_a_match_tells_name_and_model() -> None:
    scopes = "onvif://www.onvif.org/name/%E4%B8%9C%E9%97%A8 ONVIF://www.onvif.org/hardware/VC-2000 x"
    (found,) = matches(answer(device(scopes=scopes)), IDS)
    assert (found.name, found.model) == ("东门", "VC-2000")
    assert found.addresses == ("http://192.0.2.7/onvif",)


@pytest.mark.parametrize(
    "told",
    [
        ASKED.removeprefix("urn:"),
        ASKED.removeprefix("urn:uuid:").upper(),
        f"\n  {ASKED}\n",
    ],
)
def test_an_identifier_that_comes_back_in_another_form_is_ours(told: str) -> None:
    assert len(matches(answer(device(), relates_to=told), IDS)) == 1


def test_newer_addressing_discovery_1_1_and_soap_1_1_are_read_under_any_prefix() -> None:
    packet = (
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:wsa="http://www.w3.org/2005/08/addressing" '
        'xmlns="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01">'
        f"<env:Header><wsa:RelatesTo>{ASKED}</wsa:RelatesTo></env:Header><env:Body><ProbeMatches><ProbeMatch>"
        "<wsa:EndpointReference><wsa:Address>urn:uuid:7</wsa:Address></wsa:EndpointReference>"
        "<Scopes>\n onvif://www.onvif.org/name/Gate%20East\n\tonvif://www.onvif.org/hardware/H1 \n</Scopes>"
        "<XAddrs>http://[fe80::1%25eth0]/onvif/device_service http://192.0.2.7/onvif/device_service</XAddrs>"
        "</ProbeMatch></ProbeMatches></env:Body></env:Envelope>"
    ).encode()
    (found,) = matches(packet, IDS)
    assert (found.name, found.model, len(found.addresses)) == ("Gate East", "H1", 2)


def test_an_answer_to_somebody_else_is_no_answer() -> None:
    assert matches(answer(device(), relates_to="urn:uuid:other"), IDS) == ()


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"<",
        b"\x00" * 1_000,
        answer(""),
        answer(device(reference="")),
        answer(device(addresses="")),
        answer(device(), head='<!DOCTYPE s [<!ENTITY a "b">]>'),
        answer(device("&a;"), head='<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/hostname">]>'),
        answer(device(), head='<?xml version="1.0" encoding="no-such"?>'),
        b"<a>" * 20_000,
    ],
)
def test_what_is_no_match_is_nothing(packet: bytes) -> None:
    assert matches(packet, IDS) == ()


def test_what_a_device_says_is_cut_and_cleaned() -> None:
    addresses = " ".join(f"http://192.0.2.{number}/" for number in range(100))
    scopes = f"onvif://www.onvif.org/name/{'a' * 500} onvif://www.onvif.org/hardware/x%00%1b%0ay " + "s " * 500
    (found,) = matches(answer(device(addresses=addresses, scopes=scopes)), IDS)
    assert len(found.addresses) == 8
    assert len(found.scopes) == 64
    assert len(found.name) <= 200
    assert found.model == "xy"


@given(st.binary(max_size=300))
def test_no_packet_is_an_error(packet: bytes) -> None:
    assert matches(packet, IDS) == ()
