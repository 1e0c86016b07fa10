"""What hangs under what: no cycles, no orphans, divisions within those above."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.grid.tree import HANGS_UNDER, check_division, check_move, check_place
from gateway.refusals import Refusal

PARENTS = {"hub": None, "a": "hub", "b": "hub", "a1": "a", "a2": "a1"}


@pytest.mark.parametrize("kind", sorted(HANGS_UNDER))
@pytest.mark.parametrize("above", sorted(HANGS_UNDER))
def test_each_kind_hangs_where_the_city_puts_it(kind: str, above: str) -> None:
    allowed = {
        ("town", "hub_platform"), ("city_department", "hub_platform"), ("key_community", "hub_platform"),
        ("key_community", "town"),
    }  # fmt: skip
    if (kind, above) in allowed:
        check_place(kind, above)
    else:
        with pytest.raises(Refusal, match="parent_unfit"):
            check_place(kind, above)


@given(st.sampled_from(sorted(PARENTS)), st.sampled_from(sorted(PARENTS)))
def test_no_move_cuts_a_branch_off_from_the_hub(code: str, to: str) -> None:
    below = {"hub": set(PARENTS), "a": {"a", "a1", "a2"}, "b": {"b"}, "a1": {"a1", "a2"}, "a2": {"a2"}}[code]
    if to in below:
        with pytest.raises(Refusal, match="parent_below"):
            check_move(PARENTS, code, to)
        return
    check_move(PARENTS, code, to)
    moved = PARENTS | {code: to}
    for one in moved:
        here, steps = one, 0
        while moved[here] is not None and steps <= len(moved):
            here, steps = moved[here] or "", steps + 1
        assert here == "hub"


@pytest.mark.parametrize(
    ("kind", "division", "above", "reason"),
    [
        ("town", "990001001", "990001", None),
        ("key_community", "990001001002", "990001001", None),
        ("key_community", "990001001002", "", None),
        ("city_department", "990001", "990001", None),
        ("city_department", "", "990001", None),
        ("town", "990002001", "990001", "division_elsewhere"),
        ("key_community", "990001002001", "990001001", "division_elsewhere"),
        ("town", "990001", "990001", "division_invalid"),
        ("hub_platform", "９９０００１", "", "division_invalid"),
        ("key_community", "99000100100X", "", "division_invalid"),
    ],
)
def test_a_division_has_its_digits_and_lies_in_the_one_above(
    kind: str, division: str, above: str, reason: str | None
) -> None:
    if reason is None:
        check_division(kind, division, above)
    else:
        with pytest.raises(Refusal, match=reason):
            check_division(kind, division, above)
