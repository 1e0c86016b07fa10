"""All settings of the service in one typed place, from ``gateway.toml`` and ``GATEWAY_…`` environment variables.

The environment wins over the file. A wrong value is refused with the field named; nothing else in the service reads
the environment.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Minutes = Annotated[float, Field(gt=0, le=10_080)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HttpSettings(_Part):
    """The HTTP doors."""

    host: str = Field(default="127.0.0.1", description="Address to listen on. Off loopback a certificate is required.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    certificate: Path | None = Field(default=None, description="PEM certificate chain; made by `gateway tls`.")
    private_key: Path | None = Field(default=None, description="PEM key of the certificate.")
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="Host names answered to; empty: the listening address."
    )


class DatabaseSettings(_Part):
    """Where records live."""

    url: str | None = Field(
        default=None,
        description="SQLAlchemy address (postgresql+psycopg://…). Empty: SQLite in the data folder.",
        pattern=r"^(sqlite\+aiosqlite|postgresql\+psycopg)://",
    )


class RetentionSettings(_Part):
    """How long what is kept."""

    session_hours: float = Field(default=8, gt=0, le=72, description="Life of a session, in hours (one shift).")
    alerts_page: int = Field(default=200, ge=1, le=1000, description="Largest page of a list.")


class CameraSettings(_Part):
    """The camera network and the pull."""

    networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=tuple(
            [IPv4Network(n) for n in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
            + [IPv6Network("::1/128"), IPv6Network("fc00::/7")]
        ),
        description="Networks in which cameras may stand; addresses outside are refused.",
    )
    centre_code: str = Field(
        default="99000000", pattern=r"^\d{8}$", description="First 8 digits of camera codes (GB/T 28181)."
    )
    ring_seconds: Seconds = Field(default=30, ge=5, le=300, description="Packets held in memory before a hazard.")
    clip_after_seconds: Seconds = Field(
        default=10, le=120, description="How long an evidence clip runs on after the alert."
    )
    per_worker: int = Field(default=50, ge=1, le=200, description="Cameras carried by one worker process.")
    stalled_after: Seconds = Field(default=5, gt=0, description="No packet for so long: the camera is stalled.")
    udp_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(),
        description="Networks whose cameras send RTP over UDP; all others send it over the RTSP connection. A "
        "picture of which the network loses a part is left out, with all up to the next keyframe.",
    )
    rtsps_authorities: Path | None = Field(
        default=None, description="PEM file of authorities trusted for RTSPS, beside the system's own."
    )
    rtsps_pins: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = Field(
        default=(),
        description="SHA-256 (64 hexadecimal digits) of camera certificates trusted for RTSPS as they are. The log "
        "names the fingerprint of one that was refused.",
    )
    wake_cores: float = Field(
        default=0.5,
        ge=0,
        le=64,
        description="Cores that one worker may spend on decoding more than keyframes; 0: never more.",
    )
    looks_mb: float = Field(
        default=40,
        ge=0,
        le=1000,
        description="Room for the newest of what the network saw at a camera, boxes and scores alone, in MB; 0: none "
        "is kept. At a look in two seconds 40 hold 9 h at least with 20 people in sight, 28 h with five. `gateway try` "
        "tries rules on it.",
    )


class RecordingSettings(_Part):
    """Recordings on demand and by plan. When the disk is full the oldest that are not held go first; evidence never."""

    retention_days: float = Field(default=30, gt=0, le=3650, description="How long a recording is kept.")
    disk_gb: float = Field(default=100, ge=0, description="Room that recordings may take together, in GB.")
    least_free_gb: float = Field(
        default=5, ge=0, description="Room left free on their disk, for evidence and the database, in GB."
    )


class RuleSettings(_Part):
    """First values of the hazard rules, used where a camera has none of its own."""

    crowd_people: int = Field(default=15, ge=2, le=1000, description="People in a zone that make a gathering.")
    crowd_dwell: Seconds = Field(default=60, description="Seconds a gathering must last.")
    fire_dwell: Seconds = Field(default=3, description="Seconds within five for which fire or smoke must be seen.")
    stall_dwell: Seconds = Field(default=300, description="Seconds a stall must stand.")


class WindowSettings(_Part):
    """Acknowledgement and assessment windows, and when a released hazard ends its alert. Seconds."""

    fire_acknowledge: Seconds = Field(default=0, description="Fire never waits for a person.")
    crowd_acknowledge: Seconds = Field(default=60, description="Time to acknowledge a gathering.")
    stall_acknowledge: Seconds = Field(default=300, description="Time to acknowledge a stall.")
    fire_assess: Seconds = Field(default=60, description="Time to assess an acknowledged fire.")
    crowd_assess: Seconds = Field(default=180, description="Time to assess an acknowledged gathering.")
    stall_assess: Seconds = Field(default=900, description="Time to assess an acknowledged stall.")
    fire_end: Seconds = Field(default=60, description="A fire not seen for so long has ended.")
    crowd_end: Seconds = Field(default=60, description="A gathering not seen for so long has ended.")
    stall_end: Seconds = Field(default=600, description="A stall not seen for so long has ended.")


class LimitSettings(_Part):
    """How long an event may stay in a state, in minutes that run day and night, and when its clock speaks."""

    accept: Minutes = Field(default=15, description="From reported, or verified, to accepted or not.")
    verify: Minutes = Field(default=30, description="For a look on the spot before it is accepted.")
    dispatch: Minutes = Field(default=15, description="From accepted, or returned, to dispatched.")
    sign: Minutes = Field(default=30, description="For the department to sign for it or return it.")
    check: Minutes = Field(default=30, description="From the feedback to its check, and for the check itself.")
    warn_share: float = Field(default=0.75, gt=0, lt=1, description="It warns after this part of a limit.")
    supervise_share: float = Field(
        default=0.5, gt=0, le=10, description="Overdue by this part of its limit, an event is supervised (督办)."
    )


class WartimeSettings(_Part):
    """What wartime (战时) changes, for what begins while it holds. Shares of what holds in peace."""

    window_share: float = Field(default=0.5, gt=0, le=1, description="Of acknowledgement and assessment windows.")
    limit_share: float = Field(default=0.5, gt=0, le=1, description="Of the limits of states and of classes.")
    supervise_share: float = Field(default=0.5, gt=0, le=1, description="Of the time until an overdue event's 督办.")
    escalated_by: tuple[Literal["duty_officer", "commander"], ...] = Field(
        default=("duty_officer", "commander"), description="Who may escalate an event beside the duty leader."
    )


class InferenceSettings(_Part):
    """The YOLO engine."""

    weights: Path | None = Field(default=None, description="Card (JSON) of the weights; empty: the shipped ones.")
    engine: Literal["openvino", "onnxruntime", "ultralytics"] = Field(
        default="openvino",
        description="Runtime of the weights; ultralytics (with torch: `make train-setup`) for a YOLO `.pt`.",
    )
    shadow: Path | None = Field(
        default=None, description="Card of new weights that look beside those in force and answer nobody."
    )
    threads: int = Field(
        default=0, ge=0, le=64, description="Threads of the engine; 0: all cores, shared out by a measurement."
    )


class WebRtcSettings(_Part):
    """WebRTC: which addresses and ports browsers reach."""

    addresses: tuple[str, ...] = Field(
        default=(), description="Host addresses offered to browsers; empty: all but loopback. Demos set 127.0.0.1."
    )
    port_from: int = Field(default=0, ge=0, le=65535, description="First UDP port; 0: any free port.")
    port_to: int = Field(default=0, ge=0, le=65535, description="Last UDP port.")
    most_viewers: int = Field(
        default=80, ge=1, le=1000, description="Live viewers of one worker's cameras; 60 of 2 Mbit/s fill half a core."
    )
    most_transcodings: int = Field(
        default=2,
        ge=0,
        le=64,
        description="Cameras that one worker transcodes at once for browsers that cannot play them; people count 1/4.",
    )

    @model_validator(mode="after")
    def _range(self) -> WebRtcSettings:
        if bool(self.port_from) != bool(self.port_to) or self.port_to < self.port_from:
            raise ValueError("port_from and port_to must both be 0 or a range")
        return self


class SipSettings(_Part):
    """Conference terminals over SIP. Signalling and media are plain: keep them on the conference network."""

    enabled: bool = Field(default=True, description="Whether terminals may call rooms.")
    host: str = Field(
        default="127.0.0.1",
        description="IPv4 address for SIP and its media; 0.0.0.0 for all. Empty of terminals: loopback.",
    )
    port: int = Field(default=5060, ge=0, le=65535, description="Port of SIP, UDP and TCP; 0: any.")
    port_from: int = Field(default=30000, ge=1024, le=65534, description="First UDP port of calls' media.")
    port_to: int = Field(default=30511, ge=1025, le=65535, description="Last UDP port of calls' media.")

    @model_validator(mode="after")
    def _range(self) -> SipSettings:
        if self.port_to - self.port_from < 3:
            raise ValueError("port_from to port_to must hold at least four ports")
        return self


class RtspSettings(_Part):
    """Re-publishing over RTSP."""

    host: str = Field(default="127.0.0.1", description="Address the RTSP door listens on.")
    port: int = Field(
        default=8554,
        ge=0,
        le=65535,
        description="RTSP port of the first camera worker, the next one of the second …; 0: any.",
    )


class ReceiverSettings(_Part):
    """Receivers of events."""

    networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=CameraSettings.model_fields["networks"].default,
        description="Networks in which MQTT brokers may stand; addresses outside are refused.",
    )
    plain_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Networks whose MQTT brokers may be spoken to without TLS.",
    )
    keep_days: float = Field(
        default=30, ge=1, le=3650, description="How long what was delivered is kept. Dead letters stay."
    )
    public_address: HttpUrl | None = Field(
        default=None,
        description="Where other systems reach this gateway, for links in what is sent to them; empty: links without "
        "a host.",
    )

    @property
    def links(self) -> str:
        """What stands before ``/api/v1`` in a link."""
        return str(self.public_address).rstrip("/") if self.public_address is not None else ""


class Open311Settings(_Part):
    """The read-only façade for other portals (Open311 GeoReport v2)."""

    jurisdiction_id: str = Field(
        default="", max_length=100, description="What callers must name as jurisdiction_id; empty: nothing is asked."
    )


class WebhookSettings(_Part):
    """A receiver of events known from the start (others are added over the API)."""

    url: HttpUrl
    secret: SecretStr = Field(description="Standard Webhooks secret, `whsec_…`.")


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", env_nested_delimiter="__", frozen=True, extra="forbid", toml_file="gateway.toml"
    )

    data_folder: Path = Field(default=Path("var"), description="Database, evidence, journal, keys. Back it up.")
    platform_code: str = Field(default="hub", pattern=r"^[a-z0-9_-]{1,32}$", description="Code of this platform.")
    platform_name: str = Field(default="市级枢纽平台", max_length=100, description="Name of this platform.")
    log_format: Literal["json", "console"] = Field(default="json", description="Form of the log on stderr.")
    http: HttpSettings = Field(default_factory=HttpSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    cameras: CameraSettings = Field(default_factory=CameraSettings)
    recordings: RecordingSettings = Field(default_factory=RecordingSettings)
    rules: RuleSettings = Field(default_factory=RuleSettings)
    windows: WindowSettings = Field(default_factory=WindowSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    wartime: WartimeSettings = Field(default_factory=WartimeSettings)
    inference: InferenceSettings = Field(default_factory=InferenceSettings)
    webrtc: WebRtcSettings = Field(default_factory=WebRtcSettings)
    rtsp: RtspSettings = Field(default_factory=RtspSettings)
    sip: SipSettings = Field(default_factory=SipSettings)
    receivers: ReceiverSettings = Field(default_factory=ReceiverSettings)
    open311: Open311Settings = Field(default_factory=Open311Settings)
    webhooks: tuple[WebhookSettings, ...] = Field(
        default=(), description="Receivers of events: a list of tables with `url` and `secret` (`whsec_…`)."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite+aiosqlite:///{(self.data_folder / 'gateway.db').absolute()}"

    def for_workers(self) -> WorkerSettings:
        """What workers are told: never the database address nor a webhook's secret."""
        return WorkerSettings.model_validate(self.model_dump(include=set(WorkerSettings.model_fields)))


class WorkerSettings(_Part):
    """The part of the settings by which workers run; crosses the process seam in the ``Configure`` message."""

    data_folder: Path
    log_format: Literal["json", "console"]
    cameras: CameraSettings
    windows: WindowSettings
    inference: InferenceSettings
    webrtc: WebRtcSettings
    rtsp: RtspSettings
    sip: SipSettings

    @property
    def run_folder(self) -> Path:
        """Where the local sockets are."""
        return self.data_folder / "run"
