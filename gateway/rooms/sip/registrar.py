"""Where known terminals are: each says so again and again (REGISTER, RFC 3261, 10), so that a room can ring it.

Kept in memory alone: after a restart the terminals register anew by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

from sipmessage import URI, Request

from gateway.rooms.sip.transactions import Way

SHORTEST, USUAL, LONGEST = 60, 300, 600
"""Seconds. A terminal that was unplugged is not shown as there for longer."""
MOST = 2000


@dataclass(frozen=True, slots=True)
class Binding:
    """``way``: how it reached us, which is how we reach it, also behind a NAT. ``until`` as the clock has it."""

    target: URI
    way: Way
    until: float


class Registrar:
    """The newest binding of each terminal counts."""

    def __init__(self) -> None:
        self._bindings: dict[str, Binding] = {}

    def take(self, username: str, request: Request, way: Way, now: float) -> tuple[Binding | None, int]:
        """A REGISTER whose sender has proved who it is: its binding (None: it has none any more), and for how many
        seconds. One without a contact only asks. Raises ``ValueError`` where too many have registered."""
        contacts = request.contact
        if not contacts:
            held = self.of(username, now)
            return held, int(held.until - now) if held is not None else 0
        said = contacts[0].parameters.get("expires")
        wanted = int(said) if said is not None and said.isdigit() else request.expires
        if wanted == 0:
            self._bindings.pop(username, None)
            return None, 0
        seconds = max(SHORTEST, min(LONGEST, USUAL if wanted is None else wanted))
        if username not in self._bindings and len(self._bindings) >= MOST:
            raise ValueError("too many registered")
        binding = self._bindings[username] = Binding(contacts[0].uri, way, now + seconds)
        return binding, seconds

    def of(self, username: str, now: float) -> Binding | None:
        binding = self._bindings.get(username)
        if binding is not None and binding.until <= now:
            del self._bindings[username]
            return None
        return binding
