"""The imaging service of a virtual camera (ONVIF Imaging): levels, IR cut filter, wide dynamic range."""

from __future__ import annotations

from datetime import datetime

from gateway.virtual.soap import NAMESPACES, Fault, Request

_LEVELS = ("Brightness", "ColorSaturation", "Contrast", "Sharpness")
_FILTERS = ("ON", "OFF", "AUTO")


class Imaging:
    def __init__(self) -> None:
        self.levels: dict[str, float] = dict.fromkeys(_LEVELS, 50.0)
        self.ir_cut_filter = "AUTO"
        self.wide_dynamic_range, self.wide_level = "OFF", 50.0

    def answer(self, request: Request, _now: datetime) -> str | None:
        """None for what the service does not know. Raises ``Fault``."""
        match request.operation:
            case "timg:GetServiceCapabilities":
                return "<timg:GetServiceCapabilitiesResponse><timg:Capabilities/></timg:GetServiceCapabilitiesResponse>"
            case "timg:GetImagingSettings":
                self._require_source(request)
                return f"<timg:GetImagingSettingsResponse>{self._settings()}</timg:GetImagingSettingsResponse>"
            case "timg:GetOptions":
                self._require_source(request)
                return f"<timg:GetOptionsResponse>{_options()}</timg:GetOptionsResponse>"
            case "timg:SetImagingSettings":
                self._require_source(request)
                self._set(request)
                return "<timg:SetImagingSettingsResponse/>"
            case _:
                return None

    def _require_source(self, request: Request) -> None:
        if request.text("timg:VideoSourceToken") != "vs":
            raise Fault("ter:NoSource", "The requested video source does not exist")

    def _set(self, request: Request) -> None:
        wanted = request.body.find("timg:ImagingSettings", NAMESPACES)
        if wanted is None:
            raise Fault("ter:InvalidArgVal", "no settings")
        levels = dict(self.levels)
        try:
            for name in _LEVELS:
                if (told := wanted.findtext(f"tt:{name}", None, NAMESPACES)) is not None:
                    levels[name] = float(told)
        except ValueError as error:
            raise Fault("ter:SettingsInvalid", "not a number") from error
        ir_cut_filter = wanted.findtext("tt:IrCutFilter", self.ir_cut_filter, NAMESPACES)
        wide = wanted.find("tt:WideDynamicRange", NAMESPACES)
        mode, wide_level = self.wide_dynamic_range, self.wide_level
        if wide is not None:
            mode = wide.findtext("tt:Mode", "", NAMESPACES)
            wide_level = float(wide.findtext("tt:Level", str(wide_level), NAMESPACES))
        if mode not in ("ON", "OFF") or not 0 <= wide_level <= 100:
            raise Fault("ter:SettingsInvalid", "no such wide dynamic range")
        if ir_cut_filter not in _FILTERS or any(not 0 <= level <= 100 for level in levels.values()):
            raise Fault("ter:SettingsInvalid", "out of range")
        self.levels, self.ir_cut_filter = levels, ir_cut_filter
        self.wide_dynamic_range, self.wide_level = mode, wide_level

    def _settings(self) -> str:
        told = {**{name: f"{level:g}" for name, level in self.levels.items()}, "IrCutFilter": self.ir_cut_filter}
        inside = "".join(f"<tt:{name}>{told[name]}</tt:{name}>" for name in sorted(told))
        wide = f"<tt:Mode>{self.wide_dynamic_range}</tt:Mode><tt:Level>{self.wide_level:g}</tt:Level>"
        wide = f"<tt:WideDynamicRange>{wide}</tt:WideDynamicRange>"
        return f"<timg:ImagingSettings>{inside}{wide}</timg:ImagingSettings>"


def _options() -> str:
    level = "<tt:Min>0</tt:Min><tt:Max>100</tt:Max>"
    modes = "".join(f"<tt:IrCutFilterModes>{mode}</tt:IrCutFilterModes>" for mode in _FILTERS)
    wide = f"<tt:Mode>ON</tt:Mode><tt:Mode>OFF</tt:Mode><tt:Level>{level}</tt:Level>"
    wide = f"<tt:WideDynamicRange>{wide}</tt:WideDynamicRange>"
    inside = "".join(f"<tt:{name}>{level}</tt:{name}>" for name in ("Brightness", "ColorSaturation", "Contrast"))
    return f"<timg:ImagingOptions>{inside}{modes}<tt:Sharpness>{level}</tt:Sharpness>{wide}</timg:ImagingOptions>"
