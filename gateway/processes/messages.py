"""Every message that crosses a process seam, as frozen types. Nothing else may cross it, but a camera's stream as RTSP.

Times are seconds since the epoch (UTC). Codes are 20-digit camera codes. Identifiers are UUIDv7 in text form.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from detectors.card import Card


class Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of all messages; the class name is the tag on the wire."""


# --- every worker ------------------------------------------------------------------------------------------------


class WorkerReady(Message, frozen=True):
    """A worker's first word: who it is. ``name`` is the supervisor's name for it, e.g. ``camera-1``."""

    name: str
    pid: int


class Configure(Message, frozen=True):
    """Control's first word to a worker: the settings it runs by, in the JSON form of ``gateway.settings.Settings``.

    Only the parts a worker needs are sent; the database address and webhook secrets stay in control.
    """

    settings: dict[str, Any]


class Done(Message, frozen=True):
    """The request was carried out."""


class Refused(Message, frozen=True):
    """The request was not carried out; the fields are those of ``gateway.refusals.Refusal``."""

    kind: str
    reason: str
    zh: str
    en: str
    field: str | None = None


class Sample(msgspec.Struct, frozen=True):
    """One Prometheus sample. ``kind`` decides how control shows it; counters are totals since the worker began."""

    name: str
    labels: dict[str, str]
    value: float
    kind: Literal["gauge", "counter"] = "gauge"


class MetricsReport(Message, frozen=True):
    """What a worker counted; replaces its last report."""

    samples: list[Sample]


# --- control → camera worker ---------------------------------------------------------------------------------------


class AssignCamera(Message, frozen=True):
    """Own this camera from now on, or take over its changed description. Carries the secret only over the local socket.

    ``fence`` grows with each assignment; a worker drops an assignment older than the one it holds.
    """

    code: str
    camera_id: str
    platform: str
    fence: int
    stream_url: str
    username: str | None
    password: str | None
    rules: list[dict[str, Any]]
    sub_stream_url: str | None = None
    """The smaller stream, for detection; None: the camera has none, and the main one serves for all."""
    clear_login: bool = False
    """Whether this camera may be sent its password readably (RTSP Basic)."""
    suppressions: list[dict[str, Any]] = []
    scenes: dict[str, bytes] = {}
    """The scenes learned of it, by preset, as ``camera_registry.scene.Scene`` packs them."""
    preset: str | None = ""
    """The preset its head was sent to; empty: it was never steered; None: a view that nobody stored."""
    quarantined: bool = False
    """It is alone in its worker, because it was active in crashes."""
    wrong_logins: list[float] = []
    """When its login was refused since it last was taken, seconds since the epoch: a new owner goes on counting."""


class RecordCamera(Message, frozen=True):
    """Record this camera from now on, or no more. Said again and again; saying what is so already changes nothing."""

    code: str
    wanted: bool


class WakeCamera(Message, frozen=True):
    """The camera reports something by itself (motion, an input): look more often for a while."""

    code: str


class ReleaseCamera(Message, frozen=True):
    code: str


class AlertStored(Message, frozen=True):
    """Control has the alert in its database: the journal may forget it. ``merged_into``: the open alert it extended."""

    alert_id: str
    merged_into: str | None = None


class EvidenceStored(Message, frozen=True):
    evidence_id: str


class ClockOffset(Message, frozen=True):
    """A camera's clock less ours, seconds, as it was just read."""

    code: str
    offset: float


class RetryLogin(Message, frozen=True):
    """A refused login may be right now: the camera was restarted, or took it at another door (``proved``)."""

    code: str
    proved: bool = False


class LearnScene(Message, frozen=True):
    """What the camera sees now is as it should be: learn its scene anew. ``preset``: that of this one, at which it may
    stand or not; None: of where it stands."""

    code: str
    preset: str | None = None


class TakeSnapshot(Message, frozen=True):
    code: str


class Snapshot(Message, frozen=True):
    """The latest keyframe as JPEG and the time of its arrival."""

    jpeg: bytes
    taken_at: float


