"""A class table comes in whole or not at all, and each fault is named by its row."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from gateway.events.classes import read_class_table, shipped_classes
from gateway.refusals import Refusal


def shipped() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files("gateway.events.code_tables") / "classes-2025.1.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        (lambda rows: rows.append(dict(rows[0], hazard=None)), "code"),
        (lambda rows: rows.append(dict(rows[0], code="98-01")), "hazard"),
        (lambda rows: rows.append(dict(rows[0], code="9801", hazard=None)), "code"),
        (lambda rows: rows.append(dict(rows[0], code="98-01", hazard=None, level=5)), "level"),
        (
            lambda rows: rows.append(
                dict(rows[0], code="98-01", hazard=None, limit={"clock": "lunar_day", "amount": 1})
            ),
            "limit",
        ),
    ],
)
def test_a_duplicate_or_faulty_class_is_refused_by_its_row(fault: Any, field: str) -> None:
    document = shipped()
    assert read_class_table(document).classes.keys() == shipped_classes().classes.keys()
    fault(document["classes"])
    with pytest.raises(Refusal, match="class_table_invalid") as refused:
        read_class_table(document)
    assert refused.value.field == f"classes.{len(document['classes']) - 1}.{field}"


def test_a_table_in_which_a_hazard_has_no_class_is_refused() -> None:
    document = shipped()
    document["classes"] = [row for row in document["classes"] if row.get("hazard") != "crowd"]
    with pytest.raises(Refusal, match="class_table_invalid"):
        read_class_table(document)


def test_the_shipped_classes_are_those_of_the_sheet() -> None:
    """DOMAIN's first content: code, name, limit."""
    classes = shipped_classes().classes
    sheet = {
        "04-01": "无照经营游商", "04-05": "店外经营", "04-06": "占道经营", "04-96": "占用消防通道",
        "01-20": "焚烧垃圾、树叶",
    }  # fmt: skip
    for code, name in sheet.items():
        assert (classes[code].name, classes[code].limit.clock, classes[code].limit.amount) == (name, "urgent_hour", 2)
    assert [shipped_classes().of_hazard(hazard).code for hazard in ("fire", "crowd")] == ["90-01", "90-02"]
    assert classes["90-01"].never_held_back
    assert shipped_classes().of_hazard("stall").same_slot
