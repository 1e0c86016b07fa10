"""A trial in a process of its own, behind everything else: ``python -m gateway.workers.trial FILM``, or the log of what
was seen at a camera instead of a film.

Reads one JSON object from standard input (``rules``, ``starts_at``, ``hours``, ``card``, ``engine``, and, where they
are tried for a camera, ``camera`` with its ``code``, ``view`` and the ``rejections`` there), writes
``{"progress": seconds}`` lines and in the end ``{"trial": …}`` or ``{"refused": …}``. FFmpeg and the engine may take
their time, or crash: nothing live notices.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from detectors.card_file import load_card
from detectors.refusals import WeightsRefused
from detectors.rules.parsing import parse_kept
from gateway.refusals import Refusal
from gateway.storage.look_files import is_look_log
from gateway.workers.camera.rejections import rejections_of
from gateway.workers.logs import configure_logs
from gateway.workers.trial.engine import opened
from gateway.workers.trial.trial import UnusableTried, try_rules, try_rules_on_looks

LAST = 15
"""Niceness: a trial takes what is left over."""
TOLD_EVERY = 5.0
"""Seconds of the film between two lines of progress."""


def say(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def work(film: Path, asked: dict[str, Any]) -> None:
    told = 0.0

    def progress(seconds: float) -> None:
        nonlocal told
        if seconds - told >= TOLD_EVERY:
            told = seconds
            say({"progress": seconds})

    try:
        # As they were kept, perhaps: a camera watches by those that can be used, whatever the door says of them now.
        kept = parse_kept(asked["rules"])
        rules = kept.usable
        camera = asked["camera"]
        rejections = camera and rejections_of(camera["code"], camera["rejections"], camera["view"])
        if is_look_log(film):
            card, view = load_card(Path(asked["card"])), camera["view"] if camera else ""
            trial = try_rules_on_looks(
                film,
                rules,
                card,
                view=view,
                rejections=rejections,
                starts_at=asked["starts_at"],
                hours=asked["hours"],
                progress=progress,
            )
        else:
            detector, ask = await asyncio.to_thread(opened, asked["engine"], Path(asked["card"]), 1)
            trial = await try_rules(
                film,
                rules,
                ask,
                detector.card,
                rejections=rejections,
                starts_at=float(asked["starts_at"]),
                progress=progress,
            )
        trial.unusable = [UnusableTried.of(one) for one in kept.unusable]
        say({"trial": trial.as_json()})
    except (Refusal, WeightsRefused) as refused:
        say({"refused": {"reason": refused.reason, "zh": refused.zh, "en": refused.en}})


if __name__ == "__main__":
    os.nice(LAST)
    configure_logs("json", process="trial")
    asyncio.run(work(Path(sys.argv[1]), json.loads(sys.stdin.read())))
