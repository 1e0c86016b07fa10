"""The 20-digit camera code of GB/T 28181 (annex on unified coding): centre, industry, type, network, serial.

Given at registration and never changed. What ONVIF calls itself is only local; this code is what other platforms know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from camera_registry.errors import CameraRefused, Reason

CODE_TABLE_VERSION = "GB/T 28181-2022"

INDUSTRIES: Mapping[str, str] = MappingProxyType(
    {
        "00": "社会治安路面接入",
        "01": "社会治安社区接入",
        "02": "社会治安内部接入",
        "03": "社会治安其他接入",
        "04": "交通路面接入",
        "05": "交通卡口接入",
        "06": "交通内部接入",
        "07": "交通其他接入",
        "08": "城市管理接入",
        "09": "卫生环保接入",
        "10": "商检海关接入",
        "11": "教育部门接入",
    }
)
TYPES: Mapping[str, str] = MappingProxyType({"131": "摄像机", "132": "网络摄像机"})
NETWORKS: Mapping[str, str] = MappingProxyType(
    {"0": "公安视频传输网", "2": "行业专网", "3": "政法信息网", "6": "电子政务外网", "7": "互联网"}
)
MOST_SERIALS = 999_999
_DIGITS = re.compile(r"[0-9]{20}")


def _wrong(code: str, zh: str, en: str, field: str) -> CameraRefused:
    return CameraRefused(Reason(code, zh, en), field=field)


@dataclass(frozen=True, slots=True)
class CodeRange:
    """All of a code but its serial: whoever gives codes counts within one range."""

    centre: str
    industry: str = "08"
    type: str = "132"
    network: str = "2"

    def __post_init__(self) -> None:
        if re.fullmatch(r"[0-9]{8}", self.centre) is None:
            raise _wrong("centre_invalid", "中心编码应为 8 位数字。", "The centre code has 8 digits.", "centre")
        if self.industry not in INDUSTRIES:
            raise _wrong(
                "industry_unknown",
                f"没有行业编码“{self.industry}”。",
                f"There is no industry code {self.industry!r}.",
                "industry",
            )
        if self.type not in TYPES:
            raise _wrong(
                "type_not_a_camera",
                f"类型编码“{self.type}”不是摄像机（131、132）。",
                f"Type {self.type!r} is not a camera's (131, 132).",
                "type",
            )
        if self.network not in NETWORKS:
            raise _wrong(
                "network_unknown",
                f"没有网络标识“{self.network}”。",
                f"There is no network identifier {self.network!r}.",
                "network",
            )

    def __str__(self) -> str:
        return f"{self.centre}{self.industry}{self.type}{self.network}"

    def code(self, serial: int) -> CameraCode:
        return CameraCode(self, serial)


@dataclass(frozen=True, slots=True)
class CameraCode:
    """A whole code; ``str()`` gives the 20 digits. ``serial`` counts from 1."""

    range: CodeRange
    serial: int

    def __post_init__(self) -> None:
        if not 1 <= self.serial <= MOST_SERIALS:
            raise _wrong("serial_invalid", "序号应为 1 至 999999。", "The serial lies between 1 and 999999.", "serial")

    def __str__(self) -> str:
        return f"{self.range}{self.serial:06d}"

    @classmethod
    def parse(cls, text: str) -> CameraCode:
        """Raises ``CameraRefused`` that names the part at fault."""
        if _DIGITS.fullmatch(text) is None:
            raise _wrong("code_not_20_digits", "摄像机编码应为 20 位数字。", "A camera code has 20 digits.", "code")
        return cls(CodeRange(text[:8], text[8:10], text[10:13], text[13]), int(text[14:]))
