"""The page ``docs/settings.md``: every setting with its variable, first value and meaning, made from the types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.settings import Settings

HEAD = """\
# 设置 · Settings

由 `gateway settings` 生成，请勿手改。写在工作目录的 `gateway.toml` 中，或用环境变量设置；环境变量优先。
错误的值会被拒绝，并指明字段。
Made by `gateway settings`. Settings stand in `gateway.toml` of the working directory or in environment variables, which
win. A wrong value is refused with its field named.

| gateway.toml | 环境变量 variable | 初值 first value | 说明 meaning |
|---|---|---|---|
"""


def settings_page() -> str:
    """The whole page, ending with a line end."""
    return HEAD + "".join(_rows(Settings, ()))


def _rows(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        here = (*path, name)
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            yield from _rows(part, here)
            continue
        variable = "GATEWAY_" + "__".join(here).upper()
        yield f"| `{'.'.join(here)}` | `{variable}` | {_value(field)} | {field.description or ''} |\n"


def _value(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=False)
    if value is None or value == ():
        return "–"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{value.as_posix() if isinstance(value, Path) else value}`"
