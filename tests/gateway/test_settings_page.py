"""The page of settings stays true to the types."""

from __future__ import annotations

from pathlib import Path

from gateway.settings_page import settings_page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_of_settings_is_the_one_the_types_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page(), "run: gateway settings > docs/settings.md"


def test_every_setting_says_what_it_means() -> None:
    rows = [line for line in settings_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    assert [row for row in rows if row.endswith("|  |")] == []
