"""The classes of the shipped network, in the order of its outputs."""

from __future__ import annotations

CLASSES = ("person", "fire", "smoke", "stall")
PERSON, FIRE, SMOKE, STALL = range(len(CLASSES))
