"""From a camera worker to the engine and back over a real socket, while engines come and go."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs
from worker_parts import until

from detectors.card import Card, Counting, Density, Judging
from detectors.card_facts import MOST_PIXELS
from detectors.card_file import load_card
from detectors.engine import Detector, open_detector
from detectors.judge import Judge
from detectors.networks import CUES, WHOLE, Networks, crop_part
from detectors.observation import Box, Detection, Look
from detectors.refusals import WeightsRefused
from gateway.processes.channel import MAX_FRAME, Channel, connect, listen
from gateway.processes.messages import (
    AskCard,
    Configure,
    Done,
    LookAt,
    LookBeside,
    Message,
    Seen,
    SeenObject,
    SharePictures,
    TakeSnapshot,
    WorkerReady,
)
from gateway.processes.shared_pictures import PictureMemory, SharedPictures
from gateway.refusals import Refusal
from gateway.settings import InferenceSettings, Settings, WorkerSettings
from gateway.workers.camera import inference_link
from gateway.workers.camera.eye import UNTOLD, Eye
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.camera.inference_link import InferenceLink, Looked
from gateway.workers.camera.sight import Sight
from gateway.workers.inference import server as inference_server
from gateway.workers.inference.hang import HUNG
from gateway.workers.inference.server import FAILED, MOST_SHOWN, EngineFailed, InferenceServer
from gateway.workers.inference.shadow import Shadow, kept_differences
from models import shipped

IN_FORCE = load_card(shipped.CARD)

# The small network that the engine's own tests build.
_spec = importlib.util.spec_from_file_location("red_finder", Path(__file__).parents[2] / "detectors" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
network: Any = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = network
_spec.loader.exec_module(network)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """A real engine, whose network takes red for fire."""
    folder, data = tmp_path_factory.mktemp("weights"), network.red_finder()
    (folder / "tiny.onnx").write_bytes(data)
    card = {
        "name": "tiny",
        "sha256": hashlib.sha256(data).hexdigest(),
        "classes": list(network.CLASSES),
        "input_size": [network.SIDE, network.SIDE],
        "stride": 32,
        "thresholds": dict.fromkeys(network.CLASSES, 0.5),
        "precision": "fp32",
        "licence": "AGPL-3.0",
        "note": "made for a test",
    }
    (folder / "tiny.json").write_text(json.dumps(card))
    return open_detector("onnxruntime", folder / "tiny.json", 1)


class SlowDetector:
    """An engine that looks as long as the test wants."""

    def __init__(self, inner: Detector, card: Card | None = None) -> None:
        self._inner = inner
        self.card = card or inner.card
        self.begun, self.may_end = threading.Event(), threading.Event()

    at_once = 1
    compiling = False

    def detect(self, picture: NDArray[np.uint8], **_how: object) -> tuple[Detection, ...]:
        self.begun.set()
        self.may_end.wait(5)
        return self._inner.detect(picture)


@asynccontextmanager
async def engine(
    path: Path, looking_by: Detector | Networks, shadow: Shadow | None = None
) -> AsyncIterator[InferenceServer]:
    """The server as the inference process runs it."""
    server = InferenceServer(looking_by if isinstance(looking_by, Networks) else Networks(looking_by), shadow)
    looking = asyncio.create_task(server.run_engine())
    listening = await listen(path, server.accept)
    try:
        yield server
    finally:
        listening.close()
        await server.close()
        looking.cancel()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "inference.sock"


@pytest.fixture
async def link(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InferenceLink]:
    monkeypatch.setattr(inference_link, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(inference_link, "PAUSE", 0.02)
    found = InferenceLink(path)
    found.start()
    yield found
    await found.stop()


@asynccontextmanager
async def asked_by_hand(path: Path) -> AsyncIterator[Channel]:
    """A peer that may say what no camera worker would."""

    async def nothing(_message: Message) -> Message | None:
        return Done()

    channel = await connect(path, nothing, name="other", timeout=2)
    running = asyncio.create_task(channel.run())
    yield channel
    channel.close()
    await running


def pixels(*, red: bool = True) -> NDArray[np.uint8]:
    drawn = np.zeros((64, 64, 3), np.uint8)
    if red:
        drawn[:16, :16] = (0, 0, 255)
    return drawn


async def look(
    link: InferenceLink,
    code: str = "a",
    *,
    red: bool = True,
    in_time: float = 30.0,
    timeout: float = 30.0,
    part: str = WHOLE,
) -> Looked | None:
    now = time.time()
    return await link.look(code, pixels(red=red), taken_at=now, deadline=now + in_time, timeout=timeout, part=part)


def failed(server: InferenceServer) -> bool:
    try:
        server.samples()
    except EngineFailed:
        return True
    return False


def counted(server: InferenceServer) -> dict[str, float]:
    return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in server.samples()}


def of_shadow(server: InferenceServer, name: str) -> float:
    (value,) = (sample.value for sample in server.samples() if sample.name == name)
    return value


async def test_what_the_engine_sees_comes_back_with_the_weights_it_saw_it_with(
    link: InferenceLink, path: Path, detector: Detector
) -> None:
    async with engine(path, detector) as server:
        await until(lambda: link.connected)
        now = time.time()
        looked = await link.look("a", pixels(), taken_at=now, deadline=now + 30, timeout=30)
        assert looked is not None
        (fire,) = looked.seen.objects
        assert (fire.label, looked.card, looked.seen.taken_at) == ("fire", detector.card, now)
        assert (fire.x1, fire.y1, fire.x2, fire.y2) == pytest.approx((0, 0, 0.25, 0.25), abs=0.01)
        assert await look(link, red=False) is not None
        assert counted(server)["gateway_looks_total"] == 2
    assert link.unanswered == 0


async def test_a_crop_and_a_picture_with_a_candidate_come_back_with_what_the_judge_says(
    link: InferenceLink, path: Path, detector: Detector, tmp_path: Path
) -> None:
    data = network.red_judge()
    (tmp_path / "judge.onnx").write_bytes(data)
    named = Judging("judge.onnx", hashlib.sha256(data).hexdigest(), ("fire", "smoke"))
    async with engine(path, Networks(detector, judge=Judge(named, tmp_path / "judge.onnx", 1))):
        await until(lambda: link.connected)
        crop = await look(link, part=crop_part(0))
        whole = await look(link)
        quiet = await look(link, red=False)
        assert crop is not None
        assert whole is not None
        assert quiet is not None
        assert crop.seen.judged == pytest.approx({"fire": 1 / 16, "smoke": 0}, abs=0.01)
        assert whole.seen.judged == pytest.approx({"fire": 1 / 32, "smoke": 0}, abs=0.01)
        assert quiet.seen.judged == {}


class SeesNothing:
    """New weights that are blind, on the same line as those in force."""

    at_once = 1
    precision = "fp32"

    def __init__(self, card: Card) -> None:
        self.card = card

    def detect(self, _picture: NDArray[np.uint8], **_how: object) -> tuple[Detection, ...]:
        return ()


async def test_new_weights_are_shown_whole_what_the_engine_asks_for_and_what_counted_in_it_is_compared(
    link: InferenceLink, path: Path, detector: Detector, tmp_path: Path
) -> None:
    shadow = Shadow(Networks(SeesNothing(detector.card)), tmp_path / "shadow")
    eye, red = Eye(link, time.time), np.zeros((128, 128, 3), np.uint8)
    red[:32, :32] = (0, 0, 255)
    glimpse = Glimpse(np.ascontiguousarray(red[::2, ::2]), (128, 128), time.time(), "main", lambda: red)
    async with engine(path, detector, shadow) as server:
        await until(lambda: link.connected)
        ask = eye.of("a", glimpse.arrival, 1.0)
        look = await Sight().look(glimpse, ask, count=False)
        assert look is not None
        assert ask.beside
        again = eye.of("b", glimpse.arrival, 1.0)
        await again(glimpse.small, WHOLE)
        assert not again.beside, "one at a time"
        eye.show("a", glimpse, look, counts=False, stalls=None, in_thread=asyncio.to_thread)
        await until(lambda: of_shadow(server, "gateway_shadow_differing_total") == 1)
        (kept,) = kept_differences(tmp_path / "shadow")
        assert [(one["seen_by"], one["label"]) for one in kept["differences"]] == [("old", "fire")]
        await again(glimpse.small, WHOLE)
        assert again.beside, "and then the next"


@pytest.mark.parametrize(
    ("small", "full", "shown"),
    [
        ((1664, 3004), (2160, 3895), (1664, 3004)),  # near the five megapixels that an input may have
        ((1600, 1600), (2000, 2000), (1637, 1637)),
        ((1500, 1500), (1500, 1500), (1500, 1500)),
        ((384, 640), (1152, 1920), (1152, 1920)),
        ((384, 640), (2304, 3840), (1152, 1920)),
    ],
)
async def test_a_picture_for_whatever_input_is_shown_to_new_weights_as_large_as_the_line_takes_it(
    link: InferenceLink,
    path: Path,
    detector: Detector,
    tmp_path: Path,
    small: tuple[int, int],
    full: tuple[int, int],
    shown: tuple[int, int],
) -> None:
    """Those of large inputs never came, and nobody was told: weights were promoted on the looks of other cameras."""
    fulls: list[tuple[int, ...]] = []

    class Sees(Shadow):
        async def compare(self, code: str, glimpse: Glimpse, *about: Any, **how: Any) -> None:
            fulls.append(glimpse.full().shape[:2])
            await super().compare(code, glimpse, *about, **how)

    glimpse = Glimpse(
        np.zeros((*small, 3), np.uint8), full[::-1], time.time(), "main", lambda: np.zeros((*full, 3), np.uint8)
    )
    many = tuple(Detection("fire", 0.5, Box(0.1, 0.1, 0.2, 0.2)) for _ in range(MOST_SHOWN))
    look = Look(glimpse.arrival, many, detector.card.sha256, detector.card.name)
    eye = Eye(link, time.time)
    async with engine(path, detector, Sees(Networks(SeesNothing(detector.card)), tmp_path / "shadow")) as server:
        await until(lambda: link.connected)
        eye.show("a", glimpse, look, counts=False, stalls=None, in_thread=asyncio.to_thread)
        await until(lambda: of_shadow(server, "gateway_shadow_looks_total") == 1)
    assert fulls == [shown]


async def test_without_an_engine_nothing_is_seen_and_that_is_counted(link: InferenceLink) -> None:
    assert not link.connected
    assert await look(link) is None
    assert await look(link) is None
    assert link.unanswered == 2


async def test_an_engine_that_comes_back_is_used_again(link: InferenceLink, path: Path, detector: Detector) -> None:
    for _life in range(2):
        async with engine(path, detector):
            await until(lambda: link.connected)
            assert await look(link) is not None
        await until(lambda: not link.connected)
        assert await look(link) is None
    assert link.unanswered == 2


async def test_an_engine_is_used_again_though_the_line_to_it_broke_for_want_of_memory(
    link: InferenceLink, path: Path, detector: Detector
) -> None:
    """Only the end of a peer was foreseen: after any other error nobody connected again, and nothing was looked at."""
    async with engine(path, detector):
        await until(lambda: link.connected)
        line = link._line
        assert line is not None
        line.channel._reader.set_exception(OSError(errno.ENOBUFS, "No buffer space available"))
        await until(lambda: link._line not in (None, line))
        assert await look(link) is not None


async def test_each_answer_comes_with_the_card_of_the_engine_that_gave_it(
    link: InferenceLink, path: Path, detector: Detector
) -> None:
    """Weights may be promoted while one camera worker lives on; thresholds alone may differ, of the same sha256."""
    eye, pixels = Eye(link, time.time), np.zeros((64, 64, 3), np.uint8)
    assert eye.input_size() == UNTOLD
    cards = (
        detector.card,
        replace(detector.card, thresholds={**detector.card.thresholds, "fire": 0.9}),
        replace(
            detector.card,
            sha256="ab" * 32,
            input_size=(96, 160),
            counting=Counting(2, 2, 0.2, 5, 0.3),
            density=Density("dense.onnx", "cd" * 32, 5, 0.45, 640),
        ),
    )
    for card in cards:
        looking_by = SlowDetector(detector, card)
        looking_by.may_end.set()
        async with engine(path, looking_by):
            await until(lambda: link.connected)
            answer = await eye.of("a", time.time(), 1.0)(pixels, WHOLE)
            assert answer is not None
            assert answer.card == card
            assert eye.input_size() == card.input_size
        await until(lambda: not link.connected)
        assert eye.input_size() == card.input_size, "pictures are made for the last engine until another comes"


async def test_an_engine_that_does_not_say_its_card_is_asked_for_nothing(link: InferenceLink, path: Path) -> None:
    asked: list[Message] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def answer(message: Message) -> Message | None:
            asked.append(message)
            return Done()

        await Channel(reader, writer, answer, name="mute").run()

    listening = await listen(path, accept)
    await until(lambda: len(asked) > 1)
    assert not link.connected
    assert await look(link) is None
    assert set(asked) == {AskCard()}
    listening.close()


async def test_who_waits_for_an_engine_that_dies_is_told_at_once(
    link: InferenceLink, path: Path, detector: Detector
) -> None:
    slow = SlowDetector(detector)
    try:
        async with engine(path, slow):
            await until(lambda: link.connected)
            looking = asyncio.create_task(look(link))
            await until(slow.begun.is_set)
        async with asyncio.timeout(30):
            assert await looking is None
    finally:
        slow.may_end.set()
    assert link.unanswered == 1


@pytest.mark.parametrize("turns", range(10))
async def test_told_to_stop_while_its_engine_dies_it_stops(path: Path, detector: Detector, turns: int) -> None:
    """Whatever turn of the loop the word comes in: in one of them it was lost, and the worker never ended."""
    link = InferenceLink(path)
    async with engine(path, detector) as server:
        link.start()
        await until(lambda: link.connected)
        parting = asyncio.create_task(server.close())
        for _ in range(turns):
            await asyncio.sleep(0)
        stopping = asyncio.create_task(link.stop())
        stopped, _ = await asyncio.wait({stopping}, timeout=3)
        assert stopping in stopped
        await parting


async def test_an_engine_that_takes_too_long_is_not_waited_for(
    link: InferenceLink, path: Path, detector: Detector
) -> None:
    slow = SlowDetector(detector)
    async with engine(path, slow):
        await until(lambda: link.connected)
        assert await look(link, timeout=0.05) is None
        assert link.unanswered == 1
        slow.may_end.set()
        assert await look(link, "b") is not None


async def test_no_picture_waits_for_the_parts_of_a_stall_which_are_looked_for_one_at_a_time(
    link: InferenceLink, path: Path, detector: Detector
) -> None:
    class Slow:
        begun, may_end, at_once, most = 0, threading.Event(), 0, 0

        def find(self, _picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
            self.begun, self.at_once = self.begun + 1, self.at_once + 1
            self.most = max(self.most, self.at_once)
            self.may_end.wait(10)
            self.at_once -= 1
            return ()

    slow = Slow()
    async with engine(path, Networks(detector, cues=slow)) as server:  # type: ignore[arg-type]
        await until(lambda: link.connected)
        parts = [asyncio.create_task(look(link, code, part=CUES)) for code in "abcdef"]
        await until(lambda: slow.begun == 1 and counted(server)["gateway_looks_waiting"] == 5)
        for code in "abcdef":
            assert await look(link, code) is not None
        slow.may_end.set()
        assert all(looked is not None for looked in await asyncio.gather(*parts))
    assert (slow.begun, slow.most) == (6, 1)


@pytest.mark.parametrize(("rest", "asked_meanwhile"), [(30.0, 1), (0.01, 2)])
async def test_while_looks_wait_parts_of_stalls_are_looked_for_seldom_but_are(
    link: InferenceLink,
    path: Path,
    detector: Detector,
    monkeypatch: pytest.MonkeyPatch,
    rest: float,
    asked_meanwhile: int,
) -> None:
    class Counting:
        begun = 0

        def find(self, _picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
            self.begun += 1
            return ()

    monkeypatch.setattr(inference_server, "REST", rest)
    monkeypatch.setattr(inference_server, "BACKLOG", 1)
    slow, finder = SlowDetector(detector), Counting()
    async with engine(path, Networks(slow, cues=finder)) as server:  # type: ignore[arg-type]
        await until(lambda: link.connected)
        looks = [asyncio.create_task(look(link, code)) for code in "abc"]
        await until(lambda: slow.begun.is_set() and counted(server)["gateway_looks_waiting"] == 2)
        parts = [asyncio.create_task(look(link, code, part=CUES)) for code in "ab"]
        await until(lambda: finder.begun == asked_meanwhile)
        await asyncio.sleep(0.1)
        assert finder.begun == asked_meanwhile
        slow.may_end.set()
        assert all(looked is not None for looked in await asyncio.gather(*looks, *parts))
    assert finder.begun == 2


async def test_a_picture_of_no_size_is_refused_and_hurts_no_other(
    link: InferenceLink, path: Path, detector: Detector
) -> None:
    async with engine(path, detector) as server:
        await until(lambda: link.connected)
        now, nothing = time.time(), np.zeros((0, 0, 3), np.uint8)
        assert await link.look("a", nothing, taken_at=now, deadline=now + 30, timeout=30) is None
        assert await look(link) is not None
        assert counted(server)["gateway_looks_total"] == 1
    assert link.unanswered == 1


async def test_pictures_lie_in_shared_memory_and_cross_the_channel_where_no_slot_takes_them(
    link: InferenceLink, path: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_memory", PictureMemory(slots=2, slot_bytes=64 * 64 * 3))
    slow, crossed = SlowDetector(detector), list[bool]()
    async with engine(path, slow) as server:
        asked = server.look

        async def noted(question: LookAt, picture: NDArray[np.uint8], asker: int) -> Seen:
            crossed.append(isinstance(question.picture, bytes))
            assert asker == os.getpid(), "whoever asks is known by the kernel's word, not by his own"
            return await asked(question, picture, asker)

        monkeypatch.setattr(server, "look", noted)
        await until(lambda: link.connected)
        three = [asyncio.create_task(look(link, code)) for code in "abc"]
        await until(lambda: len(crossed) == 3)
        slow.may_end.set()
        for looked in await asyncio.gather(*three):
            assert looked is not None
            assert [one.label for one in looked.seen.objects] == ["fire"]
        large, now = np.full((128, 64, 3), 255, np.uint8), time.time()
        assert await link.look("d", large, taken_at=now, deadline=now + 30, timeout=30) is not None
        assert await look(link) is not None  # the slots are free again
    assert crossed == [False, False, True, True, False]


async def test_a_picture_too_large_to_cross_the_channel_counts_as_not_looked_at_and_hurts_no_other(
    link: InferenceLink, path: Path, detector: Detector
) -> None:
    large, now = np.zeros((2160, 3840, 3), np.uint8), time.time()
    async with engine(path, detector) as server:
        await until(lambda: link.connected)
        with capture_logs() as logs:
            assert await link.look("a", large, taken_at=now, deadline=now + 30, timeout=30) is None
            shown = LookBeside("a", now, large.tobytes(), 3840, 2160, b"", 0, 0, [], counts=False)
            link.tell(shown, detector.card.sha256)
        assert await look(link) is not None
        assert counted(server)["gateway_looks_total"] == 1
    assert link.unanswered == 1
    refused = [one["event"] for one in logs if one.get("reason") == "picture_too_large"]
    assert refused == ["look_refused", "engine_not_told"]


def test_whatever_input_a_card_has_its_pictures_can_be_sent() -> None:
    assert 3 * MOST_PIXELS + 10_000 <= MAX_FRAME


async def test_where_the_engine_cannot_reach_the_memory_pictures_cross_the_channel(
    link: InferenceLink, path: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise Refusal("invalid", "memory_unusable", "共享内存无法使用", "the memory cannot be used")

    monkeypatch.setattr(SharedPictures, "of", unreachable)
    async with engine(path, detector):
        await until(lambda: link.connected)
        looked = await look(link)
    assert looked is not None
    assert [one.label for one in looked.seen.objects] == ["fire"]


async def test_late_and_replaced_pictures_are_dropped_and_counted(
    link: InferenceLink, path: Path, detector: Detector
) -> None:
    slow = SlowDetector(detector)
    async with engine(path, slow) as server:
        await until(lambda: link.connected)
        first = asyncio.create_task(look(link, "busy"))
        await until(slow.begun.is_set)
        older = asyncio.create_task(look(link, "a"))
        await until(lambda: counted(server)["gateway_looks_waiting"] == 1)
        newer = asyncio.create_task(look(link, "a"))
        late = asyncio.create_task(look(link, "b", in_time=-1.0))
        assert await older is None
        await until(lambda: counted(server)["gateway_looks_waiting"] == 2)
        slow.may_end.set()
        assert await late is None
        assert await newer is not None
        assert await first is not None
        found = counted(server)
        assert (found["gateway_looks_dropped_total late"], found["gateway_looks_dropped_total replaced"]) == (1, 1)
        assert found["gateway_looks_total"] == 2
    assert link.unanswered == 2


async def test_the_engine_is_asked_to_look_and_for_nothing_else(path: Path, detector: Detector) -> None:
    async def nothing(_message: Message) -> Message | None:
        return Done()

    async with engine(path, detector):
        channel = await connect(path, nothing, name="other", timeout=2)
        running = asyncio.create_task(channel.run())
        with pytest.raises(Refusal, match="unexpected_message"):
            await channel.request(TakeSnapshot("a"), timeout=30)
        now = time.time()
        whole = LookAt("a", pixels().tobytes(), 64, 64, now, now + 30)
        with pytest.raises(Refusal, match="picture_size"):
            await channel.request(msgspec.structs.replace(whole, width=100), timeout=30)
        with pytest.raises(Refusal, match="no_memory"):
            await channel.request(msgspec.structs.replace(whole, picture=0), timeout=30)
        with pytest.raises(Refusal, match="memory_unusable"):
            await channel.request(SharePictures(999, 4096), timeout=30)
        assert isinstance(await channel.request(whole, timeout=30), Seen)
        channel.close()
        await running


@pytest.mark.parametrize(
    "lie",
    [
        {"urgency": float("inf")},
        {"urgency": float("nan")},
        {"urgency": -1.0},
        {"urgency": 1e300},
        {"taken_at": float("inf")},
        {"deadline": float("nan")},
        {"deadline": 1e18},
        {"code": "9" * 1000},
        {"part": "crop-" + "9" * 1000},
    ],
)
async def test_a_worker_gone_wrong_cannot_put_itself_before_all_other_cameras(
    path: Path, detector: Detector, lie: dict[str, Any]
) -> None:
    async with engine(path, detector) as server, asked_by_hand(path) as channel:
        now = time.time()
        honest = LookAt("a", pixels().tobytes(), 64, 64, now, now + 30)
        with pytest.raises(Refusal, match="look_invalid"):
            await channel.request(msgspec.structs.replace(honest, **lie), timeout=30)
        assert isinstance(await channel.request(honest, timeout=30), Seen)
        assert counted(server)["gateway_looks_total"] == 1


@pytest.mark.parametrize(
    "lie",
    [
        {"code": "../9"},
        {"taken_at": float("nan")},
        {"taken_at": 1e12},  # no calendar has that year: the page that shows them could not be had either
        {"taken_at": -1.0},
        {"stalls": (0.0, 0.0, float("inf"), 1.0)},
        {"objects": [SeenObject("fire", float("nan"), 0.1, 0.1, 0.2, 0.2)]},
        {"objects": [SeenObject("fire", 0.5, 0.1, 0.1, 0.2, 0.2)] * 6001},
    ],
)
async def test_what_a_worker_gone_wrong_says_it_saw_is_compared_with_nothing(
    path: Path, detector: Detector, tmp_path: Path, lie: dict[str, Any]
) -> None:
    """A score that is no number once lay among the differences, and the page that shows them could not be had."""
    async with (
        engine(path, detector, Shadow(Networks(detector), tmp_path / "shadow")) as server,
        asked_by_hand(path) as channel,
    ):
        raw = pixels(red=False).tobytes()
        shown = LookBeside("a", time.time(), raw, 64, 64, raw, 64, 64, [], counts=False)
        with pytest.raises(Refusal, match="look_invalid"):
            await channel.request(msgspec.structs.replace(shown, **lie), timeout=30)
        assert isinstance(await channel.request(shown, timeout=30), Done)
        await until(lambda: of_shadow(server, "gateway_shadow_looks_total") == 1)
    assert not list(kept_differences(tmp_path / "shadow"))


def test_new_weights_that_fail_in_a_way_nobody_foresaw_leave_the_old_ones_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> Networks:
        raise RuntimeError("a runtime that nobody foresaw")

    monkeypatch.setattr(inference_server, "open_networks", fails)
    beside = InferenceSettings(shadow=shipped.CARD)
    settings = WorkerSettings.model_construct(data_folder=tmp_path, inference=beside)
    refused = inference_server._shadow(settings, replace(IN_FORCE, card_sha256="ab" * 32))
    assert isinstance(refused, WeightsRefused)
    assert refused.reason == "unforeseen"


def test_each_count_of_the_engine_says_of_which_weights_it_is(tmp_path: Path, detector: Detector) -> None:
    """The file that the settings name is another by the time at which the counts are read."""
    card = load_card(shipped.CARD)
    server = InferenceServer(Networks(detector), Shadow(Networks(SeesNothing(card)), tmp_path))
    of = {"sha256": card.sha256, "card_sha256": card.card_sha256}
    told = {sample.name: sample.labels for sample in server.samples()}
    for name in ("looks", "differing", "gave_way"):
        assert told[f"gateway_shadow_{name}_total"] == of
    runs = detector.card
    assert told["gateway_weights_info"] == {
        "weights": runs.name,
        "sha256": runs.sha256,
        "card_sha256": runs.card_sha256,
    }


def test_weights_in_shadow_that_the_engine_refuses_are_told_with_the_reason(tmp_path: Path, detector: Detector) -> None:
    beside = InferenceSettings(shadow=tmp_path / "none.json")
    settings = WorkerSettings.model_construct(data_folder=tmp_path, inference=beside)
    server = InferenceServer(Networks(detector), inference_server._shadow(settings, IN_FORCE))
    told = {sample.name: sample.labels for sample in server.samples()}
    assert told["gateway_shadow_refused"] == {"reason": "card_missing"}
    assert "gateway_shadow_looks_total" not in told


def test_a_card_with_another_judge_beside_the_same_detector_is_another_in_shadow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken for the one in force, and never looked."""
    card = tmp_path / "judge.json"
    facts = json.loads(shipped.CARD.read_text())
    card.write_text(json.dumps({**facts, "judge": {**facts["judge"], "sha256": "ab" * 32}}))
    opened = Networks(SeesNothing(load_card(card)))
    monkeypatch.setattr(inference_server, "open_networks", lambda *_: opened)
    settings = WorkerSettings.model_construct(data_folder=tmp_path, inference=InferenceSettings(shadow=card))
    assert load_card(card).sha256 == IN_FORCE.sha256
    assert isinstance(inference_server._shadow(settings, IN_FORCE), Shadow)
    assert inference_server._shadow(settings, load_card(card)) is None


