"""What goes wrong with a camera, as one typed error with a reason an operator can act on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """``code`` is stable and for machines; ``zh`` and ``en`` say what is wrong and what to do."""

    code: str
    zh: str
    en: str


class CameraRefused(Exception):
    """Something about a camera was refused or failed; ``field`` is the input at fault where there is one."""

    def __init__(self, reason: Reason, *, field: str | None = None, detail: str = "") -> None:
        super().__init__(f"{reason.code}: {reason.en} {detail}".strip())
        self.cause = reason
        self.field = field
        self.detail = detail
        """For the log, never with a secret in it."""

    @property
    def reason(self) -> str:
        return self.cause.code

    @property
    def zh(self) -> str:
        return self.cause.zh

    @property
    def en(self) -> str:
        return self.cause.en
