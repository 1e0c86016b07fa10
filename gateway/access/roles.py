"""The roles, and which of them one person may hold together.

The three administrators are mutually exclusive (三员分立): whoever sets the system up neither gives rights nor reads
the audit, and none of the three takes part in the business.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.refusals import Refusal

ADMINISTRATORS = frozenset({"system_admin", "security_admin", "audit_admin"})
BUSINESS = frozenset(
    {"duty_officer", "duty_leader", "dispatcher", "commander", "department", "grid_member", "checker", "machine"}
)
ALL_ROLES = ADMINISTRATORS | BUSINESS
GUEST = "room_guest"
"""Held by whoever came into one room by a link; given to no user by hand, and mixed with no other role."""


def checked_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """The roles in order and without repeats; refuses unknown, missing and excluding ones."""
    held = frozenset(roles)
    unknown = sorted(held - ALL_ROLES)
    if unknown:
        raise Refusal(
            "invalid", "role_unknown", f"没有角色“{unknown[0]}”。", f"There is no role {unknown[0]!r}.", field="roles"
        )
    if not held:
        raise Refusal("invalid", "role_missing", "至少需要一个角色。", "At least one role is needed.", field="roles")
    if held & ADMINISTRATORS and len(held) > 1:
        raise Refusal(
            "invalid",
            "roles_exclude_each_other",
            "系统、安全、审计管理员相互独立，也不得兼任业务角色。",
            "System, security and audit administrators exclude each other and hold no other role.",
            field="roles",
        )
    return tuple(sorted(held))