def test_where_no_weights_are_in_shadow_no_picture_is_kept_for_their_sake(tmp_path: Path) -> None:
    folder = tmp_path / "shadow"
    folder.mkdir()
    for kind, content in (("json", '{"new_weights": "ab"}'), ("jpg", "picture")):
        (folder / f"000000000000001-9.{kind}").write_text(content)
    settings = WorkerSettings.model_construct(data_folder=tmp_path, inference=InferenceSettings())
    assert inference_server._shadow(settings, IN_FORCE) is None
    assert list(folder.iterdir()) == []


async def test_an_engine_that_never_answers_fails(
    link: InferenceLink, path: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_server, "TURN", 0.005)
    slow = SlowDetector(detector)
    async with engine(path, slow) as server:
        await until(lambda: link.connected)
        asked = asyncio.create_task(look(link))
        await until(slow.begun.is_set)
        assert counted(server)
        await until(lambda: failed(server))
    slow.may_end.set()
    assert await asked is None


async def test_an_engine_that_compiles_is_waited_for(
    link: InferenceLink, path: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_server, "TURN", 0.005)
    slow = SlowDetector(detector)
    slow.compiling = True
    async with engine(path, slow) as server:
        await until(lambda: link.connected)
        asked = asyncio.create_task(look(link))
        await until(slow.begun.is_set)
        await asyncio.sleep(3 * HUNG * 0.005)
        assert counted(server)
        slow.may_end.set()
        assert await asked is not None


