from __future__ import annotations

from models.cli.main import app


def test_the_commands_stand_in_the_order_in_which_weights_are_made() -> None:
    assert [one.name for one in app.registered_commands] == [
        "prepare", "train", "export", "precision", "thresholds", "augment", "blend", "compare", "density", "judge",
        "cues", "evaluate", "adopt", "card",
    ]  # fmt: skip
