"""Every reason for which a camera is not registered or not reached, in the words an operator reads."""

from __future__ import annotations

from camera_registry.errors import Reason

# --- addresses ---------------------------------------------------------------------------------------------------
ADDRESS_INVALID = Reason(
    "address_invalid",
    "地址格式有误，应为 主机[:端口] 或完整网址。",
    "The address is neither host[:port] nor a full URL.",
)
ADDRESS_NOT_ALLOWED = Reason(
    "address_not_allowed",
    "该地址不在摄像机网络内（设置 cameras.networks）。",
    "The address lies outside the camera networks (setting cameras.networks).",
)
HOST_UNKNOWN = Reason(
    "host_unknown", "主机名无法解析，请改用 IP 地址。", "The host name is unknown; use an IP address."
)
LOGIN_IN_ADDRESS = Reason(
    "login_in_address",
    "地址中不能含有用户名或口令，请填写在各自的字段中。",
    "The address must hold no username or password; give them in their own fields.",
)

# --- the ONVIF ladder --------------------------------------------------------------------------------------------
UNREACHABLE = Reason(
    "unreachable",
    "无法连接摄像机，请检查地址、端口和网络。",
    "The camera cannot be reached; check address, port and network.",
)
TIMEOUT = Reason(
    "timeout",
    "摄像机已连接但未在规定时间内应答，请检查网络质量和设备负载后重试。",
    "The camera was reached but did not answer in time; check the network and the device's load, then try again.",
)
TLS_ERROR = Reason(
    "tls_error",
    "加密连接失败，请检查设备的 HTTPS 设置，或改用 http 地址。",
    "The encrypted connection failed; check HTTPS on the device, or use its http address.",
)
HTTPS_NEEDED = Reason(
    "https_needed",
    "设备要求加密连接，请改用 https:// 开头的地址。",
    "The device wants an encrypted connection; give its address with https://.",
)
NOT_ONVIF = Reason(
    "not_onvif",
    "该地址不是 ONVIF 设备服务，或设备未启用 ONVIF。",
    "There is no ONVIF device service at this address, or ONVIF is switched off on the device.",
)
ANSWER_INVALID = Reason(
    "answer_invalid",
    "摄像机的应答无法解析，请升级其固件，或按 RTSP 地址登记。",
    "The camera's answer cannot be understood; update its firmware, or register it by its RTSP address.",
)
AUTH_FAILED = Reason(
    "auth_failed",
    "用户名或口令错误（部分摄像机对已锁定的账号也如此应答）。请核对后再试，勿反复尝试，以免账号被锁定。",
    "The username or password is wrong (some cameras answer so for a locked account too). Check before trying again: "
    "cameras lock accounts.",
)
LOCKED_OUT = Reason(
    "locked_out",
    "摄像机已锁定该账号，请在设备上解锁或等待锁定结束后再试。",
    "The camera has locked this account; unlock it on the device, or wait until the lock ends.",
)
CLOCK_SKEWED = Reason(
    "clock_skewed",
    "登录被拒，且摄像机时钟偏差过大：请先校准摄像机时间（启用 NTP），再核对口令。",
    "The login was refused and the camera's clock is far off: set its clock first (by NTP), then check the password.",
)
CLOCK_UNKNOWN = Reason(
    "clock_unknown",
    "登录被拒，且无法读取摄像机时钟：请先校准摄像机时间，再核对口令。",
    "The login was refused and the camera's clock cannot be read: set its clock first, then check the password.",
)
CLEAR_LOGIN_NEEDED = Reason(
    "clear_login_needed",
    "设备只接受明文口令（Basic），未发送。请在设备上启用摘要认证（Digest）；确需使用时，为该摄像机单独允许明文口令。",
    "The device takes only a readable password (Basic); it was not sent. Switch digest on at the device, or allow the "
    "readable password for this camera alone.",
)
LOGIN_BACK_OFF = Reason(
    "login_back_off",
    "该设备已有两次错误登录，为防止账号被锁定，30 分钟内不再尝试；请先核对口令。",
    "Two wrong logins were made at this device; lest it lock the account, none is tried for 30 minutes. Check the "
    "password meanwhile.",
)
ALREADY_ASKING = Reason(
    "already_asking",
    "正在登记该设备，请等待其完成。",
    "This device is being registered at this moment; wait until that is done.",
)
CREDENTIAL_SET_MISSING = Reason(
    "credential_set_missing",
    "设备要求登录，而没有凭据集的网段包含该地址：请先为其网段设置凭据集，或填写用户名和口令。",
    "The device wants a login, and no credential set holds its address: set one for its network, or give a login.",
)
NO_MEDIA = Reason(
    "no_media_service",
    "设备没有视频（Media）服务，可能不是摄像机。",
    "The device offers no media service; perhaps it is no camera.",
)
NO_PROFILE = Reason(
    "no_profile",
    "设备没有可用的视频配置，请在设备上启用主码流。",
    "The device has no usable video profile; switch its main stream on.",
)
NO_H264_PROFILE = Reason(
    "no_h264_profile",
    "设备的码流均不是 H.264 或 H.265，请在设备上将主码流改为 H.264。",
    "None of the device's streams is H.264 or H.265; set its main stream to H.264.",
)
NO_STREAM_ADDRESS = Reason(
    "no_stream_address",
    "设备未给出取流地址，请检查其 RTSP 服务，或按 RTSP 地址登记。",
    "The device gives no stream address; check its RTSP service, or register it by its RTSP address.",
)

