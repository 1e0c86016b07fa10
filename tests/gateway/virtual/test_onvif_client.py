"""The virtual camera asked by another ONVIF client (onvif-zeep-async), which holds answers to the standard's WSDL."""

from __future__ import annotations

from pathlib import Path

import onvif
import pytest
from onvif import ONVIFCamera

from gateway.virtual import RenderedFootage, VirtualCamera, VirtualFleet

pytestmark = pytest.mark.integration

SECRET = "made-for-this-test"
SMALL = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
WSDL = Path(onvif.__file__).parent / "wsdl"


async def test_its_answers_are_those_of_the_standards_descriptions(tmp_path: Path) -> None:
    camera = VirtualCamera("东门", SMALL, "viewer", SECRET, ptz=True)
    async with VirtualFleet([camera], tmp_path, multicast=False) as fleet:
        device = fleet.devices[0]
        host, _, port = device.onvif_address.split("/")[2].partition(":")
        client = ONVIFCamera(host, int(port), "viewer", SECRET, wsdl_dir=str(WSDL))
        try:
            await client.update_xaddrs()
            management = await client.create_devicemgmt_service()
            told = await management.GetDeviceInformation()
            assert (told.Manufacturer, told.Model) == ("Virtual Camera Works", "VC-2000")
            clock = await management.GetSystemDateAndTime()
            assert clock.UTCDateTime.Date.Year >= 2024
            media = await client.create_media_service()
            profiles = await media.GetProfiles()
            assert profiles[0].VideoEncoderConfiguration.Resolution.Width == 320
            setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
            asked = {"StreamSetup": setup, "ProfileToken": profiles[0].token}
            assert (await media.GetStreamUri(asked)).Uri == device.rtsp_url
            imaging = await client.create_imaging_service()
            settings = await imaging.GetImagingSettings({"VideoSourceToken": "vs"})
            assert (settings.Brightness, settings.WideDynamicRange.Mode) == (50.0, "OFF")
            head = await client.create_ptz_service()
            assert (await head.GetStatus({"ProfileToken": profiles[0].token})).Position.PanTilt.x == 0.0
        finally:
            await client.close()
