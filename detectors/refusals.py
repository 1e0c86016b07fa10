"""Why weights cannot be used, said so that somebody can act on it."""

from __future__ import annotations


class WeightsRefused(Exception):
    """The weights cannot be used. ``reason`` is stable; ``zh`` and ``en`` say what to do."""

    def __init__(self, reason: str, zh: str, en: str) -> None:
        super().__init__(f"{reason}: {en}")
        self.reason = reason
        self.zh = zh
        self.en = en


def classes_differ(found: object, card: tuple[str, ...]) -> WeightsRefused:
    """The network and its card do not mean the same classes, or not in the same order."""
    return WeightsRefused(
        "classes_differ",
        f"模型权重的类别（{found}）与模型卡（{card}）不符",
        f"the weights have other classes ({found}) than their card ({card})",
    )
