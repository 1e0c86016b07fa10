"""The controls of a consultation: who may use each, and what it makes of the state. Pure; a table and small functions.

Each is a rule on the server, never a hint to a client: what is refused here is not done on the media side either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from gateway.refusals import Refusal
from gateway.rooms.consultation import (
    LAYOUTS,
    WATCHED,
    Consultation,
    Mode,
    Patrol,
    Recording,
    RecordingKind,
    RollCall,
    Seat,
    next_called,
    with_seat,
)

LEAST_PATROL, MOST_PATROL = 3.0, 600.0
MOST_EXTENSION = 12 * 60
"""Minutes."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who orders. ``chair``: holds the permission to control rooms."""

    username: str
    chair: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; each control takes what it needs of it."""

    member: str | None = None
    members: tuple[str, ...] | None = None
    layout: str | None = None
    mode: Mode | None = None
    seconds: float | None = None
    minutes: float | None = None
    kind: RecordingKind | None = None
    present: bool = True


@dataclass(frozen=True, slots=True)
class Order:
    """A control about to be carried out."""

    asked: Asked
    actor: Actor
    now: float


@dataclass(frozen=True, slots=True)
class Control:
    """``chair``: only for the chair; else a member may use it on its own seat."""

    zh: str
    chair: bool
    apply: Callable[[Consultation, Order], Consultation]


@dataclass(frozen=True, slots=True)
class Carried:
    """``state`` after it, and what the minutes say."""

    state: Consultation
    entry: Mapping[str, Any]


def carry_out(name: str, state: Consultation, order: Order) -> Carried:
    """Refuses ``control_unknown``, ``control_above_role``, ``member_unknown``, ``member_not_yours`` and whatever the
    control itself finds wrong; then nothing has changed."""
    control = CONTROLS.get(name)
    if control is None:
        raise Refusal(
            "not_found", "control_unknown", "没有这一会控操作。", "There is no such control.", field="control"
        )
    if control.chair and not order.actor.chair:
        raise Refusal(
            "forbidden", "control_above_role", f"“{control.zh}”只能由会议主持人操作。", "Only the chair may do this."
        )
    after = control.apply(state, order)
    named = state.seats.get(order.asked.member or "")
    said = {"control": name, "zh": control.zh, "member": named.name if named else None}
    detail = {
        key: value
        for key in ("layout", "mode", "seconds", "minutes", "kind")
        if (value := getattr(order.asked, key)) is not None
    }
    if name == "roll_call_next" and state.roll_call is not None:
        called = state.seats.get(state.roll_call.current)
        said["member"] = called.name if called else None
        detail["present"] = order.asked.present
    return Carried(after, {**said, **detail})


def advanced(state: Consultation, now: float) -> Consultation:
    """What time alone changes: the patrol moves on."""
    patrol = state.patrol
    if patrol is None or now - patrol.since < patrol.seconds:
        return state
    return replace(state, patrol=replace(patrol, at=(patrol.at + 1) % len(patrol.cameras), since=now))


def has_ended(state: Consultation, now: float) -> bool:
    return state.ends_at is not None and now >= state.ends_at


def _missing(field: str) -> Refusal:
    return Refusal("invalid", "parameter_missing", f"缺少参数 {field}。", f"The control needs {field}.", field=field)


def _invalid(field: str, zh: str, en: str) -> Refusal:
    return Refusal("invalid", "parameter_invalid", zh, en, field=field)


def _seat(state: Consultation, order: Order) -> Seat:
    if order.asked.member is None:
        raise _missing("member")
    return state.seat(order.asked.member)


def _within(state: Consultation, order: Order) -> Seat:
    seat = _seat(state, order)
    if seat.place != "room":
        raise Refusal("conflict", "member_in_lobby", "该成员仍在等候室。", "The member is still in the lobby.")
    return seat


def _own(state: Consultation, order: Order) -> Seat:
    """The caller's own seat, or any for the chair."""
    seat = _within(state, order)
    if not order.actor.chair and seat.username != order.actor.username:
        raise Refusal("forbidden", "member_not_yours", "该成员不属于您。", "That member is not yours.", field="member")
    return seat


def _speaking(state: Consultation, order: Order) -> Seat:
    seat = _within(state, order)
    if not seat.speaks_by_itself:
        raise _invalid("member", "监控没有声音可控制。", "A camera has no sound to control.")
    return seat