# --- the stream --------------------------------------------------------------------------------------------------
STREAM_UNREACHABLE = Reason(
    "stream_unreachable",
    "无法连接 RTSP 端口，请检查摄像机的 RTSP 服务。",
    "The RTSP port cannot be reached; check the camera's RTSP service.",
)
STREAM_TIMEOUT = Reason(
    "stream_timeout",
    "RTSP 服务未在规定时间内应答，请检查网络或重启摄像机。",
    "The RTSP service did not answer in time; check the network, or restart the camera.",
)
STREAM_AUTH_FAILED = Reason(
    "stream_auth_failed",
    "RTSP 登录被拒：用户名或口令错误，或该用户无取流权限。",
    "The RTSP login was refused: the username or password is wrong, or this user may not view.",
)
STREAM_NOT_FOUND = Reason(
    "stream_not_found", "RTSP 地址不存在，请检查路径。", "There is no such RTSP stream; check its path."
)
STREAM_REFUSED = Reason(
    "stream_refused",
    "摄像机拒绝取流，可能连接数已满。",
    "The camera refuses the stream; perhaps it has too many readers.",
)
STREAM_INVALID = Reason(
    "stream_invalid",
    "RTSP 应答无法解析，请检查端口是否为 RTSP 服务。",
    "The RTSP answer cannot be understood; check that the port is an RTSP service.",
)
NO_VIDEO = Reason(
    "no_video", "流中没有视频，请检查码流路径。", "The stream holds no video; check which stream the address names."
)
CODEC_UNSUPPORTED = Reason(
    "codec_unsupported",
    "视频编码不受支持，请改用 H.264。",
    "The video codec is not supported; set the camera to H.264.",
)
NO_PICTURE = Reason(
    "no_picture",
    "已连接，但没有收到画面数据，请检查摄像机编码是否正常。",
    "Connected, but no picture data arrives; check that the camera is encoding.",
)

# --- control and events --------------------------------------------------------------------------------------------
PTZ_REFUSED = Reason(
    "ptz_refused",
    "摄像机拒绝了云台操作，可能该码流未配置云台或正被他人控制。",
    "The camera refused to be steered; perhaps this profile has no PTZ, or somebody else is steering.",
)
PRESET_UNKNOWN = Reason("preset_unknown", "摄像机没有该预置位。", "The camera has no such preset.")
IMAGING_REFUSED = Reason("imaging_refused", "摄像机拒绝了图像设置。", "The camera refused the picture settings.")
IMAGING_OUT_OF_RANGE = Reason(
    "imaging_out_of_range", "超出摄像机支持的取值范围。", "The camera does not offer this value."
)
EVENTS_REFUSED = Reason(
    "events_refused",
    "摄像机拒绝事件订阅，可能订阅数已满或不支持拉取方式。",
    "The camera takes no subscription; perhaps it has too many, or knows no pull points.",
)
CLOCK_BY_NTP = Reason(
    "clock_by_ntp",
    "摄像机由 NTP 校时，不能手动设置；请检查其 NTP 服务器地址。",
    "The camera takes its time by NTP, so it is not set by hand; check the server it asks.",
)
CLOCK_NOT_SETTABLE = Reason(
    "clock_not_settable",
    "摄像机拒绝设置时间，该用户可能没有管理权限。",
    "The camera did not let its clock be set; perhaps this user may not.",
)

