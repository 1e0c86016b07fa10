"""What a camera's rules get to see: every picture is asked about, and judged by the card of the weights that saw it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.card import Card, Counting, Cues, Density
from detectors.networks import CUES, DENSITY, WHOLE, crop_part
from detectors.observation import Box, Detection
from detectors.rules.config import FireRuleConfig
from detectors.watch import CameraWatch
from gateway.streams.keyframes import PictureUnreadable
from gateway.workers.camera import sight as sight_module
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.camera.sight import Answer, Picture, Sight

CARD = Card("made", "ab" * 32, ("person", "smoke"), (96, 160), 32, {"person": 0.5, "smoke": 0.5}, "fp32", "")
STREET: Picture = np.random.default_rng(3).integers(0, 255, (96, 160, 3), np.uint8)
SMOKE = Detection("smoke", 0.8, Box(0.3, 0.3, 0.6, 0.6))


async def test_smoke_that_looks_like_no_motion_is_looked_at_and_told_all_the_same() -> None:
    asked: list[str] = []

    async def ask(_picture: Picture, part: str) -> Answer | None:
        asked.append(part)
        seen = SMOKE if part == WHOLE else Detection("smoke", 0.8, Box(0.3, 0.3, 0.7, 0.7))
        return Answer((seen,), CARD)

    sight, watch, told_at = Sight(), CameraWatch([FireRuleConfig()]), None
    for number in range(180):
        at = number / 2
        look = await sight.look(Glimpse(STREET, (160, 96), at, "main", lambda: STREET), ask, count=False)
        assert look is not None
        assert look.model == "made"
        (verdict,) = (verdict for _, verdict in watch.observe(look))
        assert verdict.next_look_within <= 2
        if verdict.phase == "firing" and told_at is None:
            told_at = at
    assert asked.count(WHOLE) == 180
    assert told_at is not None, "not a pixel changes: more proof is asked for, never silence"
    assert told_at >= 30


def at_second(second: float) -> Glimpse:
    return Glimpse(STREET, (160, 96), second, "main", lambda: STREET)


async def test_weights_put_in_force_between_two_looks_are_judged_by_their_own_card() -> None:
    """Promotion restarts the engine, never the camera workers: they once went on with the card of their start."""
    faint = Detection("smoke", 0.55, Box(0.1, 0.1, 0.9, 0.9))
    newer = replace(CARD, name="newer", sha256="cd" * 32, thresholds={"person": 0.5, "smoke": 0.2})
    sight = Sight()
    for card, kept in ((CARD, ()), (newer, ("smoke",)), (CARD, ())):

        async def ask(_picture: Picture, _part: str, card: Card = card) -> Answer | None:
            return Answer((faint,), card, {"smoke": 0.5})  # doubted down to 0.43

        look = await sight.look(at_second(0), ask, count=False)
        assert look is not None
        assert tuple(one.label for one in look.detections) == kept
        assert (look.weights, look.model) == (card.sha256, card.name)


async def test_what_other_weights_answer_about_a_part_is_no_part_of_the_look() -> None:
    """The engine may be replaced between the picture and its crop, tiles and density."""
    people = tuple(Detection("person", 0.9, Box(x / 10, 0.4, x / 10 + 0.05, 0.5)) for x in range(4))
    card = replace(CARD, counting=Counting(2, 1, 0.1, 3, 0.5), density=Density("d.onnx", "ef" * 32, 3, 0.4, 320))
    for parts_by, found in ((replace(card, thresholds={"person": 0.4, "smoke": 0.4}), 4), (card, 50)):
        asked: list[str] = []

        async def ask(
            _picture: Picture, part: str, parts_by: Card = parts_by, asked: list[str] = asked
        ) -> Answer | None:
            asked.append(part)
            if part == WHOLE:
                return Answer((*people, SMOKE), card)
            return Answer((people * 13)[:50] if part == DENSITY else (SMOKE,), parts_by)

        sight = Sight()
        look = await sight.look(at_second(0), ask, count=True)
        assert look is not None
        assert asked == [WHOLE, crop_part(0), "tile-0", "tile-1", DENSITY]
        assert sum(one.label == "person" for one in look.detections) == found
        (smoke,) = (one for one in look.detections if one.label == "smoke")
        assert (smoke.closer is not None) == (parts_by is card)


async def test_neither_parts_of_a_full_picture_nor_a_count_in_tiles_keep_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Six tiles of a 4K picture took 29 ms to make and a full square 10 to 80 ms to count, all cameras waiting."""
    in_threads: dict[str, set[bool]] = {}

    def watched(name: str) -> None:
        work = getattr(sight_module, name)

        def noted(*about: Any) -> Any:
            in_threads.setdefault(name, set()).add(threading.current_thread() is not threading.main_thread())
            return work(*about)

        monkeypatch.setattr(sight_module, name, noted)

    for name in ("smaller", "people", "more_people"):
        watched(name)
    crowd = tuple(Detection("person", 0.9, Box(x / 10, 0.4, x / 10 + 0.05, 0.5)) for x in range(4))
    density, cues = Density("d.onnx", "ef" * 32, 3, 0.4, 320), KNOWS_STALLS.cues
    card = replace(CARD, counting=Counting(2, 1, 0.1, 3, 0.5), density=density, cues=cues)
    asked: list[str] = []

    async def ask(_picture: Picture, part: str) -> Answer | None:
        asked.append(part)
        return Answer((*crowd, SMOKE) if part == WHOLE else (), card)

    await Sight().look(at_second(0), ask, count=True, stalls=Box(0.1, 0.1, 0.5, 0.5))
    assert asked == [WHOLE, crop_part(0), "tile-0", "tile-1", DENSITY, CUES]
    assert in_threads == {"smaller": {True}, "people": {True}, "more_people": {True}}


