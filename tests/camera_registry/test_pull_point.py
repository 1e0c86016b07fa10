"""Pull points by the specification: what a message means, what a device may refuse, and what it may want echoed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from lxml import etree

from camera_registry.errors import CameraRefused
from camera_registry.login import Login
from camera_registry.onvif_session import OnvifSession, SessionFacts, Unsupported
from camera_registry.pull_point import RENEW_AFTER, DeviceEvent, PullPoint, event_of
from camera_registry.soap_call import SPACES
from gateway.virtual import soap

if TYPE_CHECKING:
    from tests.camera_registry.conftest import OneDevice


def message(topic: str, items: str, *, operation: str = "Changed", utc: str = "2030-01-07T09:00:00.1234567Z") -> object:
    spaces = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in SPACES.items())
    return etree.fromstring(
        f'<wsnt:NotificationMessage {spaces}><wsnt:Topic Dialect="x">{topic}</wsnt:Topic><wsnt:Message>'
        f'<tt:Message UtcTime="{utc}" PropertyOperation="{operation}"><tt:Source><tt:SimpleItem Name="S" Value="vs"/>'
        f"</tt:Source><tt:Data>{items}</tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>"
    )


def item(name: str, value: str) -> str:
    return f'<tt:SimpleItem Name="{name}" Value="{value}"/>'


@pytest.mark.parametrize(
    ("topic", "items", "kind", "state"),
    [
        ("tns1:RuleEngine/CellMotionDetector/Motion", item("IsMotion", "true"), "motion", True),
        (" tns1:VideoSource/MotionAlarm ", item("State", "0"), "motion", False),
        ("tns1:RuleEngine/tnsaxis:MotionRegionDetector/Motion", item("State", "1"), "motion", True),
        ("tns1:RuleEngine/TamperDetector/Tamper", item("IsTamper", "True"), "tamper", True),
        ("tns1:VideoSource/GlobalSceneChange/AnalyticsService", item("State", "false"), "tamper", False),
        ("tns1:VideoSource/ImageTooDark/ImagingService", item("State", "true"), "tamper", True),
        ("tns1:Device/Trigger/DigitalInput", item("LogicalState", "active"), "digital_input", True),
        ("tns1:Device/Trigger/DigitalInput", item("LogicalState", "?"), "digital_input", None),
    ],
)
def test_a_topic_says_what_it_means(topic: str, items: str, kind: str, state: bool | None) -> None:
    event = event_of(message(topic, items))
    assert event is not None
    assert (event.kind, event.state, event.source, event.initial) == (kind, state, "vs", False)
    assert event.at == datetime(2030, 1, 7, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "topic", ["tns1:Device/Trigger/DigitalInputs", "tns1:Monitoring/ProcessorUsage", "", "a" * 999]
)
def test_other_topics_mean_nothing(topic: str) -> None:
    assert event_of(message(topic, item("State", "true"))) is None


@pytest.mark.parametrize("utc", ["", "now", "9999-99-99T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_an_impossible_time_is_left_out(utc: str) -> None:
    event = event_of(message("tns1:VideoSource/MotionAlarm", item("State", "1"), utc=utc, operation="Initialized"))
    assert event == DeviceEvent("motion", "VideoSource/MotionAlarm", True, "vs", None, True)


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.integration
@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize("offset", [0.0, -7200.0])
async def test_events_come_and_a_lost_subscription_is_made_anew(
    one_device: OneDevice, login: Login, refused: bool, offset: float
) -> None:
    async with one_device(relative_times_refused=refused, clock_offset=offset) as device:
        session = OnvifSession(device.onvif_address, login, now, request_seconds=15.0)
        async with session:
            await session.read_clock()
            await session.find_services()
            point = PullPoint(session)
            await point.create()
            first = await point.pull()
            assert {(event.kind, event.state, event.initial) for event in first} == {
                ("motion", False, True), ("tamper", False, True), ("digital_input", False, True),
            }  # fmt: skip
            device.device.events.set("motion", True)
            (moved,) = await point.pull()
            assert (moved.kind, moved.state, moved.initial) == ("motion", True, False)
            await point.synchronise()
            assert ("motion", True) in {(event.kind, event.state) for event in await point.pull()}
            device.device.events.forget_all()
            with pytest.raises(Unsupported):
                await point.pull()
            await point.create()
            assert len(await point.pull()) == 3
            await point.end()
            assert device.device.events.open == 0
            assert device.device.logins.refused == 0


@pytest.mark.integration
async def test_a_subscription_is_renewed_before_it_ends(one_device: OneDevice, login: Login) -> None:
    later = timedelta()
    async with (
        one_device() as device,
        OnvifSession(device.onvif_address, login, lambda: now() + later, request_seconds=15.0) as session,
    ):
        await session.read_clock()
        await session.find_services()
        point = PullPoint(session)
        await point.create()
        await point.pull()
        asked = device.device.requests
        later = RENEW_AFTER  # by our clock half of its life is over
        session.clock_offset = -later  # by the camera's it is not
        device.device.events.set("tamper", True)
        (event,) = await point.pull()
        assert event.kind == "tamper"
        assert device.device.requests == asked + 2  # Renew and PullMessages


async def test_what_a_device_wants_echoed_is_echoed_and_its_address_is_repaired(
    login: Login,
) -> None:
    heard: list[bytes] = []

    async def door(request: web.Request) -> web.Response:
        content = await request.read()
        heard.append(content)
        if b"CreatePullPointSubscription" in content:
            body = (
                '<tev:CreatePullPointSubscriptionResponse xmlns:w="http://www.w3.org/2005/08/addressing">'
                "<tev:SubscriptionReference><w:Address>http://0.0.0.0:1/sub</w:Address><w:ReferenceParameters>"
                '<x:Id xmlns:x="urn:vendor">7</x:Id></w:ReferenceParameters></tev:SubscriptionReference>'
                "</tev:CreatePullPointSubscriptionResponse>"
            )
        else:
            body = "<tev:PullMessagesResponse/>"
        return web.Response(body=soap.envelope(body), headers={"Content-Type": soap.MEDIA_TYPE})

    app = web.Application()
    app.router.add_post("/{path:.*}", door)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/onvif/events"
    try:
        known = SessionFacts({SPACES["tev"]: address}, timedelta())
        async with OnvifSession(address, login, now, known=known) as session:
            point = PullPoint(session)
            await point.create()
            assert await point.pull() == ()
    finally:
        await runner.cleanup()
    pulled = etree.fromstring(heard[-1])
    (echoed,) = pulled.findall("s:Header/{urn:vendor}Id", SPACES)
    assert (echoed.text, echoed.get(f"{{{SPACES['a']}}}IsReferenceParameter")) == ("7", "true")
    assert pulled.findtext("s:Header/a:To", "", SPACES) == address.replace("/onvif/events", "/sub")
    assert pulled.findtext("s:Header/a:Action", "", SPACES).endswith("PullPointSubscription/PullMessagesRequest")


async def test_a_device_without_events_says_so(login: Login) -> None:
    async with OnvifSession("http://127.0.0.1:9/onvif/device_service", login, now) as session:
        with pytest.raises(CameraRefused, match="events_refused"):
            await PullPoint(session).create()


@pytest.mark.integration
async def test_a_clock_that_is_set_while_we_listen_costs_one_question_and_no_login(
    one_device: OneDevice, login: Login
) -> None:
    async with (
        one_device(clock_offset=-7200.0) as camera,
        OnvifSession(camera.onvif_address, login, lambda: datetime.now(UTC)) as session,
    ):
        await session.read_clock()
        await session.find_services()
        point = PullPoint(session)
        await point.create()
        camera.device.clock_offset = timedelta(seconds=1)
        await point.create()  # the old subscription ended with the old time
        assert session.wrong_logins == 0
        assert session.clock_offset is not None
        assert abs(session.clock_offset) < timedelta(seconds=5)