# --- registration ------------------------------------------------------------------------------------------------
ALREADY_REGISTERED = Reason("camera_already_registered", "该摄像机已登记。", "This camera is registered already.")
CODES_EXHAUSTED = Reason(
    "camera_codes_exhausted", "该编码段的序号已用完。", "The serial numbers of this code range are used up."
)
TOO_MANY_TARGETS = Reason(
    "too_many_targets",
    "一次最多探测 256 个地址，请分批进行。",
    "At most 256 addresses are probed at once; do it in portions.",
)
RANGE_INVALID = Reason(
    "range_invalid",
    "地址段有误，应为 192.168.1.0/24、192.168.1.10-192.168.1.40 或单个地址。",
    "The range is none such as 192.168.1.0/24, 192.168.1.10-192.168.1.40, or one address.",
)
TOO_MANY_DOORS = Reason(
    "too_many_doors",
    "一次最多扫描 65536 个地址与端口组合，请缩小地址段或分批进行。",
    "At most 65,536 addresses and ports are swept at once; narrow the ranges, or do it in portions.",
)
INTERFACE_UNKNOWN = Reason(
    "interface_unknown", "本机没有这一网卡地址。", "This machine has no network interface with that address."
)

SHEET_UNREADABLE = Reason(
    "sheet_unreadable",
    "文件无法读取，应为 CSV（UTF-8 或 GB18030）或 XLSX。",
    "The file cannot be read; it is CSV (UTF-8 or GB 18030) or XLSX.",
)
SHEET_TOO_LARGE = Reason(
    "sheet_too_large",
    "表格过大，一次最多导入 20000 行，请分批导入。",
    "The sheet is too large: at most 20,000 rows at once; import it in portions.",
)
SHEET_WITHOUT_COLUMNS = Reason(
    "sheet_without_columns",
    "表头中没有“名称”或“编码”列，请使用导出的表格作为模板。",
    "The heading has neither a name nor a code column; use an exported sheet as a template.",
)
SHEET_WITH_SECRETS = Reason(
    "sheet_with_secrets",
    "表格中不能含有用户名或口令列；请删除该列，并为地址段设置凭据集。",
    "A sheet holds no usernames or passwords: take that column out, and set a credential set for the networks.",
)

# --- notes: registered all the same --------------------------------------------------------------------------------
CLOCK_WRONG = Reason(
    "clock_wrong",
    "摄像机时钟不准，请启用 NTP 校时。",
    "The camera's clock is wrong; let it set its time by NTP.",
)
HOST_REPAIRED = Reason(
    "host_repaired",
    "设备给出的取流地址指向其他主机，已改用实际连接的地址；请检查设备的网络设置（NAT、IP 地址）。",
    "The device named another host in its stream address; the one it answers at is used. Check its network settings "
    "(NAT, IP address).",
)
B_FRAMES = Reason(
    "b_frames",
    "视频流含 B 帧，浏览器实时播放会卡顿或无法播放，请在设备上关闭 B 帧（编码档次改为 Baseline/Main 且 B 帧数为 0）。",
    "The stream holds B-frames, which browsers do not play live; switch them off on the device.",
)
PARAMETER_SETS_MISSING = Reason(
    "parameter_sets_missing",
    "视频流缺少 SPS/PPS 参数集，可能无法解码，请升级固件或重启编码。",
    "The stream has no SPS and PPS, so it may not be decodable; update the firmware or restart the encoder.",
)
SUB_STREAM_UNUSABLE = Reason(
    "sub_stream_unusable",
    "子码流无法取流，检测改用主码流；请检查设备的子码流设置。",
    "The sub-stream does not play, so the main one is used for detection; check the sub-stream on the device.",
)
H265_ONLY = Reason(
    "h265_only",
    "只有 H.265 码流，部分浏览器无法实时播放，请增设 H.264 子码流。",
    "Only H.265 streams: some browsers cannot play them live; add an H.264 sub-stream.",
)