class OpenViewing(Message, frozen=True):
    """A WHEP offer for a camera. ``main``: the main stream is wanted, transcoded where browsers cannot play it; else
    the sub-stream is shown where they can play that one alone."""

    code: str
    session_id: str
    offer: str
    main: bool = False


class Answer(Message, frozen=True):
    """An SDP answer to a WHIP or WHEP offer. ``note`` says what the viewer should know: ``transcoded``, or
    ``sub_stream;width=640;height=360``."""

    sdp: str
    note: str | None = None


class CloseViewing(Message, frozen=True):
    session_id: str


class AskTalk(Message, frozen=True):
    """Whether a camera can be spoken through: ``TalkKnown``, or a refusal that says why not."""

    code: str


class TalkKnown(Message, frozen=True):
    """``codec``: what its loudspeaker takes, ``pcm_alaw`` or ``pcm_mulaw``."""

    codec: str


class OpenTalk(Message, frozen=True):
    """A WHIP offer of somebody who speaks through a camera: ``Answer``."""

    code: str
    talk_id: str
    offer: str


class CloseTalk(Message, frozen=True):
    talk_id: str


class LendStream(Message, frozen=True):
    """Give a reader credentials for RTSP out: another worker, or a decoder on the wall. With a login: this one, which
    control keeps; else one made for it."""

    code: str
    reader: str
    until: float
    username: str | None = None
    password: str | None = None


class WithdrawStream(Message, frozen=True):
    """End what was lent to a reader, and what it reads."""

    code: str
    reader: str


class StreamLent(Message, frozen=True):
    """``smaller_url``: of the camera's smaller stream, under the same credentials; None: it has none. ``playable_url``:
    of that of its streams which browsers can play."""

    url: str
    username: str
    password: str
    smaller_url: str | None = None
    playable_url: str | None = None


# --- camera worker → control ---------------------------------------------------------------------------------------


class HealthChanged(Message, frozen=True):
    """A camera's health state and why; ``evidence`` is a JPEG where a picture was judged."""

    code: str
    fence: int
    state: str
    reason: str
    at: float
    evidence: bytes | None = None


class LoginRefused(Message, frozen=True):
    """The camera refused the login of its pull once more. ``at``: seconds since the epoch."""

    code: str
    fence: int
    at: float


class StreamUnreachable(Message, frozen=True):
    """A camera's stream could not be reached several times in a row: it may have another address by now."""

    code: str
    fence: int
    reason: str


class SceneLearned(Message, frozen=True):
    """What a camera's scene looks like at a preset, for whoever owns the camera next."""

    code: str
    fence: int
    preset: str
    scene: bytes


class AlertRaised(Message, frozen=True):
    """A journalled alert, or one that the journal's disk refused: its snapshot follows as ``EvidenceReady``. Sent again
    after a reconnection until ``AlertStored`` comes; ``alert_id`` makes it once."""

    alert_id: str
    code: str
    zone: str
    hazard: str
    hazard_from: float
    raised_at: float
    score: float
    why: dict[str, Any]
    snapshot_path: str
    snapshot_sha256: str


ALERT_OVER = "alert_over"
"""Why control refuses to hear more of an alert: it ended long ago. What is seen is raised as another."""


class AlertSeen(Message, frozen=True):
    """An open alert's hazard was seen again (at most once every few seconds). Refused as ``ALERT_OVER``."""

    alert_id: str
    at: float
    score: float


class AlertEnded(Message, frozen=True):
    """The rule was released for its time; sent again until ``AlertStored``-like ``Done`` answers."""

    alert_id: str
    at: float


class AlertsLost(Message, frozen=True):
    """So many alerts of a worker that ends lie neither on its disk nor in control; its log names them."""

    count: int


class HeldBack(Message, frozen=True):
    """A rule would be firing but for an officer's rejection (at most once a minute for each)."""

    code: str
    suppression_id: str
    at: float


