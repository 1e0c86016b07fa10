"""Which pictures of one camera are looked at, and how they are come by: the seam between its streams and its rules.

Keyframes are decoded alone. When they come too slowly for what the rules want now, the camera is woken: every frame of
its sub-stream, else of its main stream, is decoded while the budget of its worker allows it. So it is where keyframes
cannot be decoded. What cannot be had is said: ``rate_unmet`` and ``ailment``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf
from typing import Literal

import structlog

from detectors.rules.rule import LONGEST_ABSENCE
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.keyframes import PictureUnreadable
from gateway.streams.on_demand import OnDemandSource
from gateway.workers.camera.awake import Awake, Decoding
from gateway.workers.camera.glimpse import Glimpse, of_keyframe
from gateway.workers.camera.look_plan import LATE, Decoded, KeyframeGap, Wish, is_due, is_unmet, to_decode
from gateway.workers.camera.waking import SUB_STREAM_CORES, WakeBudget, expected_cores

log = structlog.get_logger(__name__)

DECIDE_EVERY = 0.5
AT_LEAST_EVERY = 2.0
"""Seconds after which a keyframe is looked at though no rule wants it: whether the picture is well is judged by it.
Nothing else is decoded for that."""
STAY_AWAKE = 5.0
"""Seconds for which a woken camera stays awake though nothing asks for it any more."""
EVENT_GAP, EVENT_SECONDS = 1.0, 10.0
"""How closely a camera is looked at that reports something by itself, and for how many seconds after its word."""
MOST_FAILURES = 3
"""Keyframes that cannot be decoded, or looks that fail, in a row, after which that is said."""
TRIED_AGAIN, TRIED_SELDOM = 0.5, 30.0
"""Seconds until another keyframe is tried after one that could not be decoded; and where the sub-stream serves, which
tells as soon that they can be again."""
SUB_TRIES, SUB_PAUSE = 2, 60.0
"""After so many failures in a row the sub-stream is left alone for so many seconds, and the main stream serves."""

Ailment = Literal["pictures_unreadable", "looks_failed", "looks_too_rare"]
"""Why nothing is seen of a camera though its pictures come."""


class Looks:
    """``wish`` tells what the rules want now; ``look`` takes one picture at a time, and may take its time.

    ``live`` tells whether the camera is connected; ``changed`` is called when ``rate_unmet`` or ``ailment`` has
    changed. ``sub`` is the sub-stream where there is one; it may be given, changed or taken away at any time.
    """

    def __init__(
        self,
        code: str,
        bus: FrameBus,
        wish: Callable[[], Wish],
        look: Callable[[Glimpse], Awaitable[None]],
        *,
        live: Callable[[], bool],
        budget: WakeBudget,
        decoding: Decoding,
        sub: OnDemandSource | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._code = code
        self._bus = bus
        self._rules_wish = wish
        self._look = look
        self._live = live
        self._changed = changed
        self._budget = budget
        self._decoding = decoding
        self.sub = sub
        self._gap = KeyframeGap()
        self._asked = (0.0, 0.0, 0.0)
        self._last_look = 0.0
        self._last_keyframe = 0.0
        self._live_since = 0.0
        self._looking = asyncio.Lock()
        self._keyframe_waits = False
        self._wants_more = asyncio.Event()
        self._awake: Awake | None = None
        self._held: OnDemandSource | None = None
        self._sub_away_from = -inf
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._seconds_before = 0.0
        self._seconds_keyframes = 0.0
        self._unreadable = self._failed = 0
        self._tried_at = 0.0
        self.rate_unmet = False
        self.ailment: Ailment | None = None
        self.unreadable = 0
        self.taken = 0

    def start(self) -> None:
        self._live_since = self._decoding.clock()
        self._tasks = (
            asyncio.create_task(self._at_keyframes(), name=f"looks-{self._code}"),
            asyncio.create_task(self._decide_again(), name=f"waking-{self._code}"),
        )

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sleep()
        self._budget.release(self._code)

    def ask(self, gap: float, seconds: float) -> None:
        """Somebody else than the rules (motion, the camera's own event) wants looks no further apart than ``gap`` for
        the coming ``seconds``. What a rule has in sight still comes first."""
        self._asked = gap, self._decoding.clock(), seconds

    @property
    def decoded(self) -> Decoded:
        """What is decoded now."""
        return "keyframes" if self._awake is None else self._awake.profile

    @property
    def seconds_awake(self) -> float:
        """Processor time that decoding more than keyframes has taken."""
        return self._seconds_before + (self._awake.seconds_used if self._awake is not None else 0.0)

    @property
    def seconds_decoding(self) -> float:
        """Processor time that all decoding has taken."""
        return self._seconds_keyframes + self.seconds_awake

    @property
    def wish(self) -> Wish:
        """What is wanted now, by the rules and by whoever asked."""
        wish = self._rules_wish()
        gap, asked_at, seconds = self._asked
        asked = 0 <= self._decoding.clock() - asked_at < seconds
        return replace(wish, gap=min(wish.gap, gap)) if asked else wish

    async def take(self, glimpse: Glimpse) -> None:
        """Look at a picture; one that comes while another is looked at is left out."""
        if not self._engaged:
            await self._take(glimpse)

    @property
    def _engaged(self) -> bool:
        """Whether a picture is looked at, or a keyframe comes next."""
        return self._keyframe_waits or self._looking.locked()

    async def _take(self, glimpse: Glimpse) -> None:
        async with self._looking:
            self._last_look = glimpse.arrival
            try:
                self.taken += 1
                before = self.wish.gap
                await self._look(glimpse)
                self._failed = 0
                if self.wish.gap < before:
                    self._wants_more.set()
            except Exception:  # one picture's fault must not leave the camera unwatched
                self._failed += 1
                log.exception("look_failed", camera=self._code)

    async def _at_keyframes(self) -> None:
        subscription = self._bus.subscribe("looks", 1, keyframes_only=True)
        try:
            async for frame in subscription:
                self._gap.came(frame.arrival)
                if self._unreadable and self._tried_within(TRIED_AGAIN, frame.arrival):
                    continue
                match self.decoded:
                    case "keyframes":
                        due = self._is_due(frame.arrival)
                    case "sub":  # it may take its time to show a first picture
                        again = self._keyframes_unreadable and not self._tried_within(TRIED_SELDOM, frame.arrival)
                        due = again or self._is_due(frame.arrival, late=LATE)
                    case "main":  # what lies between shows things less surely, and comes late where time is short
                        gap = min(self.wish.gap, AT_LEAST_EVERY)
                        due = is_due(frame.arrival, self._last_keyframe, gap, self._decoding.clock())
                if due:
                    await self._take_keyframe(frame)
        finally:
            subscription.close()

    @property
    def _keyframes_unreadable(self) -> bool:
        return self._unreadable >= MOST_FAILURES

    def _tried_within(self, seconds: float, arrival: float) -> bool:
        return 0 <= arrival - self._tried_at < seconds

    async def _take_keyframe(self, frame: EncodedFrame) -> None:
        before = self._last_look
        self._last_look = self._last_keyframe = self._tried_at = frame.arrival
        work = partial(self._of_keyframe, frame)
        threads = self._decoding.threads if self._awake is None else self._decoding.awake
        try:
            glimpse = await asyncio.get_running_loop().run_in_executor(threads, work)
        except PictureUnreadable as refused:
            log.info("keyframe_unreadable", camera=self._code, reason=refused.reason)
            return self._not_seen(frame, before)
        except Exception:  # nor may one that nobody foresaw
            log.exception("keyframe_failed", camera=self._code)
            return self._not_seen(frame, before)
        self._unreadable = 0
        self._keyframe_waits = True
        try:
            await self._take(glimpse)
        finally:
            self._keyframe_waits = False

    def _not_seen(self, frame: EncodedFrame, last_look: float) -> None:
        """What could not be decoded was no look: the next is due at once, unless another picture was seen meanwhile."""
        self.unreadable += 1
        self._unreadable += 1
        if self._last_look == frame.arrival:
            self._last_look = last_look

    def _of_keyframe(self, frame: EncodedFrame) -> Glimpse:
        begun = time.thread_time()
        try:
            return of_keyframe(frame, self._decoding.bounds(), "main", self._decoding.keyframes)
        finally:
            self._seconds_keyframes += time.thread_time() - begun

    def _is_due(self, arrival: float, late: float = 0.0) -> bool:
        gap = min(self.wish.gap, AT_LEAST_EVERY) + late
        return not self._engaged and is_due(arrival, self._last_look, gap, self._decoding.clock())

    async def _decide_again(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(DECIDE_EVERY):
                    await self._wants_more.wait()
            self._wants_more.clear()
            try:
                await self.decide()
            except Exception:  # nor without its decisions
                log.exception("waking_failed", camera=self._code)

    async def decide(self) -> None:
        """Wake the camera or let it sleep, as things are now; comes by itself twice a second, and at once after a look
        that calls for more."""
        now = self._decoding.clock()
        if self._live():
            unmet = await self._follow(self.wish, now)
        else:
            self._gap.forget()
            self._unreadable = self._failed = 0
            self._live_since, unmet = now, False
            await self._sleep()
            self._budget.release(self._code)
        ailment = self._what_ails(now)
        if (unmet, ailment) != (self.rate_unmet, self.ailment):
            if ailment != self.ailment:
                log.warning("camera_ails", camera=self._code, ailment=ailment)
            self.rate_unmet, self.ailment = unmet, ailment
            self._changed()

    def _what_ails(self, now: float) -> Ailment | None:
        if self._keyframes_unreadable:
            return "pictures_unreadable"
        if self._failed >= MOST_FAILURES:
            return "looks_failed"
        return "looks_too_rare" if self._awake is None and self._gap.seconds(now) > LONGEST_ABSENCE else None

    async def _follow(self, wish: Wish, now: float) -> bool:
        """Bring about what the wish needs; whether it stays unfulfilled."""
        gap = inf if self._keyframes_unreadable else self._gap.seconds(now)
        needed = to_decode(wish, gap, has_sub=self._usable_sub(now) is not None)
        await self._bring_about(needed, wish, now)
        self._live_since = min(self._live_since, now)
        since_last_look = now - max(self._last_look, self._live_since)
        return is_unmet(wish, since_last_look=since_last_look, needed=needed, awake=self._awake is not None)

    def _usable_sub(self, now: float) -> OnDemandSource | None:
        """The sub-stream, unless it has failed lately."""
        state = self.sub.state if self.sub is not None else None
        if state is not None and state.phase == "away" and state.failures >= SUB_TRIES:
            self._sub_away_from = now
        return None if 0 <= now - self._sub_away_from < SUB_PAUSE else self.sub

    async def _bring_about(self, needed: Decoded, wish: Wish, now: float) -> None:
        awake = self._awake
        if awake is not None:
            awake.reconsider()
        if needed == "keyframes":
            if awake is not None and 0 <= now - awake.needed_at <= STAY_AWAKE:
                return
            await self._sleep()
            self._budget.release(self._code)
            return
        if awake is not None and (awake.profile != needed or self._held is not (self.sub if needed == "sub" else None)):
            await self._sleep()
            awake = None
        cores = self._expected(needed) if awake is None else awake.cores(now, self._expected(needed))
        if not self._budget.hold(self._code, cores, urgent=wish.urgent, fire=wish.fire, now=now):
            await self._sleep()
        elif awake is None:
            self._wake(needed, wish)
        else:
            awake.needed_at = now

    def _wake(self, needed: Decoded, wish: Wish) -> None:
        log.info("camera_woken", camera=self._code, decoded=needed, gap=wish.gap, urgent=wish.urgent)
        bus = self._bus
        if needed == "sub" and self.sub is not None:
            self._held, bus = self.sub, self.sub.bus
            self._held.acquire()
        self._awake = Awake(
            "sub" if needed == "sub" else "main",
            bus,
            code=self._code,
            gap=lambda: self.wish.gap,
            due=self._is_due,
            take=self.take,
            decoding=self._decoding,
        )

    async def _sleep(self) -> None:
        awake, self._awake = self._awake, None
        held, self._held = self._held, None
        if held is not None:
            held.release()
        if awake is not None:
            await awake.stop()
            self._seconds_before += awake.seconds_used

    def _expected(self, needed: Decoded) -> float:
        key = self.sub.bus.last_keyframe if needed == "sub" and self.sub is not None else self._bus.last_keyframe
        if key is not None and key.width:
            return expected_cores("hevc" if key.codec == "hevc" else "h264", key.width, key.height)
        return SUB_STREAM_CORES if needed == "sub" else expected_cores("h264", 1920, 1080)
