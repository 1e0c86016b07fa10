"""The imaging service of a virtual camera (ONVIF Imaging): brightness and its like, and the IR cut filter."""

from __future__ import annotations

from datetime import datetime

from gateway.virtual.soap import NAMESPACES, Fault, Request

_LEVELS = ("Brightness", "ColorSaturation", "Contrast", "Sharpness")
_FILTERS = ("ON", "OFF", "AUTO")


class Imaging:
    def __init__(self) -> None:
        self.levels: dict[str, float] = dict.fromkeys(_LEVELS, 50.0)
        self.ir_cut_filter = "AUTO"

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
        if ir_cut_filter not in _FILTERS or any(not 0 <= level <= 100 for level in levels.values()):
            raise Fault("ter:SettingsInvalid", "out of range")
        self.levels, self.ir_cut_filter = levels, ir_cut_filter

    def _settings(self) -> str:
        told = {**{name: f"{level:g}" for name, level in self.levels.items()}, "IrCutFilter": self.ir_cut_filter}
        inside = "".join(f"<tt:{name}>{told[name]}</tt:{name}>" for name in sorted(told))
        return f"<timg:ImagingSettings>{inside}</timg:ImagingSettings>"


def _options() -> str:
    level = "<tt:Min>0</tt:Min><tt:Max>100</tt:Max>"
    modes = "".join(f"<tt:IrCutFilterModes>{mode}</tt:IrCutFilterModes>" for mode in _FILTERS)
    inside = "".join(f"<tt:{name}>{level}</tt:{name}>" for name in ("Brightness", "ColorSaturation", "Contrast"))
    return f"<timg:ImagingOptions>{inside}{modes}<tt:Sharpness>{level}</tt:Sharpness></timg:ImagingOptions>"
