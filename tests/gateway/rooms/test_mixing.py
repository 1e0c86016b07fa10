"""Everybody hears everybody but themselves; what comes late is let go."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.rooms.mixing import LONGEST, RATE, TICK, Mixer, SoundCodec, SoundSource, SoundTarget


def tone(hertz: float, ticks: int) -> np.ndarray:
    times = np.arange(ticks * TICK) / RATE
    return (8000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)


def loudness(samples: np.ndarray, hertz: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    at = round(hertz * samples.size / RATE)
    return float(spectrum[at - 2 : at + 3].max() / samples.size)


@pytest.mark.parametrize("codec", ["opus", "pcm_alaw", "pcm_mulaw"])
def test_a_listener_hears_the_others_and_not_itself(codec: SoundCodec) -> None:
    mixer = Mixer()
    voices = {"a": 400.0, "b": 1000.0, "c": 2200.0}
    encoders = {member: SoundTarget(codec) for member in voices}
    heard: dict[str, list[np.ndarray]] = {"a": [], "b": [], "*": []}
    for tick in range(50):
        for member, hertz in voices.items():
            for packet in encoders[member].encode(tone(hertz, 50)[tick * TICK : (tick + 1) * TICK]):
                mixer.add(member, codec, packet)
        for member, samples in mixer.tick(heard).items():
            heard[member].append(samples)
    sound = {member: np.concatenate(parts[20:]).astype(float) for member, parts in heard.items()}
    for listener in heard:
        for member, hertz in voices.items():
            level = loudness(sound[listener], hertz)
            assert (level < 60) if member == listener else (level > 800), (listener, member, level)


def test_sound_that_comes_all_at_once_never_creeps_behind_and_nonsense_is_let_go() -> None:
    source, encoder = SoundSource("pcm_alaw"), SoundTarget("pcm_alaw")
    for packet in encoder.encode(tone(400, 50)):
        source.add(packet)
    taken = 0
    while source.take() is not None:
        taken += 1
    assert taken * TICK <= LONGEST
    opus = SoundSource("opus")
    opus.add(b"\xff" * 40)
    opus.add(b"")
    assert opus.take() is None