class EvidenceReady(Message, frozen=True):
    """A closed evidence file of an alert, beside its journal entry. ``partial``: cut short, with its true bounds. A
    snapshot has its alert's own id."""

    evidence_id: str
    alert_id: str
    kind: Literal["clip", "snapshot"]
    path: str
    sha256: str
    size: int
    starts_at: float
    ends_at: float
    partial: bool


# --- control → room worker, and back -------------------------------------------------------------------------------


class OpenRoom(Message, frozen=True):
    """``title`` stands in composed pictures."""

    room_id: str
    title: str = ""


class CloseRoom(Message, frozen=True):
    room_id: str


class AddCameraMember(Message, frozen=True):
    """A camera joins: the room worker reads it from the worker that owns it, over RTSP; its smaller stream, if it has
    one, only while somebody is sent that."""

    room_id: str
    member_id: str
    url: str
    username: str
    password: str
    smaller_url: str | None = None


class AddPersonMember(Message, frozen=True):
    room_id: str
    member_id: str


class RemoveMember(Message, frozen=True):
    room_id: str
    member_id: str


class PublishToRoom(Message, frozen=True):
    """A member's WHIP offer."""

    room_id: str
    member_id: str
    offer: str


class SubscribeInRoom(Message, frozen=True):
    """A WHEP offer: ``viewer_id`` wants to see and hear ``member_id``."""

    room_id: str
    viewer_id: str
    member_id: str
    offer: str


class StopPublishing(Message, frozen=True):
    room_id: str
    member_id: str


class StopSubscription(Message, frozen=True):
    room_id: str
    viewer_id: str
    member_id: str


class MemberAlive(Message, frozen=True):
    """A member's heartbeat, passed on from the door."""

    room_id: str
    member_id: str


class ArrangeRoom(Message, frozen=True):
    """Who is heard and seen by whom from now on: the JSON form of ``gateway.rooms.arrangement.Arrangement``."""

    room_id: str
    revision: int
    arrangement: dict[str, Any]


class TerminalArrives(Message, frozen=True):
    """Room worker → control: a terminal dialled ``number``. ``known``: it proved who it is."""

    number: str
    name: str
    address: str
    known: bool


class TerminalTakenIn(Message, frozen=True):
    """It is a member now; it may still wait in the lobby."""

    room_id: str
    member_id: str


class LookUpTerminal(Message, frozen=True):
    """Room worker → control: is there a known terminal of this name?"""

    username: str


class TerminalKnown(Message, frozen=True):
    """``secret``: digest HA1; empty for a stranger."""

    secret: str
    name: str


class RingTerminal(Message, frozen=True):
    """A room rings a terminal: where it has registered as ``username``, or else at ``address`` (a SIP URI)."""

    room_id: str
    ring_id: str
    username: str
    address: str
    seconds: float


class StopRinging(Message, frozen=True):
    """Nobody waits for it any more."""

    room_id: str
    ring_id: str


class RingTold(Message, frozen=True):
    """Room worker → control: what has become of a ring."""

    room_id: str
    ring_id: str
    state: Literal["ringing", "failed"]
    reason: str


class RingAnswered(Message, frozen=True):
    """Room worker → control: the terminal has picked up; the answer is ``TerminalTakenIn``."""

    room_id: str
    ring_id: str


class TerminalRegistered(Message, frozen=True):
    """Room worker → control: a known terminal can be rung at ``address`` until then; 0: no longer."""

    username: str
    address: str
    until: float


class RoomRecorded(Message, frozen=True):
    """Room worker → control: a finished recording, to be taken over. ``member_id`` None: the composed picture."""

    room_id: str
    member_id: str | None
    path: str
    sha256: str
    size: int
    starts_at: float
    ends_at: float
    partial: bool


class RecordingBroke(Message, frozen=True):
    """Room worker → control: the recording has ended by itself."""

    room_id: str
    reason: str


class PicturesUnsent(Message, frozen=True):
    """Room worker → control: the line to ``viewer_id`` does not carry these members' pictures now; of ``smaller`` it is
    sent smaller ones."""

    room_id: str
    viewer_id: str
    members: list[str]
    smaller: list[str] = []


