"""The one way in which the gateway says no: a reason code, a sentence in Chinese and in English, the field at fault.

A refusal changes nothing. The HTTP doors turn it into RFC 9457 problem details; the CLI prints it.
"""

from __future__ import annotations

from typing import Literal

RefusalKind = Literal[
    "invalid", "unauthenticated", "forbidden", "not_found", "conflict", "too_large", "too_many", "unavailable"
]


class Refusal(Exception):
    """``reason`` is stable and for machines (``camera_code_taken``); ``zh`` and ``en`` tell an operator what to do.
    ``about``: the id of what stands in the way, where that can be asked for."""

    def __init__(
        self, kind: RefusalKind, reason: str, zh: str, en: str, *, field: str | None = None, about: str | None = None
    ) -> None:
        super().__init__(f"{reason}: {en}")
        self.kind: RefusalKind = kind
        self.reason = reason
        self.zh = zh
        self.en = en
        self.field = field
        self.about = about
