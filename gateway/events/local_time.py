"""The time by which a city works. Asia/Shanghai has kept UTC+8 without summer time since 1991; no zone table needed."""

from __future__ import annotations

from datetime import timedelta, timezone

LOCAL_TIME = timezone(timedelta(hours=8), "Asia/Shanghai")
