"""Identifiers of records: UUIDv7 (RFC 9562) in text form, so that they sort by the time they were made."""

from __future__ import annotations

from uuid_utils import uuid7


def new_id() -> str:
    """A fresh identifier, 36 characters."""
    return str(uuid7())
