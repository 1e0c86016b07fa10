"""How an MQTT receiver is written to: topics, the form of CloudEvents, how its broker is trusted."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

FIELDS = ("platform", "department", "type", "kind", "no", "class_code", "hazard", "grid", "state", "colour")
"""What may stand in braces in a topic. ``type`` is the CloudEvents type, ``kind`` its last word; ``department`` falls
back to the platform."""
_LONGEST_PART = 64
_WILD = str.maketrans({"+": "_", "#": "_", "/": "_", "$": "_", "\x00": "_"})


def _checked_topic(template: str) -> str:
    try:
        parts = list(Formatter().parse(template))
    except ValueError:
        raise ValueError("花括号不成对 braces do not match") from None
    for text, name, form, conversion in parts:
        if name is not None and (name not in FIELDS or form or conversion):
            raise ValueError(f"只能使用 only these fields may stand in braces: {', '.join(FIELDS)}")
        if any(mark in text for mark in "+#\x00"):
            raise ValueError("主题中不得有通配符 + # no wildcards + # in a topic")
    if not template or template.startswith(("/", "$")) or "//" in template or template.endswith("/"):
        raise ValueError("主题的每一级都不能为空，且不以 $ 开头 no empty level, no $ at the start")
    return template


def _checked_authority(pem: str) -> str:
    if pem:
        try:
            ssl.create_default_context().load_verify_locations(cadata=pem)
        except (ssl.SSLError, ValueError):
            raise ValueError("不是 PEM 格式的证书 not certificates in PEM form") from None
    return pem


Topic = Annotated[str, Field(max_length=300), AfterValidator(_checked_topic)]


class MqttOptions(BaseModel):
    """``authority``: PEM certificates trusted for this broker instead of the system's; ``pin``: the SHA-256 of the
    broker's own certificate, which alone is trusted then."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: Topic = Field(default="gateway/{platform}/{kind}/{no}", description="Topic of each message.")
    status_topic: Topic = Field(
        default="gateway/{platform}/status", description="Holds, retained, `online` or, as the will, `offline`."
    )
    mode: Literal["structured", "binary"] = Field(
        default="structured", description="CloudEvents in one JSON, or its attributes as MQTT 5 user properties."
    )
    username: str = Field(default="", max_length=200)
    authority: Annotated[str, Field(max_length=30_000), AfterValidator(_checked_authority)] = ""
    pin: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")


def filled(template: str, values: Mapping[str, Any]) -> str:
    """The topic with its fields; a value's own slashes and wildcards make no levels, an empty one is ``-``."""
    fields = {name: str(values.get(name) or "-").translate(_WILD)[:_LONGEST_PART] for name in FIELDS}
    return template.format_map(fields)


def topic_values(type_: str, platform: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """What a message says about itself in its topic."""
    values = {name: data.get(name) for name in FIELDS}
    return values | {
        "type": type_,
        "kind": type_.rpartition(".")[2],
        "platform": platform,
        "department": data.get("department") or platform,
        "colour": data.get("warning_colour"),
    }