async def test_where_one_that_feeds_the_engine_ends_the_engine_fails_and_says_why(
    link: InferenceLink, path: Path, detector: Detector, tmp_path: Path
) -> None:
    """Its process once lived on, and nothing was seen any more."""

    class Faulty(Shadow):
        def wants(self, seen: Sequence[Detection]) -> bool:
            raise RuntimeError("a fault that nobody foresaw")

    faulty = Faulty(Networks(detector), tmp_path / "shadow")
    with capture_logs() as logs:
        async with engine(path, detector, faulty) as server:
            await until(lambda: link.connected)
            asked = asyncio.create_task(look(link))
            await until(lambda: failed(server))
    assert await asked is None
    assert [one["detail"] for one in logs if one["event"] == "engine_failed"] == ["a fault that nobody foresaw"]


HANGING = """
import threading

from detectors.card_file import load_card
from detectors.networks import Networks
from gateway.workers import attachment
from gateway.workers.inference import server
from models import shipped


class Hangs:
    card = load_card(shipped.CARD)
    at_once, precision, compiling = 1, "fp32", False

    def detect(self, _picture, **_how):
        threading.Event().wait()


server.open_networks = lambda *_: Networks(Hangs())
server.TURN = attachment.METRICS_EVERY = 0.01
attachment.main(server.open_inference)
"""