async def test_a_count_by_the_weights_before_does_not_stand_for_those_in_force() -> None:
    person = Detection("person", 0.9, Box(0.1, 0.1, 0.2, 0.5))
    counts = replace(CARD, counting=Counting(1, 1, 0.0, 1, 0.5))
    sight, found = Sight(), []
    for second, card in ((0.0, counts), (0.5, counts), (1.0, CARD)):

        async def ask(_picture: Picture, part: str, card: Card = card) -> Answer | None:
            return Answer((person,) if part == WHOLE else (person, replace(person, box=Box(0.6, 0.1, 0.7, 0.5))), card)

        look = await sight.look(at_second(second), ask, count=True)
        assert look is not None
        found.append(len(look.detections))
    assert found == [2, 2, 1]


async def test_the_last_count_of_a_crowd_stands_though_a_fire_beside_it_is_looked_at_more_often() -> None:
    density = Density("crowds.onnx", "ef" * 32, from_people=5, smaller_than=0.4, longest_side=1024)
    card = replace(CARD, density=density)
    boxes = tuple(Detection("person", 0.6, Box(0.1 * n, 0.1, 0.1 * n + 0.05, 0.2)) for n in range(8))

    async def ask(_picture: Picture, part: str) -> Answer | None:
        return Answer((boxes * 8)[:60] if part == DENSITY else (SMOKE, *boxes) if part == WHOLE else (), card)

    sight = Sight()
    counted = []
    for at in (0.0, 0.5, 1.0, 1.5, 2.0):
        look = await sight.look(at_second(at), ask, count=True)
        assert look is not None
        counted.append(sum(one.label == "person" for one in look.detections))
    assert counted == [60] * 5
    assert (sight.counts, sight.second_looks) == (2, 5)


async def test_the_count_of_a_crowd_that_has_gone_does_not_stand_for_as_long_as_the_clock_was_set_back() -> None:
    """Sixty people were counted until the clock had caught up, where one stood."""
    density = Density("crowds.onnx", "ef" * 32, from_people=5, smaller_than=0.4, longest_side=1024)
    card = replace(CARD, density=density)
    crowd = tuple(Detection("person", 0.6, Box(0.1 * n, 0.1, 0.1 * n + 0.05, 0.2)) for n in range(8))
    sight, counted = Sight(), []
    for at, people in ((4000.0, crowd), (400.0, crowd[:1]), (402.0, crowd[:1])):

        async def ask(_picture: Picture, part: str, people: tuple[Detection, ...] = people) -> Answer | None:
            return Answer((crowd * 8)[:60] if part == DENSITY else people, card)

        look = await sight.look(at_second(at), ask, count=True)
        assert look is not None
        counted.append(len(look.detections))
    assert counted == [60, 1, 1]


