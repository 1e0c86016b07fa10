"""What the rules get to see of one camera: the whole picture, a second look at candidates, a crowd counted in tiles.

The whole picture is looked at small. What may be fire or smoke is looked at again in a crop at full size; people are
counted in tiles where a gathering is in the making, and parts of a stall are looked for where a rule watches for one.
All are parts of the same picture, so that a look is of one time.
It is of one set of weights, too: their card says how it is judged, and what others answer is no part of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from random import uniform
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.appearance import appearance
from detectors.card import Card, Counting
from detectors.closer import HAZARDS, Crop, crops, placed, still_seen, with_second_look
from detectors.counting import in_tiles, people, tiles
from detectors.density import crowded, more_people
from detectors.input_size import input_for
from detectors.judge import part_of
from detectors.networks import CUES, DENSITY, WHOLE, crop_part
from detectors.observation import Box, Detection, Look
from detectors.rules.cues import VEHICLES, all_stalls
from detectors.stir import Luma, change, luma, stir
from gateway.processes.active import InThread
from gateway.streams.keyframes import PictureUnreadable, smaller
from gateway.workers.camera.glimpse import Glimpse

Picture = NDArray[np.uint8]

COUNT_EVERY = 2.0
"""Seconds between two counts in tiles; in between (a fire is looked at more often) the last count stands."""
CUES_EVERY = 15.0
"""Seconds after which parts of a stall are looked for again; what was found stands for twice as long."""
CUES_AGAIN = 10.0
"""Seconds after a question about them that the engine had no time for, until it is asked again."""
NEARLY_WHOLE = 0.8
"""Share of the picture's sides from which a part shows no more at full size than the picture made small."""
WHOLE_PICTURE = Box(0.0, 0.0, 1.0, 1.0)
NOTHING_FOUND: tuple[float, Box, tuple[Detection, ...]] = (-inf, WHOLE_PICTURE, ())
"""When and where parts of a stall were looked for last, and what was found."""
REMEMBERED = 30.0
"""Seconds over which two pictures are compared."""
DESCRIBED = HAZARDS | {"stall"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine saw in a picture or in a part of one, and the card of its weights. ``judged``: of a crop, how
    likely it shows each hazard."""

    detections: tuple[Detection, ...]
    card: Card
    judged: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


class Asks(Protocol):
    """Asks the engine about a picture (BGR H×W×3); None: no answer, now or in time. ``part`` names a part of the
    picture; each waits for itself."""

    async def __call__(self, picture: Picture, part: str) -> Answer | None: ...


class Sight:
    """Of one camera; remembers its last picture and its last count. One look at a time. ``in_thread`` is where full
    pictures and parts of them are made and people in tiles counted, which takes tens of milliseconds. ``beside``: no
    look waits for the parts of a stall; what is found counts from the next one on."""

    def __init__(self, in_thread: InThread = asyncio.to_thread, *, beside: bool = False) -> None:
        self._card: Card | None = None
        self._view: str | None = ""
        self._in_thread = in_thread
        self._last: tuple[float, Luma] | None = None
        self._counted: tuple[float, tuple[Detection, ...]] | None = None
        self._stalls, self._cues_asked = NOTHING_FOUND, -inf
        self._beside = beside
        self._finding: asyncio.Task[tuple[Detection, ...]] | None = None
        self.second_looks = 0
        self.counts = 0

    async def look(
        self, glimpse: Glimpse, ask: Asks, *, count: bool, stalls: Box | None = None, view: str | None = ""
    ) -> Look | None:
        """``count``: people are wanted to be counted, though the whole picture shows few. ``stalls``: where in the
        picture parts of a stall are looked for. ``view`` the camera has, as in ``AssignCamera``: nothing of what was
        seen in another stands. None: no answer in time."""
        seen = await ask(glimpse.small, WHOLE)
        if seen is None:
            return None
        card, ask = seen.card, _asking_only(ask, seen.card)
        if card != self._card:  # nor does a count by other weights stand
            self._card, self._counted, self._stalls = card, None, NOTHING_FOUND
        if view != self._view:
            self._view, self._last, self._counted = view, None, None
            if self._stalls != NOTHING_FOUND:
                self._stalls, self._cues_asked = (glimpse.arrival - CUES_EVERY, WHOLE_PICTURE, ()), -inf
        detections = self._described(seen.detections, glimpse)
        candidates = crops(detections)
        counting = self._counting(detections, glimpse.arrival, card, wanted=count)
        full = await self._full(glimpse) if candidates or counting else None
        looked = await self._closer(full, candidates, ask, card) if full is not None else ()
        detections = still_seen(with_second_look(detections, looked, seen.judged), card.thresholds)
        if full is not None and counting:
            detections = await self._count(detections, full, glimpse.arrival, ask, card)
        elif self._counted is not None and 0 <= glimpse.arrival - self._counted[0] < COUNT_EVERY:
            detections = _with_people(detections, self._counted[1])
        if stalls is not None and card.cues is not None:
            detections = (*detections, *await self._stalls_by_parts(glimpse, stalls, ask, card))
        return Look(glimpse.arrival, detections, card.sha256, card.name)

    async def _full(self, glimpse: Glimpse) -> Picture | None:
        """None where it cannot be had: what the small picture shows counts all the same."""
        try:
            return await self._in_thread(glimpse.full)
        except PictureUnreadable:
            return None

    async def stop(self) -> None:
        """Give up what is still being asked."""
        if self._finding is not None:
            self._finding.cancel()
            await asyncio.gather(self._finding, return_exceptions=True)

    async def _stalls_by_parts(self, glimpse: Glimpse, within: Box, ask: Asks, card: Card) -> tuple[Detection, ...]:
        """Stalls by their parts, and vehicles, found anew or some seconds ago; none where the engine has no time."""
        at, where, found = self._stalls
        if at == -inf and self._beside:  # cameras that begin together do not ask together ever after
            self._stalls = glimpse.arrival - uniform(0, CUES_EVERY), within, ()  # noqa: S311 - no secret
            return ()
        known = found if where == within and 0 <= glimpse.arrival - at < 2 * CUES_EVERY else ()
        if where == within and 0 <= glimpse.arrival - at < CUES_EVERY:
            return known
        if not self._beside:
            return await self._found_by_parts(glimpse, within, ask, card, self._view)
        unanswered = where == within and 0 <= glimpse.arrival - self._cues_asked < CUES_AGAIN
        if not unanswered and (self._finding is None or self._finding.done()):
            self._cues_asked = glimpse.arrival
            finding = self._found_by_parts(glimpse, within, ask, card, self._view)
            self._finding = asyncio.create_task(finding)
        return known

    async def _found_by_parts(
        self, glimpse: Glimpse, within: Box, ask: Asks, card: Card, view: str | None
    ) -> tuple[Detection, ...]:
        part, picture = WHOLE_PICTURE, glimpse.small
        if min(within.width, within.height) < NEARLY_WHOLE:
            try:
                part, picture = within, await self._in_thread(lambda: _part(glimpse.full(), within, card))
            except PictureUnreadable:
                return ()
        answer = await ask(picture, CUES)
        if answer is None:
            return ()
        cues = [replace(one, box=placed(one.box, part)) for one in answer.detections]
        stalls = (replace(one, appearance=appearance(glimpse.small, one.box)) for one in all_stalls(cues))
        found = (*stalls, *(one for one in cues if one.label in VEHICLES))
        if (card, view) == (self._card, self._view):
            self._stalls = glimpse.arrival, within, found
        return found

    def _described(self, detections: Sequence[Detection], glimpse: Glimpse) -> tuple[Detection, ...]:
        """Each with what it looks like and how much it stirs."""
        now = luma(glimpse.small)
        before = self._last[1] if self._last and 0 < glimpse.arrival - self._last[0] <= REMEMBERED else None
        changed = change(before, now)
        self._last = glimpse.arrival, now
        return tuple(
            replace(
                one,
                stir=None if changed is None else round(stir(changed, one.box), 4),
                appearance=appearance(glimpse.small, one.box),
            )
            if one.label in DESCRIBED
            else one
            for one in detections
        )

    async def _closer(self, full: Picture, candidates: Sequence[Box], ask: Asks, card: Card) -> list[Crop]:
        looked = []
        pictures = await self._parts(full, candidates, card)
        for number, (crop, picture) in enumerate(zip(candidates, pictures, strict=True)):
            answer = await ask(picture, crop_part(number))
            if answer is not None:
                self.second_looks += 1
                looked.append(Crop(crop, answer.detections, answer.judged))
        return looked

    def _counting(self, detections: Sequence[Detection], at: float, card: Card, *, wanted: bool) -> bool:
        """Whether people are to be counted with care now: in tiles, by density, or by both in turn."""
        if not wanted or (self._counted is not None and 0 <= at - self._counted[0] < COUNT_EVERY):
            return False
        return in_tiles(detections, card.counting) or crowded(detections, card.density)

    async def _count(
        self, detections: tuple[Detection, ...], full: Picture, at: float, ask: Asks, card: Card
    ) -> tuple[Detection, ...]:
        if card.counting is not None and in_tiles(detections, card.counting):
            detections = await self._counted_in_tiles(detections, full, ask, card, card.counting)
        density = card.density
        if density is not None and crowded(detections, density):
            side = density.longest_side
            picture = await self._in_thread(lambda: np.ascontiguousarray(smaller(full, side, side)))
            answer = await ask(picture, DENSITY)
            if answer is not None:
                detections = await self._in_thread(more_people, detections, answer.detections)
        self.counts += 1
        self._counted = at, tuple(one for one in detections if one.label == "person")
        return detections

    async def _counted_in_tiles(
        self, detections: tuple[Detection, ...], full: Picture, ask: Asks, card: Card, counting: Counting
    ) -> tuple[Detection, ...]:
        parts = tiles(counting)
        pictures = await self._parts(full, parts, card)
        answers = await asyncio.gather(*(ask(picture, f"tile-{number}") for number, picture in enumerate(pictures)))
        if any(answer is None for answer in answers):
            return detections  # half a count is none
        looked = [(tile, answer.detections) for tile, answer in zip(parts, answers, strict=True) if answer is not None]
        return _with_people(detections, await self._in_thread(people, detections, looked, counting))

    async def _parts(self, full: Picture, boxes: Sequence[Box], card: Card) -> list[Picture]:
        return await self._in_thread(lambda: [_part(full, box, card) for box in boxes])


def _asking_only(ask: Asks, card: Card) -> Asks:
    """Asks the weights of this card: what others answer, put in force meanwhile, counts as no answer."""

    async def asked(picture: Picture, part: str) -> Answer | None:
        answer = await ask(picture, part)
        return answer if answer is not None and answer.card == card else None

    return asked


def _with_people(detections: Sequence[Detection], found: Sequence[Detection]) -> tuple[Detection, ...]:
    return (*(one for one in detections if one.label != "person"), *found)


def _part(full: Picture, box: Box, card: Card) -> Picture:
    """A part of the picture, no larger than the engine's input for its proportions."""
    part = part_of(full, box)
    to_height, to_width = input_for(part.shape[0], part.shape[1], card.input_size, card.stride)
    return np.ascontiguousarray(smaller(part, to_width, to_height))
