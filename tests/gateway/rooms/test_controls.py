"""The rules of a consultation, without media, database or time of their own."""

from __future__ import annotations

import msgspec
import pytest

from gateway.refusals import Refusal
from gateway.rooms.arrangement import Arrangement, arranged
from gateway.rooms.consultation import CAMERA, ONE_STREAM, Consultation, Seat, joined, left, read
from gateway.rooms.controls import CONTROLS, Actor, Asked, Order, advanced, carry_out, has_ended

CHAIR, OTHER = Actor("li", chair=True), Actor("wang", chair=False)


def consultation() -> Consultation:
    state = Consultation()
    for seat in (
        Seat("hall", "person", "指挥大厅", "li", chair=True),
        Seat("town", "person", "东镇", "wang"),
        Seat("dept", "person", "城管局", "zhao"),
        Seat("term", "terminal", "社区终端", "sip:9@net", media=ONE_STREAM),
        Seat("cam1", "camera", "路口东", camera_code="1", media=CAMERA),
        Seat("cam2", "camera", "路口西", camera_code="2", media=CAMERA),
    ):
        state = joined(state, seat, may_enter=True)
    return state


def ordered(state: Consultation, name: str, actor: Actor = CHAIR, now: float = 0.0, **asked: object) -> Consultation:
    return carry_out(name, state, Order(Asked(**asked), actor, now)).state  # type: ignore[arg-type]


def heard(state: Consultation) -> set[str]:
    arrangement = arranged(state)
    return {one for one in ("hall", "town", "dept", "term") if arrangement.sends_sound(one)}


def test_every_control_of_the_chair_is_refused_to_a_member_and_changes_nothing() -> None:
    state = consultation()
    for name, control in CONTROLS.items():
        if control.chair:
            with pytest.raises(Refusal, match="control_above_role"):
                ordered(state, name, OTHER, member="dept")
    assert state == consultation()
    with pytest.raises(Refusal, match="control_unknown"):
        ordered(state, "open_the_safe")


def test_a_member_controls_its_own_seat_only() -> None:
    state = ordered(consultation(), "ask_to_speak", OTHER, member="town")
    assert state.seats["town"].asks_to_speak
    for name in ("ask_to_speak", "withdraw_request", "watch", "share_screen"):
        with pytest.raises(Refusal, match="member_not_yours"):
            ordered(state, name, OTHER, member="dept", layout="4")
    state = ordered(ordered(state, "mute", member="town"), "allow_to_speak", member="town")
    assert not state.seats["town"].asks_to_speak
    assert "town" in heard(state)


def test_who_is_muted_or_only_listens_is_heard_by_nobody_and_who_only_speaks_hears_nobody() -> None:
    state = ordered(consultation(), "mute", member="town")
    state = ordered(state, "mode", member="dept", mode="listen_only")
    state = ordered(state, "mode", member="term", mode="speak_only")
    assert heard(state) == {"hall", "term"}
    assert not arranged(state).gets_sound("term")
    assert arranged(state).gets_sound("dept")
    assert heard(ordered(consultation(), "mute_all")) == {"hall"}
    with pytest.raises(Refusal, match="parameter_invalid"):
        ordered(state, "mute", member="cam1")


def test_a_roll_call_lets_one_after_the_other_be_heard_beside_the_chair() -> None:
    state = ordered(ordered(consultation(), "mute_all"), "roll_call")
    assert heard(state) == {"hall", "town"}
    assert arranged(state).stage == "town"
    said = carry_out("roll_call_next", state, Order(Asked(present=True), CHAIR, 1.0))
    assert said.entry["member"] == "东镇"
    assert said.entry["present"] is True
    state = ordered(said.state, "roll_call_next", present=False)
    assert heard(state) == {"hall", "term"}
    state = left(state, "term")
    assert state.roll_call is None, "the last one called has gone, so the call is over"
    with pytest.raises(Refusal, match="no_roll_call"):
        ordered(state, "roll_call_next")


