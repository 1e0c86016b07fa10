"""When a look counts as one that never ends."""

from __future__ import annotations

import pytest

from gateway.workers.inference.hang import COMPILED, HUNG, TURN, EngineHung, HangWatch

FIRE_WITHIN = 30.0
"""Seconds within which a fire is told (GB 50166-2019)."""


def test_a_look_that_never_ends_is_found_in_time_for_a_fire() -> None:
    watch = HangWatch()
    for _ in range(HUNG):
        watch.turn(["a"], compiling=False)
    with pytest.raises(EngineHung):
        watch.turn(["a"], compiling=False)
    assert (HUNG + 1) * TURN <= 0.4 * FIRE_WITHIN, "the engine has to be loaded anew, and the fire to be seen"


def test_looks_that_end_are_no_hang_however_long_the_engine_is_busy() -> None:
    watch = HangWatch()
    for turn in range(10 * HUNG):
        watch.turn([f"look-{turn // HUNG}", f"other-{turn // 3}"], compiling=False)


def test_looks_that_wait_for_networks_of_new_shapes_are_no_hang() -> None:
    """An engine that starts on a slow machine compiles one for each shape of its cameras, one after the other."""
    watch = HangWatch()
    for turn in range(COMPILED - HUNG):
        watch.turn(["first of its shape", "last of its shape"], compiling=turn % 20 != 0)
    watch.turn(["last of its shape"], compiling=False)


def test_a_network_that_is_compiled_without_end_is_a_hang() -> None:
    watch = HangWatch()
    for _ in range(COMPILED):
        watch.turn(["a"], compiling=True)
    with pytest.raises(EngineHung):
        watch.turn(["a"], compiling=True)
