"""What a camera record (一机一档) says beside code and place: the tables of its fields, and their check. Pure.

The values are those of the catalogue items of GB/T 28181 (PTZType, PositionType, RoomType, UseType, SupplyLightType,
Secrecy). National tables differ by year, so they are data with a version.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from camera_registry.errors import CameraRefused, Reason

RECORD_TABLE_VERSION = "GB/T 28181-2022"

TABLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "structure": {"1": "球机", "2": "半球", "3": "固定枪机", "4": "遥控枪机"},
        "position_type": {
            "1": "省际检查站", "2": "党政机关", "3": "车站码头", "4": "中心广场", "5": "体育场馆",
            "6": "商业中心", "7": "宗教场所", "8": "校园周边", "9": "治安复杂区域", "10": "交通干线",
        },
        "room_type": {"1": "室外", "2": "室内"},
        "use_type": {"1": "治安", "2": "交通", "3": "重点"},
        "fill_light": {"1": "无补光", "2": "红外补光", "3": "白光补光", "4": "激光补光", "9": "其他"},
        "confidentiality": {"0": "不涉密", "1": "涉密"},
    }
)  # fmt: skip
"""Field → value → its name."""

LONGEST_UNIT = 100
_DIVISION = re.compile(r"[0-9]{6}(?:[0-9]{3}){0,2}")


def _refused(field: str, zh: str, en: str) -> CameraRefused:
    return CameraRefused(Reason(f"{field}_invalid", zh, en), field=field)


@dataclass(frozen=True, slots=True)
class Description:
    """An empty text: not known. ``bearing``: where it looks, degrees clockwise from north, 0 up to 360.

    ``division``: 6, 9 or 12 digits of the statistical division code. Raises ``CameraRefused`` with the field at fault.
    """

    owner_unit: str = ""
    division: str = ""
    structure: str = ""
    position_type: str = ""
    room_type: str = ""
    use_type: str = ""
    fill_light: str = ""
    bearing: float | None = None
    confidentiality: str = ""

    def __post_init__(self) -> None:
        for name, table in TABLES.items():
            value = getattr(self, name)
            if value and value not in table:
                known = "、".join(f"{key} {said}" for key, said in table.items())
                raise _refused(name, f"应为：{known}。", f"It is one of {', '.join(table)}.")
        if self.division and _DIVISION.fullmatch(self.division) is None:
            raise _refused("division", "行政区划代码应为 6、9 或 12 位数字。", "A division code has 6, 9 or 12 digits.")
        if self.bearing is not None and not (math.isfinite(self.bearing) and 0 <= self.bearing < 360):
            raise _refused(
                "bearing", "朝向应为 0 至 360 度（不含 360）。", "The bearing lies from 0 up to 360 degrees."
            )
        if len(self.owner_unit) > LONGEST_UNIT or not self.owner_unit.isprintable():
            raise _refused("owner_unit", "所属单位不得超过 100 字。", "The owner's name has at most 100 characters.")
