"""The choice among a camera's profiles."""

from __future__ import annotations

import pytest

from camera_registry.errors import CameraRefused
from camera_registry.profiles import MediaProfile, ProfileChoice, choose, positive, told


def profile(token: str, encoding: str, width: int, height: int) -> MediaProfile:
    return MediaProfile(token, token, encoding, width, height)


FULL_265 = profile("full265", "H265", 2560, 1440)
HD = profile("hd", "H264", 1280, 720)
CIF = profile("cif", "H264", 352, 288)
TINY = profile("tiny", "H264", 160, 120)
JPEG = profile("jpeg", "JPEG", 1920, 1080)


def test_h264_comes_before_a_larger_h265() -> None:
    choice = choose([FULL_265, HD, JPEG])
    assert (choice.main, choice.sub) == (HD, None)


def test_the_sub_stream_is_the_smallest_that_a_detector_sees_enough_in() -> None:
    vga, d1 = profile("vga", "H264", 640, 480), profile("d1", "H264", 704, 576)
    assert choose([TINY, CIF, HD, d1, vga]) == ProfileChoice(HD, vga)
    assert choose([TINY, CIF, HD]).sub == CIF
    assert choose([TINY, HD]).sub is None


def test_h265_serves_for_detection_where_no_h264_is_large_enough() -> None:
    small_265 = profile("small265", "H265", 640, 360)
    assert choose([HD, small_265, CIF]).sub == small_265
    assert choose([HD, small_265, profile("vga", "H264", 640, 480)]).sub.token == "vga"  # type: ignore[union-attr]


def test_h265_alone_is_taken() -> None:
    assert choose([FULL_265, JPEG]).main == FULL_265


def test_the_order_of_the_answer_does_not_matter() -> None:
    twins = [profile("b", "H264", 1280, 720), profile("a", "H264", 1280, 720)]
    assert choose(twins).main == choose(twins[::-1]).main == twins[1]


@pytest.mark.parametrize(
    ("offered", "reason"),
    [([], "no_profile"), ([profile("off", "H264", 0, 0)], "no_profile"), ([JPEG], "no_h264_profile")],
)
def test_nothing_to_pull_is_refused_by_its_reason(offered: list[MediaProfile], reason: str) -> None:
    with pytest.raises(CameraRefused) as refused:
        choose(offered)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("said", "count"),
    [(50, 50), ("50", 50), (None, None), ("", None), (0, None), (-3, None), ("9" * 12, None), (float("inf"), None)],
)
def test_a_count_that_is_none_is_left_out(said: object, count: int | None) -> None:
    assert positive(said, 1_000) == count


@pytest.mark.parametrize("rate", ["NaN", "inf", "-1", "", None, "1e9"])
def test_an_odd_rate_is_not_told(rate: str | None) -> None:
    made = told("t", "n", "h264", "640", "360", rate, None)
    assert made == MediaProfile("t", "n", "H264", 640, 360, 0.0, None)


@pytest.mark.parametrize(("token", "width"), [("", "640"), ("t", "0"), ("t", "wide"), ("t", None), ("t", "9" * 400)])
def test_a_profile_without_a_name_or_a_size_is_none(token: str, width: str | None) -> None:
    assert told(token, "n", "H264", width, "360", "25", "50") is None
