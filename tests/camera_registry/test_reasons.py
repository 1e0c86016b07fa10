"""Every reason can be read in both languages, acted on, and told from every other."""

from __future__ import annotations

import re

import pytest

from camera_registry import reasons
from camera_registry.errors import CameraRefused, Reason

ALL = [value for value in vars(reasons).values() if isinstance(value, Reason)]
HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("reason", ALL, ids=lambda reason: reason.code)
def test_a_reason_is_a_code_and_a_sentence_in_each_language(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]+", reason.code)
    assert HAN.search(reason.zh)
    assert reason.zh.endswith("。")
    assert not HAN.search(reason.en)
    assert reason.en.endswith(".")
    assert len(reason.zh) >= 8


def test_no_two_reasons_share_a_code_or_a_sentence() -> None:
    for told in ([r.code for r in ALL], [r.zh for r in ALL], [r.en for r in ALL]):
        assert len(set(told)) == len(told)


def test_an_error_carries_its_reason() -> None:
    error = CameraRefused(reasons.AUTH_FAILED, field="password", detail="401")
    assert (error.reason, error.field, error.zh) == ("auth_failed", "password", reasons.AUTH_FAILED.zh)
    assert "401" in str(error)
