"""How a camera is shown: the same form over HTTP and on the live stream. No login in it, nor the stream's path.

Some cameras write the login into the path of their stream, so only the host and port of a stream are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import BaseModel, Field

from camera_registry import health, reasons
from camera_registry.errors import Reason
from gateway.api.camera_description import DescriptionShown
from gateway.storage.camera_store import rules_in_force
from gateway.storage.tables.cameras import CameraRow
from gateway.streams.pull_reasons import SENTENCES

_NOTICES: Mapping[str, Reason] = {
    one.code: one
    for one in (
        reasons.CLOCK_WRONG,
        reasons.H265_ONLY,
        reasons.HOST_REPAIRED,
        reasons.B_FRAMES,
        reasons.PARAMETER_SETS_MISSING,
        reasons.SUB_STREAM_UNUSABLE,
    )
}

_PULL: Mapping[str, Reason] = {
    "unreachable": reasons.STREAM_UNREACHABLE,
    "refused": reasons.STREAM_UNREACHABLE,
    "timeout": reasons.STREAM_TIMEOUT,
    "auth_failed": reasons.STREAM_AUTH_FAILED,
    "forbidden": reasons.STREAM_AUTH_FAILED,
    "clear_login_needed": reasons.CLEAR_LOGIN_NEEDED,
    "not_found": reasons.STREAM_NOT_FOUND,
    "rejected": reasons.STREAM_REFUSED,
    "invalid_answer": reasons.STREAM_INVALID,
    "no_video": reasons.NO_VIDEO,
    "no_keyframe": reasons.NO_PICTURE,
    "unsupported_codec": reasons.CODEC_UNSUPPORTED,
    "certificate_refused": Reason("certificate_refused", *SENTENCES["certificate_refused"]),
    "redirected": Reason("redirected", *SENTENCES["redirected"]),
    "packets_lost": Reason("packets_lost", *SENTENCES["packets_lost"]),
    "unsupported_packetisation": Reason("unsupported_packetisation", *SENTENCES["unsupported_packetisation"]),
}
"""What the pull says, by its reason; of all others the state says enough."""

_OWN: Mapping[str, Reason] = {
    "stopped": Reason("stopped", "已停用，不取流。", "Stopped: it is not pulled."),
    "rate_unmet": Reason(
        "rate_unmet",
        "正常，但识别频率不足：关键帧间隔过长，且没有可用的子码流或空闲算力。请缩短 I 帧间隔或启用子码流。",
        "Live, but looked at less often than its rules want: keyframes come too slowly, and there is no sub-stream or "
        "no processor to spare. Shorten the distance between keyframes, or enable the sub-stream.",
    ),
    "looks_left_out": Reason(
        "looks_left_out",
        "正常，但识别引擎未运行或跟不上：近一分钟两成以上画面未被分析，险情可能漏报或迟报。"
        "请查看“识别模型”页，减少摄像机或增加算力。",
        "Live, but the engine is away or cannot keep up: over a fifth of the last minute's pictures were looked at by "
        "nobody, so a hazard may be told late or not at all. See the models' page; fewer cameras or more cores help.",
    ),
    "rule_unusable": Reason(
        "rule_unusable",
        "正常，但有规则按当前版本的要求无法使用，未生效，其余规则照常识别。请在“预警规则”中查看，重新设置后保存。",
        "Live, but a rule that was set before cannot be used as it is: it does not watch, the others do. See the "
        "camera's alert rules, set it anew and save.",
    ),
    "evidence_unwritten": Reason(
        "evidence_unwritten",
        "正常识别，但数据目录所在磁盘已满、无响应或不可写：预警照常上报，快照和片段暂缺，磁盘恢复后补上，无法补的将缺失。"
        "请立即清理磁盘，检查其连接和权限。",
        "Live and watched, but the disk of the data folder is full, hangs or may not be written: alerts are told all "
        "the same, without snapshot or clip for now; what waits is brought when the disk takes it, what cannot wait is "
        "missing. Free the disk, or mend its connection or permissions, at once.",
    ),
    "pictures_unreadable": Reason(
        "pictures_unreadable",
        "正常取流，但画面无法解码：主码流中的险情无法识别（有子码流时改用子码流），证据片段可能无法播放。"
        "请在设备上改用普通 H.264 编码（关闭智能编码），升级固件或重启摄像机。",
        "Live, but its pictures cannot be decoded: no hazard is seen in its main stream (a sub-stream is watched "
        "instead where there is one), and clips may not play. Set it to plain H.264 (no smart codec), update its "
        "firmware or restart it.",
    ),
    "looks_too_rare": Reason(
        "looks_too_rare",
        "正常取流，但画面间隔超过一分钟，险情无法识别：关键帧间隔过长，且没有可用的子码流或空闲算力。"
        "请缩短 I 帧间隔（关闭智能编码）、启用子码流，或调大 cameras.wake_cores。",
        "Live, but its pictures are looked at more than a minute apart, so no hazard can be told: keyframes come too "
        "slowly, and there is no sub-stream or no processor to spare. Shorten the distance between keyframes (no smart "
        "codec), enable the sub-stream, or raise cameras.wake_cores.",
    ),
    "looks_failed": Reason(
        "looks_failed",
        "正常，但分析其画面时反复出错，险情无法识别。请停用后重新启用该摄像机；仍出错时请将日志（look_failed）交给维护人员。",
        "Live, but looking at its pictures fails again and again, so no hazard is seen. Stop the camera and start it "
        "again; where that does not help the log (look_failed) says why.",
    ),
    "quarantined": Reason(
        "quarantined",
        "该视频流两次与取流进程崩溃同时出现，已隔离到单独的进程取流，不影响其他摄像机。"
        "请检查编码设置或固件；停用后重新启用可解除隔离。",
        "This stream was being decoded in two crashes, so it is pulled in a process of its own and harms no other "
        "camera. Check its encoder settings or firmware; stopping and starting the camera ends the quarantine.",
    ),
    "patrolling": Reason(
        "patrolling",
        "正常，但云台在按设备自身的设置巡航：画面不断变化，区域规则只在其常用视角有效。如需值守，请在设备上关闭自动巡航或守望。",
        "Live, but its head moves by itself on a tour set at the device: zones hold for its usual view alone. Switch "
        "the tour off at the device where it is to be watched.",
    ),
    "awaiting": Reason("awaiting", "已建档，尚未接入。", "On record, not yet connected."),
}

CONNECT_FAILED = "connect."
"""Before the reason for which a camera on record could not be connected."""
_CONNECT: Mapping[str, Reason] = {one.code: one for one in vars(reasons).values() if isinstance(one, Reason)}


class HealthShown(BaseModel):
    """A camera's state, why, and since when."""

    state: str = Field(description="connecting, live, stalled, frozen, dark, covered, blurred, moved, auth_failed, …")
    reason: str = Field(description="A code for machines.")
    detail: str = Field(description="What is amiss and what to do, in Chinese.")
    detail_en: str = Field(description="The same in English.")
    since: datetime


