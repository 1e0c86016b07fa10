"""A camera's picture settings (ONVIF Imaging, ver20): brightness, contrast, saturation, sharpness, infrared filter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from camera_registry import reasons
from camera_registry.errors import CameraRefused
from camera_registry.onvif_session import OnvifSession, Unsupported
from camera_registry.soap_call import element, find, text_at

LEVELS = {"brightness": "Brightness", "saturation": "ColorSaturation", "contrast": "Contrast", "sharpness": "Sharpness"}
"""In our words and ONVIF's. In its schema the infrared filter stands before the sharpness."""
IR_CUT = ("ON", "OFF", "AUTO")


@dataclass(frozen=True, slots=True)
class Level:
    """A setting the device offers, in its own units; ``value`` None where it does not tell."""

    value: float | None
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class ImagingState:
    """``ir_cut``: empty where there is none; ``ir_cut_modes``: those the device offers."""

    levels: dict[str, Level]
    ir_cut: str
    ir_cut_modes: tuple[str, ...]


class Imaging:
    """The imaging service of the first video source. Raises ``CameraRefused``, ``imaging_refused`` for a fault."""

    def __init__(self, session: OnvifSession) -> None:
        self._session = session

    async def state(self) -> ImagingState:
        source = await self._source()
        settings = find(await self._ask("GetImagingSettings", source), "timg:ImagingSettings")
        options = find(await self._ask("GetOptions", source), "timg:ImagingOptions")
        levels = {}
        for name, told in LEVELS.items():
            least, most = (_number(text_at(options, f"tt:{told}/tt:{end}")) for end in ("Min", "Max"))
            if least is not None and most is not None and least < most:
                levels[name] = Level(_number(text_at(settings, f"tt:{told}")), least, most)
        modes = [] if options is None else [str(one.text or "") for one in options.iterfind("{*}IrCutFilterModes")]
        offered = tuple(mode for mode in IR_CUT if mode in modes)
        return ImagingState(levels, text_at(settings, "tt:IrCutFilter")[:16], offered)

    async def change(self, levels: dict[str, float], ir_cut: str | None) -> None:
        """Set what is given, for good. Refuses what the device does not offer: ``imaging_out_of_range``."""
        state = await self.state()
        for name, value in levels.items():
            level = state.levels.get(name)
            if level is None or not level.least <= value <= level.most:
                raise CameraRefused(reasons.IMAGING_OUT_OF_RANGE, field=name)
        if ir_cut is not None and ir_cut not in state.ir_cut_modes:
            raise CameraRefused(reasons.IMAGING_OUT_OF_RANGE, field="ir_cut")
        parts = {f"tt:{LEVELS[name]}": f"{value:g}" for name, value in levels.items()}
        parts |= {} if ir_cut is None else {"tt:IrCutFilter": ir_cut}
        order = ("tt:Brightness", "tt:ColorSaturation", "tt:Contrast", "tt:IrCutFilter", "tt:Sharpness")
        settings = [element(name, text=parts[name]) for name in order if name in parts]
        await self._ask(
            "SetImagingSettings",
            await self._source(),
            element("timg:ImagingSettings", *settings),
            element("timg:ForcePersistence", text="true"),
        )

    async def _source(self) -> str:
        try:
            answer = await self._session.ask("trt", element("trt:GetVideoSources"))
            found = find(answer, "trt:VideoSources")
            token = "" if found is None else str(found.get("token", ""))
        except Unsupported:
            try:
                answer = await self._session.ask("tr2", element("tr2:GetVideoSourceConfigurations"))
            except Unsupported as error:
                raise CameraRefused(reasons.IMAGING_REFUSED, detail=str(error)) from error
            token = text_at(answer, "tr2:Configurations/tt:SourceToken")
        if not token:
            raise CameraRefused(reasons.IMAGING_REFUSED, detail="no video source")
        return token

    async def _ask(self, operation: str, source: str, *parts: Any) -> Any:
        body = element(f"timg:{operation}", element("timg:VideoSourceToken", text=source), *parts)
        try:
            return await self._session.ask("timg", body)
        except Unsupported as error:
            raise CameraRefused(reasons.IMAGING_REFUSED, detail=str(error)) from error


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
