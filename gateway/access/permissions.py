"""What each role may do: one table, read by the guard of the HTTP doors.

A permission names a door's verb, ``resource.verb``. What a role may do *inside* an open door, such as which step of
an event, is decided by the state machine there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gateway.access.roles import ALL_ROLES, BUSINESS, GUEST

_WATCH = frozenset({"duty_officer", "duty_leader", "dispatcher", "commander", "checker", "machine"})
_DUTY = frozenset({"duty_officer", "duty_leader", "machine"})
_SET_UP = frozenset({"system_admin", "duty_leader", "machine"})
_ROOMS = frozenset({"duty_officer", "duty_leader", "dispatcher", "commander", "machine"})

PERMISSIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "session.own": ALL_ROLES,
        "platforms.read": ALL_ROLES,
        "grids.read": ALL_ROLES,
        "grids.write": frozenset({"system_admin", "machine"}),
        "staff.read": _WATCH | {"department", "system_admin"},
        "staff.write": _SET_UP,
        "staff.phone": _DUTY | {"dispatcher", "commander"},
        "dispatch.read": _WATCH | {"department", "system_admin"},
        "dispatch.write": _SET_UP,
        "users.read": frozenset({"security_admin"}),
        "users.write": frozenset({"security_admin"}),
        "audit.read": frozenset({"audit_admin"}),
        "grants.ask": _WATCH | {"department", "grid_member"},
        "cameras.read": BUSINESS | {"system_admin"},
        "cameras.write": _SET_UP,
        "cameras.discover": _SET_UP,
        "credentials.read": _SET_UP,
        "credentials.write": frozenset({"system_admin", "machine"}),
        "cameras.steer": _DUTY | {"commander"},
        "cameras.talk": _DUTY | {"commander"},
        "rules.read": _WATCH | {"system_admin"},
        "rules.write": _SET_UP,
        "models.read": _WATCH | {"system_admin"},
        "models.promote": frozenset({"system_admin", "duty_leader"}),
        "video.view": _WATCH,
        "recordings.read": _WATCH,
        "recordings.start": _DUTY | {"commander"},
        "recordings.plan": _SET_UP,
        "recordings.hold": frozenset({"duty_leader", "commander", "machine"}),
        "evidence.view": _WATCH | {"department", "grid_member"},
        "alerts.read": _WATCH,
        "alerts.acknowledge": _DUTY,
        "alerts.assess": _DUTY,
        "events.read": BUSINESS,
        "events.report": _DUTY | {"grid_member"},
        "events.act": BUSINESS,
        "events.photo": _DUTY | {"department", "grid_member", "checker"},
        "mode.read": BUSINESS | {"system_admin"},
        "mode.ask": frozenset({"duty_officer", "duty_leader", "commander"}),
        "duty.read": _WATCH,
        "duty.write": frozenset({"duty_officer", "duty_leader", "dispatcher", "commander"}),
        "reports.read": _WATCH | {"system_admin"},
        "reports.ask": frozenset({"duty_officer", "duty_leader", "commander", "checker"}),
        "reports.plan": frozenset({"duty_leader", "commander"}),
        "duty.roster": frozenset({"duty_leader"}),
        "tables.read": ALL_ROLES,
        "tables.write": frozenset({"system_admin"}),
        "stream.read": BUSINESS | {"system_admin", GUEST},
        "statistics.read": _WATCH | {"department", "system_admin"},
        "warnings.read": _WATCH | {"department"},
        "open311.read": _WATCH,
        "receivers.read": frozenset({"system_admin"}),
        "receivers.write": frozenset({"system_admin"}),
        "rooms.read": _ROOMS | {"department", "grid_member", GUEST},
        "rooms.open": _ROOMS,
        "rooms.join": _ROOMS | {"department", "grid_member", GUEST},
        "rooms.invite": _ROOMS,
        "rooms.control": frozenset({"duty_leader", "duty_officer", "commander", "machine"}),
        "rooms.plan": _SET_UP | {"commander"},
        "rooms.approve": frozenset({"duty_leader", "commander"}),
        "terminals.read": _ROOMS | _SET_UP,
        "terminals.write": _SET_UP,
        "orders.own": _ROOMS | {"department", "grid_member", "checker", GUEST},
    }
)
