"""The tables, one module for each room. ``metadata()`` is the whole schema, as migrations and tests compare it."""

from __future__ import annotations

import importlib
import pkgutil

from sqlalchemy import MetaData

from gateway.storage.tables.base import Base


def metadata() -> MetaData:
    """The schema with every table module loaded; a new module needs no list to be entered in."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return Base.metadata