def test_a_broadcast_is_all_that_anybody_but_the_chair_sees() -> None:
    state = ordered(consultation(), "broadcast", member="cam1")
    arrangement = arranged(state)
    assert arrangement.gets_picture("town", "cam1")
    assert not arrangement.gets_picture("town", "dept")
    assert arrangement.gets_picture("hall", "dept")
    assert (arrangement.stage, arrangement.layout, arrangement.shown) == ("cam1", "1", ("cam1",))
    state = left(state, "cam1")
    assert state.broadcast is None
    assert arranged(state).gets_picture("town", "dept")


def test_who_watches_four_is_sent_four_and_the_stage() -> None:
    state = ordered(consultation(), "watch", OTHER, member="town", layout="4", members=("dept", "cam2"))
    state = ordered(state, "push_camera", member="cam1")
    seen = {one for one in ("hall", "dept", "cam1", "cam2") if arranged(state).gets_picture("town", one)}
    assert seen == {"dept", "cam2", "cam1"}
    with pytest.raises(Refusal, match="parameter_invalid"):
        ordered(state, "watch", OTHER, member="town", layout="1", members=("dept", "cam2"))
    with pytest.raises(Refusal, match="parameter_invalid"):
        ordered(state, "watch", OTHER, member="town", layout="25")
    with pytest.raises(Refusal, match="member_unknown"):
        ordered(state, "watch", OTHER, member="town", layout="4", members=("nobody",))


def test_a_patrol_moves_on_by_time_and_over_what_has_gone() -> None:
    state = ordered(consultation(), "patrol", seconds=10.0, now=100.0)
    assert arranged(state).stage == "cam1"
    assert advanced(state, 109.0) is state
    state = advanced(state, 110.0)
    assert arranged(state).stage == "cam2"
    state = left(state, "cam2")
    assert arranged(state).stage == "cam1"
    assert left(state, "cam1").patrol is None
    with pytest.raises(Refusal, match="no_camera"):
        ordered(left(left(state, "cam1"), "cam2"), "patrol")


def test_a_locked_room_lets_nobody_in_and_a_lobby_keeps_them_waiting_without_media() -> None:
    state = ordered(consultation(), "lock")
    with pytest.raises(Refusal, match="room_locked"):
        joined(state, Seat("new", "person", "某人", "sun"), may_enter=False)
    state = ordered(ordered(state, "unlock"), "lobby_on")
    state = joined(state, Seat("new", "person", "某人", "sun"), may_enter=False)
    assert not arranged(state).gets_picture("new", "cam1")
    assert not arranged(state).sends_sound("new")
    with pytest.raises(Refusal, match="member_in_lobby"):
        ordered(state, "broadcast", member="new")
    assert arranged(ordered(state, "admit", member="new")).gets_picture("new", "cam1")
    stranger = Seat("call", "terminal", "未知终端", media=ONE_STREAM)
    assert joined(consultation(), stranger, may_enter=False).seats["call"].place == "lobby"


def test_one_screen_is_shared_at_a_time_and_is_what_all_see() -> None:
    state = ordered(consultation(), "share_screen", OTHER, member="town")
    assert arranged(state).stage == "town"
    with pytest.raises(Refusal, match="screen_shared"):
        ordered(state, "share_screen", Actor("zhao", chair=False), member="dept")
    assert arranged(ordered(state, "share_screen_end", OTHER, member="town")).stage is None


def test_an_extension_counts_from_the_end_or_from_now() -> None:
    state = ordered(consultation(), "extend", minutes=30.0, now=1000.0)
    assert state.ends_at == 2800.0
    assert ordered(state, "extend", minutes=10.0, now=1000.0).ends_at == 3400.0
    assert has_ended(state, 2800.0)
    assert not has_ended(consultation(), 1e12)


def test_the_state_and_what_it_means_for_the_media_survive_the_way_through_json() -> None:
    state = ordered(ordered(ordered(consultation(), "roll_call"), "patrol"), "record")
    assert read(msgspec.json.decode(msgspec.json.encode(state.shown()))) == state
    arrangement = arranged(state)
    assert msgspec.convert(msgspec.to_builtins(arrangement), Arrangement) == arrangement
