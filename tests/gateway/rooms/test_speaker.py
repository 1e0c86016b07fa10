"""Who speaks is told from levels alone, and not by every cough."""

from __future__ import annotations

from gateway.rooms.speaker import ActiveSpeaker


def test_the_loudest_speaks_a_cough_changes_nothing_and_a_new_speaker_takes_over_within_two_seconds() -> None:
    speaker, now = ActiveSpeaker(), 0.0

    def pass_time(seconds: float, levels: dict[str, int]) -> list[str | None]:
        nonlocal now
        seen = []
        for _ in range(int(seconds / 0.02)):
            now += 0.02
            for member, level in levels.items():
                speaker.hear(member, level, now)
            seen.append(speaker.judge(now))
        return seen

    assert set(pass_time(1, {"a": 127, "b": 90})) == {None}
    assert pass_time(1, {"a": 30, "b": 90})[-1] == "a"
    pass_time(1.5, {"a": 30, "b": 90})
    assert set(pass_time(0.1, {"a": 30, "b": 20})) == {"a"}, "a cough"
    pass_time(1, {"a": 30, "b": 90})
    assert pass_time(2, {"a": 127, "b": 30})[-1] == "b"
    assert pass_time(3, {"a": 127, "b": 127})[-1] == "b", "who spoke last stays"
    speaker.forget("b")
    assert speaker.judge(now) is None
