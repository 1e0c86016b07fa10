"""The virtual device's services with a state of their own: it turns, remembers presets, and tells of events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from aiohttp import ClientSession
from defusedxml.ElementTree import fromstring

from gateway.virtual import Quirks, RenderedFootage, VirtualCamera, VirtualDevice, VirtualFleet
from gateway.virtual.ptz import Position, PtzHead
from gateway.virtual.soap import NAMESPACES, Fault, Request
from tests.gateway.virtual.test_device import login

pytestmark = pytest.mark.integration
PASSWORD = "made-for-this-test"
Ask = Callable[..., Awaitable[Element]]


@pytest.fixture
async def device(
    footage_folder: Path, small: RenderedFootage, request: pytest.FixtureRequest
) -> AsyncIterator[VirtualDevice]:
    quirks = getattr(request, "param", Quirks())
    camera = VirtualCamera("球机", small, "viewer", PASSWORD, ptz=True, quirks=quirks)
    async with VirtualFleet([camera], footage_folder, multicast=False) as fleet:
        yield fleet.devices[0]


@pytest.fixture
async def ask(device: VirtualDevice) -> AsyncIterator[Ask]:
    """Ask the device, signed in; answers the body."""
    spaces = " ".join(f'xmlns:{prefix}="{namespace}"' for prefix, namespace in NAMESPACES.items())
    numbers = iter(range(1000))
    async with ClientSession() as http:

        async def call(body: str, address: str = device.onvif_address) -> Element:
            token = login(nonce=f"{next(numbers):016}".encode())
            document = f"<s:Envelope {spaces}><s:Header>{token}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
            async with http.post(address, data=document.encode()) as response:
                answer: Element = fromstring(await response.read())
            found = answer.find("s:Body", NAMESPACES)
            assert found is not None
            return found[0]

        yield call


def asked(text: str) -> Request:
    spaces = " ".join(f'xmlns:{prefix}="{namespace}"' for prefix, namespace in NAMESPACES.items())
    body: Element = fromstring(f"<a {spaces}>{text}</a>")[0]
    prefix, name = text[1:].partition(">")[0].split(":")
    return Request(f"{prefix}:{name.removesuffix('/')}", body, None)


def test_a_head_turns_in_time_stops_and_finds_its_preset_again() -> None:
    head, now = PtzHead(), datetime(2026, 5, 1, tzinfo=UTC)
    head.answer(asked("<tptz:SetPreset><tptz:PresetName>门</tptz:PresetName></tptz:SetPreset>"), now)
    turn = '<tt:PanTilt x="0.5" y="-0.25"/>'
    head.answer(asked(f"<tptz:ContinuousMove><tptz:Velocity>{turn}</tptz:Velocity></tptz:ContinuousMove>"), now)
    later = now + timedelta(seconds=1)
    assert head.moving(later)
    head.answer(asked("<tptz:Stop/>"), later)
    assert head.position(later + timedelta(hours=1)) == Position(0.5, -0.25, 0.0)
    head.answer(asked("<tptz:GotoPreset><tptz:PresetToken>preset-1</tptz:PresetToken></tptz:GotoPreset>"), later)
    assert head.moving(later)
    assert head.position(later + timedelta(seconds=3)) == Position()
    assert not head.moving(later + timedelta(seconds=3))


@pytest.mark.parametrize(
    "text",
    [
        "<tptz:GotoPreset><tptz:PresetToken>none</tptz:PresetToken></tptz:GotoPreset>",
        '<tptz:AbsoluteMove><tptz:Position><tt:PanTilt x="2" y="0"/></tptz:Position></tptz:AbsoluteMove>',
        "<tptz:ContinuousMove/>",
    ],
)
def test_a_head_refuses_what_it_cannot_do(text: str) -> None:
    with pytest.raises(Fault):
        PtzHead().answer(asked(text), datetime(2026, 5, 1, tzinfo=UTC))


async def test_a_pull_point_begins_with_every_property_and_tells_what_changes(device: VirtualDevice, ask: Ask) -> None:
    events = device.device.events
    made = await ask("<tev:CreatePullPointSubscription/>")
    address = made.findtext("tev:SubscriptionReference/wsa:Address", "", NAMESPACES)
    pull = "<tev:PullMessages><tev:Timeout>PT5S</tev:Timeout><tev:MessageLimit>10</tev:MessageLimit></tev:PullMessages>"
    first = await ask(pull, address)
    assert len(first.findall("wsnt:NotificationMessage", NAMESPACES)) == 3
    events.set("motion", True)
    second = await ask(pull, address)
    assert [topic.text for topic in second.iter(f"{{{NAMESPACES['wsnt']}}}Topic")] == [
        "tns1:RuleEngine/CellMotionDetector/Motion"
    ]
    await ask("<wsnt:Unsubscribe/>", address)
    assert events.open == 0
    gone = await ask(pull, address)
    assert gone.findtext("s:Code/s:Subcode/s:Value", "", NAMESPACES) == "wsnt:ResourceUnknownFault"


@pytest.mark.parametrize("device", [Quirks(relative_times_refused=True)], indirect=True)
async def test_a_device_may_take_absolute_times_only(device: VirtualDevice, ask: Ask) -> None:
    relative = "<tev:InitialTerminationTime>PT60S</tev:InitialTerminationTime>"
    refused = await ask(f"<tev:CreatePullPointSubscription>{relative}</tev:CreatePullPointSubscription>")
    assert refused.tag.endswith("Fault")
    until = (datetime.now(UTC) + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    absolute = f"<tev:InitialTerminationTime>{until}</tev:InitialTerminationTime>"
    made = await ask(f"<tev:CreatePullPointSubscription>{absolute}</tev:CreatePullPointSubscription>")
    assert made.findtext("tev:SubscriptionReference/wsa:Address", "", NAMESPACES)


async def test_a_clock_is_set_by_hand(device: VirtualDevice, ask: Ask) -> None:
    device.device.clock_offset = timedelta(seconds=20)
    now = datetime.now(UTC)
    date = f"<tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date>"
    time = f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
    await ask(
        "<tds:SetSystemDateAndTime><tds:DateTimeType>Manual</tds:DateTimeType><tds:DaylightSavings>false"
        f"</tds:DaylightSavings><tds:UTCDateTime><tt:Time>{time}</tt:Time>{date}</tds:UTCDateTime>"
        "</tds:SetSystemDateAndTime>"
    )
    assert abs(device.device.clock_offset) < timedelta(seconds=3)


async def test_imaging_is_changed_within_its_range(device: VirtualDevice, ask: Ask) -> None:
    def wanted(level: int) -> str:
        return (
            "<timg:SetImagingSettings><timg:VideoSourceToken>vs</timg:VideoSourceToken><timg:ImagingSettings>"
            f"<tt:Brightness>{level}</tt:Brightness></timg:ImagingSettings></timg:SetImagingSettings>"
        )

    assert (await ask(wanted(70))).tag.endswith("SetImagingSettingsResponse")
    assert (await ask(wanted(101))).tag.endswith("Fault")
    assert device.device.imaging.levels["Brightness"] == 70
