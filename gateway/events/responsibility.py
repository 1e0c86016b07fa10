"""Whose an event is, as its record keeps it: by a rule, by the hub's duty post, or as a dispatcher chose."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.grid.dispatch import Responsible


class ResponsibleShown(BaseModel):
    """Who is responsible, and why. ``department``: a platform; ``assignee``: the person's account or name."""

    model_config = ConfigDict(from_attributes=True)

    department: str
    department_name: str
    assignee: str | None = None
    staff_name: str | None = None
    basis: str = Field(description="rule, fallback, hub (no rule fits) or hand (a dispatcher chose)")
    rule_number: int | None = None
    zh: str
    en: str


def kept(found: Responsible) -> dict[str, Any]:
    return asdict(found)


def chosen(department: str, name: str, assignee: str | None, operator: str) -> dict[str, Any]:
    """A dispatcher sent it elsewhere than the rules propose."""
    return asdict(
        Responsible(
            department=department,
            department_name=name,
            basis="hand",
            zh=f"由 {operator} 指定。",
            en=f"chosen by {operator}",
            assignee=assignee,
        )
    )
