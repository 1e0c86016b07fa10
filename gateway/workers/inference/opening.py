"""Weights opened once in a process of their own, to be seen to answer before they are in force again:
``python -m gateway.workers.inference.opening ENGINE CARD``.

Control itself loads no network: it would keep the memory, and end with a runtime that crashes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from detectors.engine import EngineName
from detectors.networks import open_networks
from detectors.refusals import WeightsRefused
from gateway.workers.logs import configure_logs

log = structlog.get_logger(__name__)

WITHIN = 20.0
"""Seconds: a door answers within 30."""
BEHIND = 5
"""Niceness, as the engine's."""
OPENS = (sys.executable, "-m", "gateway.workers.inference.opening")


def refuse_unopened(engine: EngineName, card: Path, *, within: float = WITHIN, opens: Sequence[str] = OPENS) -> None:
    """Raises ``WeightsRefused`` for weights that do not open or do not answer. What a machine is too busy, or has too
    little memory, to find out in time is held against none, and logged: bad ones must not stay in force for that."""
    try:
        done = subprocess.run(
            [*opens, engine, str(card)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=within, check=False
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        log.warning("weights_not_seen_to_open", card=str(card), detail=str(error))
        return
    if done.returncode == -signal.SIGKILL:  # nobody but the kernel, for want of memory
        log.warning("weights_not_seen_to_open", card=str(card), detail="killed")
        return
    for line in done.stdout.splitlines():
        said = _read(line)
        if "refused" in said:
            raise WeightsRefused(**said["refused"])
        if said.get("opened") is True and done.returncode == 0:
            return
    raise WeightsRefused(
        "weights_unusable",
        f"模型权重无法加载：{card}（进程退出码 {done.returncode}）",
        f"the weights of {card} cannot be loaded: the process ended with {done.returncode}",
    )


def _read(line: bytes) -> dict[str, Any]:
    """Of a line that is no answer (of the log, or a runtime's own) nothing."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def main(engine: EngineName, card: Path) -> None:
    try:
        open_networks(engine, card, 1)
        said: dict[str, object] = {"opened": True}
    except WeightsRefused as refused:
        said = {"refused": {"reason": refused.reason, "zh": refused.zh, "en": refused.en}}
    sys.stdout.write(f"\n{json.dumps(said)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.nice(BEHIND)
    configure_logs("json", process="opening")
    main(sys.argv[1], Path(sys.argv[2]))  # type: ignore[arg-type]  # as it was given