def _camera(state: Consultation, member_id: str) -> Seat:
    seat = state.seat(member_id)
    if seat.kind != "camera":
        raise _invalid("member", "该成员不是监控。", "That member is no camera.")
    return seat


def _mute(muted: bool) -> Callable[[Consultation, Order], Consultation]:
    def apply(state: Consultation, order: Order) -> Consultation:
        return with_seat(state, replace(_speaking(state, order), muted=muted, asks_to_speak=False))

    return apply


def _mute_all(state: Consultation, order: Order) -> Consultation:
    seats = {
        key: seat if seat.chair or not seat.speaks_by_itself else replace(seat, muted=True)
        for key, seat in state.seats.items()
    }
    return replace(state, seats=seats)


def _mode(state: Consultation, order: Order) -> Consultation:
    if order.asked.mode is None:
        raise _missing("mode")
    return with_seat(state, replace(_speaking(state, order), mode=order.asked.mode))


def _asks(asks: bool) -> Callable[[Consultation, Order], Consultation]:
    def apply(state: Consultation, order: Order) -> Consultation:
        return with_seat(state, replace(_own(state, order), asks_to_speak=asks))

    return apply


def _steers(steers: bool) -> Callable[[Consultation, Order], Consultation]:
    def apply(state: Consultation, order: Order) -> Consultation:
        seat = _within(state, order)
        if seat.kind != "person":
            raise _invalid("member", "只有人员可以操作云台。", "Only a person can steer cameras.")
        return with_seat(state, replace(seat, steers=steers))

    return apply


def _flag(name: str, value: bool) -> Callable[[Consultation, Order], Consultation]:
    def apply(state: Consultation, order: Order) -> Consultation:
        return replace(state, **{name: value})

    return apply


def _admit(state: Consultation, order: Order) -> Consultation:
    return with_seat(state, replace(_seat(state, order), place="room"))


def _main_site(state: Consultation, order: Order) -> Consultation:
    return replace(state, main_site=_within(state, order).id)


def _broadcast(state: Consultation, order: Order) -> Consultation:
    return replace(state, broadcast=_within(state, order).id)


def _end_broadcast(state: Consultation, order: Order) -> Consultation:
    return replace(state, broadcast=None)


def _watch(state: Consultation, order: Order) -> Consultation:
    seat = _own(state, order)
    wanted = order.asked.layout
    if wanted is None:
        raise _missing("layout")
    if not wanted.isascii() or not wanted.isdigit() or int(wanted) not in WATCHED:
        raise _invalid("layout", "选看只能是 1、4、9、16 路。", "Watch 1, 4, 9 or 16 pictures.")
    chosen = order.asked.members
    if chosen is not None:
        if len(chosen) > int(wanted) or len(set(chosen)) != len(chosen):
            raise _invalid("members", "选看的成员多于画面数或重复。", "More members than pictures, or one twice.")
        for member_id in chosen:
            state.seat(member_id, field="members")
    return with_seat(state, replace(seat, layout=int(wanted), watches=chosen))


def _layout(state: Consultation, order: Order) -> Consultation:
    if order.asked.layout not in LAYOUTS:
        raise _invalid(
            "layout", "合成画面应为 " + "、".join(LAYOUTS) + "。", "A layout is one of " + ", ".join(LAYOUTS)
        )
    return replace(state, layout=order.asked.layout)


def _roll_call(state: Consultation, order: Order) -> Consultation:
    if order.asked.members is None:
        called = tuple(seat.id for seat in state.within() if seat.speaks_by_itself and not seat.chair)
    else:
        called = tuple(state.seat(one, field="members").id for one in dict.fromkeys(order.asked.members))
    if not called:
        raise Refusal("conflict", "nobody_to_call", "没有可点名的会场。", "There is nobody to call.")
    return replace(state, roll_call=RollCall(called[1:], called[0]))


def _roll_call_next(state: Consultation, order: Order) -> Consultation:
    if state.roll_call is None:
        raise Refusal("conflict", "no_roll_call", "未在点名。", "No roll call is going on.")
    return replace(state, roll_call=next_called(state.roll_call, present=order.asked.present))


def _roll_call_end(state: Consultation, order: Order) -> Consultation:
    return replace(state, roll_call=None)


