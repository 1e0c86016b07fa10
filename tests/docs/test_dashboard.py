"""The Grafana dashboard beside what operators are told of the metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = json.loads((DOCS / "grafana" / "gateway.json").read_text(encoding="utf-8"))


def test_the_dashboard_shows_every_metric_that_operators_are_told_to_have_an_alarm_on() -> None:
    """Works that failed again and again had an alarm and no panel on which to see which."""
    told = re.search(r"worth an alarm:(.*?)\n- ", (DOCS / "operators.md").read_text(encoding="utf-8"), re.DOTALL)
    assert told is not None
    alarms = set(re.findall(r"gateway_\w+", told[1]))
    assert alarms >= {"gateway_work_failing", "gateway_work_rows_put_off"}
    asked = {
        name
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
        for name in re.findall(r"gateway_\w+", target["expr"])
    }
    assert alarms <= asked


def test_panels_are_numbered_and_lie_beside_one_another() -> None:
    panels = DASHBOARD["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    assert [
        panel["title"] for panel in panels if not re.match(r"[^ ]*[\u4e00-\u9fff]|HTTP |RTSP ", panel["title"])
    ] == []
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
