"""Records of the grid staff (网格员): what is checked before one is kept, and their phone numbers, sealed at rest.

A phone number is personal: it stands in no list, log, error or audit row, and is shown whole only where it is asked
for by whoever may call people out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.refusals import Refusal
from gateway.storage.tables.dispatch import GridStaffRow
from gateway.storage.vault import Vault

POST_NAMES: Mapping[str, str] = {
    "grid_manager": "网格管理员",
    "fulltime_grid_member": "专职网格员",
    "micro_grid_informant": "微网格信息员",
}
MOST_GRIDS = 200
_PHONE = re.compile(r"\+?[0-9][0-9 -]{4,18}[0-9]")


def checked_phone(text: str) -> str:
    """The number without its spaces; refuses what is none, without repeating it."""
    if _PHONE.fullmatch(text.strip()) is None:
        raise Refusal(
            "invalid",
            "phone_invalid",
            "电话应为 6 至 20 位数字，可带 + 与连字符。",
            "A phone number has 6 to 20 digits, with + and hyphens if need be.",
            field="phone",
        )
    return text.strip().replace(" ", "")


def masked(phone: str) -> str:
    """``990****0123``: enough to tell two apart by, too little to call."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 11 else f"****{phone[-2:]}"


def seal_phone(row: GridStaffRow, phone: str | None, vault: Vault) -> None:
    row.sealed_phone = vault.seal(phone, row.id) if phone else None


def phone_of(row: GridStaffRow, vault: Vault) -> str | None:
    return vault.open(row.sealed_phone, row.id) if row.sealed_phone else None


@dataclass(frozen=True, slots=True)
class Leave:
    """``since`` None: not on leave; ``until`` None: until further notice."""

    since: datetime | None
    until: datetime | None

    def check(self) -> None:
        if self.until is not None and (self.since is None or self.until <= self.since):
            raise Refusal(
                "invalid",
                "leave_unfit",
                "休假结束须晚于开始。",
                "A leave has a beginning, and ends after it.",
                field="leave_until",
            )
