"""What the judge's doubt makes of a score: less, by a bounded measure, and never more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.doubt import doubted, together

shares = st.floats(0, 1)


@given(shares, shares)
def test_a_score_never_rises_and_falls_the_further_the_less_is_believed(score: float, judged: float) -> None:
    assert 0 <= doubted(score, judged) <= score
    assert doubted(score, judged) >= doubted(score, judged / 2)


@given(shares)
def test_no_doubt_silences_what_the_detector_is_sure_of(judged: float) -> None:
    assert doubted(0.9, judged) >= 0.3
    assert doubted(0.97, judged) >= 0.6


def test_what_is_believed_stays_as_it_is() -> None:
    assert doubted(0.4, 0.75) == 0.4
    assert doubted(0.4, 0.5) < 0.4


def test_one_that_doubts_is_outweighed_by_one_that_is_as_sure() -> None:
    assert together([0.9, 0.1]) == pytest.approx(0.5)
    assert together([0.98, 0.3]) > 0.75
    assert together([0.2]) == pytest.approx(0.2)
    assert 0 < together([0.0, 1.0]) < 1