class NoticeShown(BaseModel):
    """What is amiss with a camera that works all the same."""

    reason: str
    detail: str
    detail_en: str


class CameraShown(BaseModel):
    """A camera record (一机一档)."""

    id: str
    code: str = Field(description="20 digits (GB/T 28181).")
    name: str
    vendor: str
    model: str
    firmware: str
    serial: str
    onvif_address: str | None
    stream_host: str = Field(description="Host and port of the RTSP stream.")
    platform: str
    industry: str = Field(description="Digits 9 and 10 of the code.")
    network: str = Field(description="Digit 14 of the code.")
    grid: str | None
    lng: float | None
    lat: float | None
    address: str
    status: str = Field(description="in_use, stopped, or awaiting: recorded by an import, not yet asked.")
    health: HealthShown
    encoding: str = Field(description="H264 or H265")
    width: int | None
    height: int | None
    fps: float | None
    gop: int | None = Field(description="Frames from one keyframe to the next.")
    clock_offset: float | None = Field(description="Its clock less ours at registration, seconds.")
    profiles: list[dict[str, Any]] = Field(
        description="Every media profile: role (main, sub or empty), codec, size, rate, GOP, B-frames, parameter sets."
    )
    credential_set: str | None = Field(description="The set it logs in by; null: a login of its own, or none.")
    clear_login: bool = Field(description="Whether its password may be sent readably (Basic).")
    device_events: bool = Field(description="Whether the camera is asked for its own events.")
    description: DescriptionShown
    sub_stream: bool = Field(description="Whether detection runs on a smaller stream.")
    offers: list[str] = Field(description="Of ptz, imaging, events, recording and replay.")
    note: str
    notices: list[NoticeShown]
    own_rules: bool = Field(description="False: the installation's first values hold.")
    preset: str | None = Field(
        description="The view it has: a preset's token, empty: none stored, null: never steered."
    )
    registered_at: datetime
    changed_at: datetime
    revision: int


def words_of(state: str, reason: str) -> tuple[str, str]:
    """What a state and its reason mean to an operator, Chinese and English."""
    if reason.startswith(CONNECT_FAILED):
        why = reason.removeprefix(CONNECT_FAILED)
        told = _CONNECT.get(why)
        zh, en = (told.zh, told.en) if told else (f"原因：{why}。", f"Reason: {why}.")
        return f"上次接入失败：{zh}", f"Could not be connected: {en}"
    said = _OWN.get(reason)
    if state in ("offline", "auth_failed"):
        said = said or _PULL.get(reason)
    return (said.zh, said.en) if said else health.WORDS[cast(health.HealthState, state)]


def shown_health(row: CameraRow) -> HealthShown:
    zh, en = words_of(row.health_state, row.health_reason)
    return HealthShown(
        state=row.health_state,
        reason=row.health_reason,
        detail=zh,
        detail_en=en,
        since=row.health_since,
    )


def shown_camera(row: CameraRow) -> CameraShown:
    return CameraShown(
        id=row.id,
        code=row.code,
        name=row.name,
        vendor=row.vendor,
        model=row.model,
        firmware=row.firmware,
        serial=row.serial,
        onvif_address=row.onvif_address,
        stream_host=urlsplit(row.stream_url).netloc,
        platform=row.platform,
        industry=row.code[8:10],
        network=row.code[13],
        grid=row.grid,
        lng=row.lng,
        lat=row.lat,
        address=row.address,
        status=row.status,
        health=shown_health(row),
        encoding=row.encoding,
        width=row.width,
        height=row.height,
        fps=row.fps,
        gop=row.gop,
        clock_offset=row.clock_offset,
        profiles=[dict(profile) for profile in row.profiles],
        credential_set=row.credential_set,
        clear_login=row.clear_login,
        device_events=row.device_events,
        description=DescriptionShown.of(row),
        sub_stream=row.sub_stream_url is not None,
        offers=[str(one) for one in row.offers],
        note=row.note,
        notices=[
            NoticeShown(reason=said.code, detail=said.zh, detail_en=said.en)
            for said in (_NOTICES.get(str(code)) for code in row.notices)
            if said is not None
        ],
        own_rules=rules_in_force(row) is not None,
        preset=row.preset,
        registered_at=row.registered_at,
        changed_at=row.changed_at,
        revision=row.revision,
    )