class SpeakerChanged(Message, frozen=True):
    """Room worker → control: who speaks now."""

    room_id: str
    member_id: str | None


class MemberChanged(Message, frozen=True):
    """Room worker → control: a member's media came, went, or the member is gone (no heartbeat)."""

    room_id: str
    member_id: str
    state: Literal["joined", "publishing", "silent", "gone"]
    reason: str
    at: float


# --- camera worker → inference ----------------------------------------------------------------------------------


class AskCard(Message, frozen=True):
    """The first question to an engine: by which card does it look?"""


class EngineCard(Message, frozen=True):
    """The card as the engine has read it, once: whatever it answers over this connection is by this card."""

    card: Card


class SharePictures(Message, frozen=True):
    """Pictures of this connection lie in memory of the process that asks: its descriptor and the bytes of a slot (see
    ``gateway.processes.shared_pictures``)."""

    descriptor: int
    slot_bytes: int


class LookAt(Message, frozen=True):
    """A picture to look at: raw BGR, ``height`` × ``width`` × 3, or the number of the slot of shared memory where it
    lies. ``deadline``: drop it when later than this.

    ``part`` (see ``detectors.networks``): the whole picture made small, or one of its parts at full size: a crop round
    a candidate, a tile of a gathering. ``urgency``: how many times as bad as an idle camera's it would be to leave this
    one out.
    """

    code: str
    picture: bytes | int
    width: int
    height: int
    taken_at: float
    deadline: float
    part: str = "whole"
    urgency: float = 1.0


class SeenObject(msgspec.Struct, frozen=True):
    """One detection; box normalised x1, y1, x2, y2."""

    label: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float


class Seen(Message, frozen=True):
    """What the engine saw. ``judged``: how likely a crop, or a picture with a candidate, shows each hazard. ``beside``:
    new weights want to be shown this picture too (``LookBeside``)."""

    taken_at: float
    objects: list[SeenObject]
    judged: dict[str, float] = {}
    beside: bool = False


class LookBeside(Message, frozen=True):
    """What counted in a picture, and the picture, for new weights that look beside those in force: raw BGR, ``width`` ×
    ``height`` as the engine saw it whole, ``full_width`` × ``full_height`` to take parts from (``full`` empty: from the
    same picture). ``objects``: after the second look, the judge and the count. ``counts``: people were to be counted;
    ``stalls``: where parts of a stall were to be looked for (x1, y1, x2, y2, normalised)."""

    code: str
    taken_at: float
    picture: bytes
    width: int
    height: int
    full: bytes
    full_width: int
    full_height: int
    objects: list[SeenObject]
    counts: bool
    stalls: tuple[float, float, float, float] | None = None


AnyMessage = (
    WorkerReady | Configure | Done | Refused | MetricsReport
    | AssignCamera | RecordCamera | WakeCamera | ReleaseCamera | AlertStored | EvidenceStored | TakeSnapshot | Snapshot
    | AskTalk | TalkKnown | OpenTalk | CloseTalk
    | OpenViewing | Answer | CloseViewing | LendStream | StreamLent | WithdrawStream
    | HealthChanged | StreamUnreachable | LoginRefused | AlertRaised | AlertSeen | AlertEnded | AlertsLost
    | HeldBack | EvidenceReady
    | ClockOffset | RetryLogin | LearnScene | SceneLearned
    | OpenRoom | CloseRoom | AddCameraMember | AddPersonMember | RemoveMember
    | ArrangeRoom | SpeakerChanged | TerminalArrives | TerminalTakenIn | LookUpTerminal | TerminalKnown
    | RingTerminal | StopRinging | RingTold | RingAnswered | TerminalRegistered
    | RoomRecorded | RecordingBroke | PicturesUnsent
    | PublishToRoom | SubscribeInRoom | StopPublishing | StopSubscription | MemberAlive | MemberChanged
    | AskCard | EngineCard | SharePictures | LookAt | Seen | LookBeside
)  # fmt: skip