def _patrol(state: Consultation, order: Order) -> Consultation:
    seconds = order.asked.seconds or 15.0
    if not LEAST_PATROL <= seconds <= MOST_PATROL:
        raise _invalid("seconds", "轮巡间隔应为 3 至 600 秒。", "A patrol shows each camera for 3 to 600 s.")
    asked = order.asked.members
    ids = [seat.id for seat in state.within() if seat.kind == "camera"] if asked is None else list(asked)
    cameras = tuple(_camera(state, one).id for one in dict.fromkeys(ids))
    if not cameras:
        raise Refusal("conflict", "no_camera", "会议室中没有监控。", "There is no camera in the room.")
    return replace(state, patrol=Patrol(cameras, seconds, 0, order.now))


def _patrol_end(state: Consultation, order: Order) -> Consultation:
    return replace(state, patrol=None)


def _push(state: Consultation, order: Order) -> Consultation:
    camera = _camera(state, _seat(state, order).id)
    return replace(state, pushed=(*(one for one in state.pushed if one != camera.id), camera.id))


def _withdraw(state: Consultation, order: Order) -> Consultation:
    camera = _seat(state, order)
    return replace(state, pushed=tuple(one for one in state.pushed if one != camera.id))


def _share(state: Consultation, order: Order) -> Consultation:
    seat = _own(state, order)
    other = next((one for one in state.within() if one.sharing and one.id != seat.id), None)
    if other is not None:
        raise Refusal("conflict", "screen_shared", f"{other.name} 正在共享屏幕。", "Another member shares a screen.")
    return with_seat(state, replace(seat, sharing=True))


def _share_end(state: Consultation, order: Order) -> Consultation:
    return with_seat(state, replace(_own(state, order), sharing=False))


def _extend(state: Consultation, order: Order) -> Consultation:
    minutes = order.asked.minutes
    if minutes is None:
        raise _missing("minutes")
    if not 0 < minutes <= MOST_EXTENSION:
        raise _invalid("minutes", "延长时间应在 12 小时以内。", "A consultation is extended by at most 12 hours.")
    return replace(state, ends_at=max(state.ends_at or 0.0, order.now) + minutes * 60)


def _record(state: Consultation, order: Order) -> Consultation:
    if state.recording is not None:
        raise Refusal("conflict", "recording_already", "正在录制。", "It is being recorded already.")
    return replace(state, recording=Recording(order.asked.kind or "composed", order.now, order.actor.username))


def _record_stop(state: Consultation, order: Order) -> Consultation:
    if state.recording is None:
        raise Refusal("conflict", "not_recording", "未在录制。", "Nothing is being recorded.")
    return replace(state, recording=None)


CONTROLS: Mapping[str, Control] = MappingProxyType(
    {
        "lock": Control("锁定会议室", True, _flag("locked", True)),
        "unlock": Control("解除锁定", True, _flag("locked", False)),
        "lobby_on": Control("开启等候室", True, _flag("lobby", True)),
        "lobby_off": Control("关闭等候室", True, _flag("lobby", False)),
        "admit": Control("准许入会", True, _admit),
        "mute": Control("静音", True, _mute(True)),
        "unmute": Control("取消静音", True, _mute(False)),
        "mute_all": Control("全体静音", True, _mute_all),
        "mode": Control("只讲只听", True, _mode),
        "ask_to_speak": Control("申请发言", False, _asks(True)),
        "withdraw_request": Control("取消申请发言", False, _asks(False)),
        "allow_to_speak": Control("允许发言", True, _mute(False)),
        "refuse_to_speak": Control("不允许发言", True, _asks(False)),
        "let_steer": Control("允许操作云台", True, _steers(True)),
        "end_steering": Control("收回云台", True, _steers(False)),
        "main_site": Control("设为主会场", True, _main_site),
        "broadcast": Control("广播", True, _broadcast),
        "broadcast_end": Control("停止广播", True, _end_broadcast),
        "watch": Control("选看", False, _watch),
        "layout": Control("合成画面", True, _layout),
        "roll_call": Control("点名", True, _roll_call),
        "roll_call_next": Control("点名下一位", True, _roll_call_next),
        "roll_call_end": Control("结束点名", True, _roll_call_end),
        "patrol": Control("轮巡", True, _patrol),
        "patrol_end": Control("停止轮巡", True, _patrol_end),
        "push_camera": Control("监控推送", True, _push),
        "withdraw_camera": Control("撤回监控", True, _withdraw),
        "share_screen": Control("共享屏幕", False, _share),
        "share_screen_end": Control("停止共享", False, _share_end),
        "extend": Control("延长会议", True, _extend),
        "record": Control("开始录制", True, _record),
        "record_stop": Control("停止录制", True, _record_stop),
    }
)
"""``remove`` and ``end`` are changes of the register itself and stand there."""
