"""Another platform gets its own fields, or a dead letter that names the one at fault."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.events.outward import paths
from gateway.events.outward.gcj02 import gcj02
from gateway.events.outward.mapping import Mapping, MappingFailed, mapped
from gateway.events.outward.sample import sample_event

NOW = datetime(2030, 1, 7, 9, 0, tzinfo=UTC)
EVENT = {"id": "m-1", "type": "gateway.event.opened", "data": sample_event("hub", NOW)}


def made(*fields: dict[str, Any], event: Any = EVENT, **rest: Any) -> Any:
    body = mapped(Mapping.model_validate({"fields": fields, **rest}), event, "https://gateway.example").body
    return json.loads(body) if rest.get("content_type") != "form" else parse_qs(body.decode(), strict_parsing=True)


def test_a_whole_case_of_another_platform() -> None:
    assert made(
        {"to": "caseInfo.outerNo", "from": "data.no"},
        {"to": "caseInfo.source", "value": "视频巡查"},
        {"to": "caseInfo.type", "from": "data.class_code", "table": {"04-06": "0406", "90-01": "9001"}},
        {"to": "caseInfo.level", "from": "data.level", "as": "string"},
        {"to": "caseInfo.reportTime", "from": "data.reported_at", "time": "yyyy-MM-dd HH:mm:ss"},
        {"to": "caseInfo.seenAt", "from": "data.seen_at", "time": "epoch_ms"},
        {"to": "caseInfo.lastOpinion", "from": "data.flow[-1].opinion", "longest": 1},
        {"to": "caseInfo.picture", "from": "data.evidence[kind=snapshot].sha256"},
        {"to": "caseInfo.handler", "from": "data.assignee", "otherwise": "未派"},
        {"to": "caseInfo.closedAt", "from": "data.closed_at", "time": "iso", "required": False},
        {"to": "files[0].url", "evidence": "snapshot"},
        {"to": "files[0].kind", "value": 1},
        {"to": "pictures", "evidence": "snapshot", "every": True},
        {"to": "drill", "from": "data.drill", "as": "boolean"},
    ) == {
        "caseInfo": {
            "outerNo": "TEST-000001", "source": "视频巡查", "type": "0406", "level": "4",
            "reportTime": "2030-01-07 17:00:00", "seenAt": 1894006680000, "lastOpinion": "测", "picture": "0" * 64,
            "handler": "未派",
        },
        "files": [
            {"url": "https://gateway.example/api/v1/evidence/00000000-0000-7000-8000-000000000000", "kind": 1}
        ],
        "pictures": ["https://gateway.example/api/v1/evidence/00000000-0000-7000-8000-000000000000"],
        "drill": True,
    }  # fmt: skip


def test_a_form_is_flat_and_urlencoded() -> None:
    fields = ({"to": "no", "from": "data.no"}, {"to": "addr", "from": "data.address"}, {"to": "urgent", "value": False})
    assert made(*fields, content_type="form") == {"no": ["TEST-000001"], "addr": ["测试路1号"], "urgent": ["false"]}


def test_coordinates_in_either_system() -> None:
    shifted = made(
        {"to": "lng", "coordinate": "lng", "system": "gcj02"}, {"to": "at", "coordinate": "lat,lng", "decimals": 3}
    )
    assert shifted["at"] == "30.250,120.500"
    assert 120.5 < shifted["lng"] < 120.506


def test_known_points_of_gcj02_and_none_outside_china() -> None:
    lng, lat = gcj02(116.404, 39.915)  # the pair that every published implementation is checked with
    assert (round(lng, 4), round(lat, 4)) == (116.4102, 39.9164)
    assert gcj02(2.35, 48.85) == (2.35, 48.85)


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"to": "a.b", "from": "data.assignee"}, "source_empty"),
        ({"to": "a.b", "from": "data.nothing.there[3].x"}, "source_empty"),
        ({"to": "a.b", "from": "data.class_code", "table": {"90-01": "1"}}, "not_in_table 04-06"),
        ({"to": "a.b", "from": "data.no", "time": "iso"}, "not_a_time"),
        ({"to": "a.b", "from": "data.no", "as": "integer"}, "not_a_number"),
        ({"to": "a.b", "evidence": "clip"}, "source_empty"),
    ],
)
def test_what_cannot_be_formed_names_the_field(field: dict[str, Any], reason: str) -> None:
    with pytest.raises(MappingFailed) as failed:
        made({"to": "ok", "value": 1}, field)
    assert (failed.value.field, failed.value.reason) == ("a.b", reason)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [{"to": "a", "from": "data.no"}, {"to": "a", "value": 1}],
        [{"to": "a", "value": 1}, {"to": "a.b", "value": 1}],
        [{"to": "a[1]", "value": 1}],
        [{"to": "a"}],
        [{"to": "a", "from": "data.no", "value": 1}],
        [{"to": "a", "from": "data.no | [@,@]"}],
        [{"to": "a", "from": "data..no"}],
        [{"to": "a", "from": ".no"}],
        [{"to": "a", "from": "data.no", "time": "%s%n"}],
        [{"to": "a", "from": "__import__('os')"}],
        [{"to": "a", "from": "data.no", "eval": "1"}],
        [{"to": "a", "from": "x" * 300}],
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_when_it_is_read(fields: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        Mapping.model_validate({"fields": fields})


@given(st.text(max_size=80))
def test_no_text_as_a_path_does_anything_but_find_or_refuse(text: str) -> None:
    try:
        path = paths.parsed(text)
    except ValueError:
        return
    paths.found(EVENT, path)


def test_a_body_without_end_is_refused() -> None:
    event = {"data": {"description": "长" * 100_000}}
    with pytest.raises(MappingFailed, match="body_too_large"):
        made({"to": "text", "from": "data.description"}, event=event)
