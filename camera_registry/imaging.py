"""A camera's picture settings (ONVIF Imaging, ver20), as far as it offers them.

Levels (brightness, contrast, …) in the device's own units, and modes (infrared filter, wide dynamic range, backlight
compensation) among those it names. What it does not offer is not shown and not set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from camera_registry import reasons
from camera_registry.errors import CameraRefused
from camera_registry.onvif_session import OnvifSession, Unsupported
from camera_registry.soap_call import SPACES, element, find, text_at

LEVELS = {
    "brightness": "Brightness", "saturation": "ColorSaturation", "contrast": "Contrast", "sharpness": "Sharpness",
    "wide_dynamic_range_level": "WideDynamicRange/Level",
    "backlight_compensation_level": "BacklightCompensation/Level",
}  # fmt: skip
"""In our words, and the element of ``ImagingSettings20`` (and of its options) that holds it."""
MODES = {
    "ir_cut": ("IrCutFilter", "IrCutFilterModes", ("ON", "OFF", "AUTO")),
    "wide_dynamic_range": ("WideDynamicRange/Mode", "WideDynamicRange/Mode", ("ON", "OFF")),
    "backlight_compensation": ("BacklightCompensation/Mode", "BacklightCompensation/Mode", ("ON", "OFF")),
}
"""The element of the settings, that of the options, and the modes of the schema."""
_ORDER = (
    "BacklightCompensation", "Brightness", "ColorSaturation", "Contrast", "IrCutFilter", "Sharpness",
    "WideDynamicRange",
)  # fmt: skip
"""In which ``ImagingSettings20`` holds its elements; devices that check it refuse any other."""


@dataclass(frozen=True, slots=True)
class Level:
    """A setting the device offers, in its own units; ``value`` None where it does not tell."""

    value: float | None
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Mode:
    """``value``: empty where the device does not tell; ``offered``: what it may be set to."""

    value: str
    offered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImagingState:
    levels: Mapping[str, Level]
    modes: Mapping[str, Mode]


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
            least, most = (_number(text_at(options, f"{_path(told)}/tt:{end}")) for end in ("Min", "Max"))
            if least is not None and most is not None and least < most:
                levels[name] = Level(_number(text_at(settings, _path(told))), least, most)
        modes = {}
        for name, (told, offered_at, known) in MODES.items():
            offered = [] if options is None else options.iterfind(_path(offered_at), SPACES)
            said = {str(one.text or "").strip().upper() for one in offered}
            if fitting := tuple(mode for mode in known if mode in said):
                modes[name] = Mode(text_at(settings, _path(told)).upper()[:16], fitting)
        return ImagingState(levels, modes)

    async def change(self, levels: Mapping[str, float], modes: Mapping[str, str]) -> None:
        """Set what is given, for good. Refuses what the device does not offer: ``imaging_out_of_range``."""
        state = await self.state()
        for name, value in levels.items():
            level = state.levels.get(name)
            if level is None or not level.least <= value <= level.most:
                raise CameraRefused(reasons.IMAGING_OUT_OF_RANGE, field=name)
        for name, wanted in modes.items():
            if name not in state.modes or wanted not in state.modes[name].offered:
                raise CameraRefused(reasons.IMAGING_OUT_OF_RANGE, field=name)
        texts = {LEVELS[name]: f"{value:g}" for name, value in levels.items()}
        texts |= {MODES[name][0]: wanted for name, wanted in modes.items()}
        for name, (told, _, _) in MODES.items():
            # A level stands inside an element that must name the mode too.
            if f"{told.partition('/')[0]}/Level" in texts and told not in texts and name in state.modes:
                texts[told] = state.modes[name].value
        await self._ask(
            "SetImagingSettings",
            await self._source(),
            element("timg:ImagingSettings", *(_setting(name, texts) for name in _ORDER)),
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


def _path(told: str) -> str:
    """``WideDynamicRange/Level`` → ``tt:WideDynamicRange/tt:Level``."""
    return "/".join(f"tt:{part}" for part in told.split("/"))


def _setting(name: str, texts: Mapping[str, str]) -> Any:
    """One element of the settings; None where nothing of it is to change."""
    if name in texts:
        return element(f"tt:{name}", text=texts[name])
    inside = [part for part in ("Mode", "Level") if f"{name}/{part}" in texts]
    if not inside:
        return None
    return element(f"tt:{name}", *(element(f"tt:{part}", text=texts[f"{name}/{part}"]) for part in inside))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