FRUIT = tuple(Detection("goods", 0.4, Box(0.2 + 0.1 * number, 0.4, 0.3 + 0.1 * number, 0.6)) for number in range(3))
VAN = Detection("car", 0.8, Box(0.7, 0.1, 0.9, 0.4))
KNOWS_STALLS = replace(CARD, cues=Cues("c.onnx", "ef" * 32, ("goods", "car"), {"goods": 0.2, "car": 0.4}, (96, 160)))


class Market:
    """An engine that sees fruit and a van in whatever part it is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, int]] = []
        self.answers = True

    async def __call__(self, picture: Picture, part: str) -> Answer | None:
        if part == WHOLE:
            return Answer((), KNOWS_STALLS)
        assert part == CUES
        self.shown.append((picture.shape[1], picture.shape[0]))
        return Answer((*FRUIT, VAN), KNOWS_STALLS) if self.answers else None


async def seen_at(second: float, sight: Sight, ask: Market, within: Box | None, view: str | None = "") -> list[str]:
    full = np.random.default_rng(5).integers(0, 255, (960, 1600, 3), np.uint8)
    glimpse = Glimpse(STREET, (1600, 960), second, "main", lambda: full)
    look = await sight.look(glimpse, ask, count=False, stalls=within, view=view)
    assert look is not None
    return sorted(one.label for one in look.detections)


async def test_parts_of_a_stall_are_looked_for_where_a_rule_watches_and_stand_for_a_while() -> None:
    sight, ask, whole = Sight(), Market(), Box(0, 0, 1, 1)
    assert await seen_at(0, sight, ask, None) == []
    assert ask.shown == []
    for second in (5, 10, 15):
        assert await seen_at(second, sight, ask, whole) == ["car", "stall"]
    assert ask.shown == [(160, 96)], "once, and in the picture that is there already"
    await seen_at(20, sight, ask, whole)
    assert len(ask.shown) == 2
    await seen_at(21, sight, ask, Box(0, 0, 0.5, 0.5))
    assert len(ask.shown) == 3, "another zone is another question"
    ask.answers = False
    assert await seen_at(40, sight, ask, whole) == []


async def test_a_stall_seen_in_one_view_does_not_stand_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a turn it stood for up to half a minute in the zones of the new view."""
    monkeypatch.setattr(sight_module, "uniform", lambda _low, high: high)
    sight, ask, whole = Sight(beside=True), Market(), Box(0, 0, 1, 1)
    found = []
    for second, view in ((0, "1"), (1, "1"), (2, "1"), (3, "2")):
        await seen_at(second, sight, ask, whole, view)
        while len(ask.shown) < min(second, 1):
            await asyncio.sleep(0)
        found.append(await seen_at(second + 0.5, sight, ask, whole, view))
    assert found == [[], ["car", "stall"], ["car", "stall"], []]


async def test_parts_of_a_stall_asked_about_in_one_view_are_not_found_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sight_module, "uniform", lambda _low, high: high)
    sight, whole, may_answer = Sight(beside=True), Box(0, 0, 1, 1), asyncio.Event()

    class Busy(Market):
        async def __call__(self, picture: Picture, part: str) -> Answer | None:
            if part == CUES:
                await may_answer.wait()
            return await super().__call__(picture, part)

    ask = Busy()
    for second in (0, 1):
        await seen_at(second, sight, ask, whole, "1")
    assert await seen_at(2, sight, ask, whole, "2") == []
    may_answer.set()
    while not ask.shown:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    ask.answers = False
    assert await seen_at(3, sight, ask, whole, "2") == []
    await sight.stop()


