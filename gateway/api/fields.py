"""Kinds of fields that many doors share: what a text or a time must be, whichever database keeps it.

PostgreSQL keeps no NUL, and a line break in a name breaks every list, header and log it is put into; times at the very
ends of the calendar cannot be converted to UTC. So both are refused at the door, with the field named.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

_BREAKS = frozenset("\n\r\t")
_OTHER_BREAKS = frozenset("\u2028\u2029")
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)


def _one_line(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" or character in _OTHER_BREAKS for character in text):
        raise ValueError("不得含有换行或控制字符 no line breaks or control characters")
    return text


def _plain(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" and character not in _BREAKS for character in text):
        raise ValueError("不得含有控制字符 no control characters")
    return text


def _in_calendar(moment: datetime) -> datetime:
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("时间应在 1900 年至 9000 年之间 a time lies between the years 1900 and 9000")
    return moment


one_line = AfterValidator(_one_line)
"""On a name, a title, an address: one line, without control characters."""

plain_text = AfterValidator(_plain)
"""On what somebody wrote: lines and tabs, no other control characters."""

Moment = Annotated[AwareDatetime, AfterValidator(_in_calendar)]
"""A time with its zone that can be said in UTC."""