@asynccontextmanager
async def begun(script: str, settings: WorkerSettings, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of its own, as control begins one."""

    async def control(message: Message) -> Message | None:
        return Configure(settings.model_dump(mode="json")) if isinstance(message, WorkerReady) else None

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Channel(reader, writer, control, name="control").run()

    socket = folder / "control.sock"
    listening = await listen(socket, accept)
    arguments = ["-c", script, "--name", "inference", "--socket", str(socket)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        listening.close()


async def test_a_process_whose_engine_hangs_ends_at_once_and_says_why(
    link: InferenceLink, path: Path, tmp_path: Path
) -> None:
    """The interpreter waits for its threads: the supervisor once had to find out by half a minute's silence."""
    settings = Settings(data_folder=tmp_path).for_workers()
    async with begun(HANGING, settings, tmp_path) as process:
        await until(lambda: link.connected)
        asked = asyncio.create_task(look(link))
        _, said = await asyncio.wait_for(process.communicate(), 10)
        assert await asked is None
    assert process.returncode == FAILED
    assert '"reason": "EngineHung"' in said.decode()


BESIDE = """
import threading

from detectors.card_file import load_card
from detectors.networks import Networks
from gateway.workers import attachment
from gateway.workers.inference import server
from models import shipped


class SeesNothing:
    card = load_card(shipped.CARD)
    at_once, precision, compiling = 1, "fp32", False

    def detect(self, _picture, **_how):
        return ()


def opened(_engine, card, _threads):
    if card != shipped.CARD:
        threading.Event().wait()
    return Networks(SeesNothing())


server.open_networks = opened
attachment.main(server.open_inference)
"""


async def test_no_camera_waits_for_new_weights_that_are_never_done_loading_nor_does_the_end(
    link: InferenceLink, path: Path, tmp_path: Path, shadow_card: Path
) -> None:
    """They were opened before anybody was let in: the engine in force was killed as silent, again and again."""
    beside = InferenceSettings(shadow=shadow_card)
    settings = Settings(data_folder=tmp_path, inference=beside).for_workers()
    async with begun(BESIDE, settings, tmp_path) as process:
        await until(lambda: link.connected)
        assert await look(link) is not None
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_a_worker_that_sends_pictures_without_end_fills_no_memory_but_its_own(
    path: Path, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, raw = SlowDetector(detector), pixels().tobytes()
    monkeypatch.setattr(inference_server, "MOST_HELD", 2 * len(raw))
    async with engine(path, slow), asked_by_hand(path) as flood, asked_by_hand(path) as honest:
        now = time.time()
        ask = [LookAt(code, raw, 64, 64, now, now + 30) for code in "abc"]
        two = [asyncio.create_task(flood.request(one, timeout=30)) for one in ask[:2]]
        await until(slow.begun.is_set)
        with pytest.raises(Refusal, match="too_much_waits"):
            await flood.request(ask[2], timeout=30)
        other = asyncio.create_task(honest.request(ask[2], timeout=30))
        slow.may_end.set()
        assert all(isinstance(one, Seen) for one in await asyncio.gather(*two, other))
        assert isinstance(await flood.request(ask[2], timeout=30), Seen)