async def test_a_crowd_counted_in_one_view_does_not_stand_in_the_next() -> None:
    card = replace(CARD, density=Density("crowds.onnx", "ef" * 32, from_people=5, smaller_than=0.4, longest_side=1024))
    crowd = tuple(Detection("person", 0.6, Box(0.1 * n, 0.1, 0.1 * n + 0.05, 0.2)) for n in range(8))
    sight, counted = Sight(), []
    for at, view, people in ((0.0, "1", crowd), (0.5, "1", crowd), (1.0, None, crowd[:1])):

        async def ask(_picture: Picture, part: str, people: tuple[Detection, ...] = people) -> Answer | None:
            return Answer((crowd * 8)[:60] if part == DENSITY else people, card)

        look = await sight.look(at_second(at), ask, count=True, view=view)
        assert look is not None
        counted.append(len(look.detections))
    assert counted == [60, 60, 1]


async def test_a_small_zone_is_looked_at_at_full_size_and_its_stall_is_placed_in_the_picture() -> None:
    ask = Market()
    full = np.random.default_rng(5).integers(0, 255, (960, 1600, 3), np.uint8)
    glimpse = Glimpse(STREET, (1600, 960), 0.0, "main", lambda: full)
    look = await Sight().look(glimpse, ask, count=False, stalls=Box(0.5, 0.5, 0.75, 0.75))
    assert look is not None
    assert ask.shown == [(160, 96)], "400×240 px of the full picture, as large as the engine's input takes"
    (stall,) = (one for one in look.detections if one.label == "stall")
    assert (stall.box.x1, stall.box.y1) == pytest.approx((0.5 + 0.25 * 0.05, 0.5 + 0.25 * 0.3))
    assert stall.appearance, "an officer can reject it"


async def test_no_look_of_a_camera_waits_for_the_parts_of_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera's next look once waited while a busy engine left that question for last."""
    monkeypatch.setattr(sight_module, "uniform", lambda _low, high: high)
    sight, may_answer = Sight(beside=True), asyncio.Event()

    class Busy(Market):
        async def __call__(self, picture: Picture, part: str) -> Answer | None:
            if part == CUES:
                await may_answer.wait()
            return await super().__call__(picture, part)

    ask, whole = Busy(), Box(0, 0, 1, 1)
    for second in (-1, 0, 1, 2):
        assert await seen_at(second, sight, ask, whole) == []
    may_answer.set()
    while not ask.shown:
        await asyncio.sleep(0)
    assert await seen_at(3, sight, ask, whole) == ["car", "stall"]
    assert ask.shown == [(160, 96)], "asked once"
    may_answer.clear()
    assert await seen_at(20, sight, ask, whole) == ["car", "stall"], "asked again; what was found stands meanwhile"
    assert await seen_at(31, sight, ask, whole) == [], "too long ago"
    await sight.stop()
    assert len(ask.shown) == 1


async def test_parts_of_a_stall_that_the_engine_had_no_time_for_are_not_asked_about_at_every_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there are more cameras than the engine carries each once asked so every two seconds."""
    monkeypatch.setattr(sight_module, "uniform", lambda _low, high: high)
    sight, ask = Sight(beside=True), Market()
    ask.answers = False
    for second in range(-1, 14, 2):
        assert await seen_at(second, sight, ask, Box(0, 0, 1, 1)) == []
        for _ in range(5):
            await asyncio.sleep(0)
    assert len(ask.shown) == 2, "at 1 and at 11"
    await sight.stop()


async def test_smoke_is_told_though_the_full_picture_cannot_be_had() -> None:
    def damaged() -> Picture:
        raise PictureUnreadable("damaged")

    async def ask(_picture: Picture, part: str) -> Answer | None:
        assert part == WHOLE
        return Answer((SMOKE,), CARD)

    look = await Sight().look(Glimpse(STREET, (160, 96), 1.0, "main", damaged), ask, count=True)
    assert look is not None
    assert [one.label for one in look.detections] == ["smoke"]
