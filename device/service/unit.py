"""The text of the systemd unit that runs ``edgedigits camera`` for months.

What each line does: systemd.service(5) and systemd.exec(5). The watchdog is fed by recognised
frames, so a camera that hangs, and not only a process that ends, is a reason to start again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from edgedigits.errors import UsageError

UNIT = "edgedigits.service"
PREFIX = PurePosixPath("/opt/edgedigits")
STATE = "/var/lib/edgedigits"  # by way of DynamicUser, /var/lib/private/edgedigits
CREDENTIALS = "%d/"  # in an argument: the folder of the unit's credentials

WATCHDOG_SECONDS = 30
START_SECONDS = 90
STEPS_FROM = 254  # the first systemd that knows RestartSteps and RestartMaxDelaySec
HOMES = ("/home", "/root", "/run/user")

# Camera nodes, what libcamera allocates frames from, the Pi's firmware, and a USB accelerator.
DEVICES = (
    "char-video4linux rw",
    "char-media rw",
    "char-dma_heap rw",
    "/dev/vchiq rw",
    "/dev/vcio rw",
    "char-usb_device rw",
)
# MemoryDenyWriteExecute stays out: libffi, which libcamera's Python uses, maps such memory.
HARDENING = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    # AF_NETLINK: libcamera hears of cameras from udev.
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "LockPersonality=yes",
    "CapabilityBoundingSet=",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
)


@dataclass(frozen=True)
class Service:
    """What the unit is to run.

    Attributes:
        prefix: the folder that ``edgedigits deploy`` fills; absolute.
        source: of the camera, as ``edgedigits camera --source`` takes it.
        options: further arguments of ``edgedigits camera``, as typed; ``%d/NAME`` at the start of
            one, or after its ``=``, is the file of the credential of that name.
        credentials: name → file on the device that root may read and the service is shown.
        groups: supplementary groups; each must exist on the device.
        watchdog: seconds without a recognised frame after which it is started again; 0: none.
    """

    prefix: PurePosixPath = PREFIX
    source: str = "0"
    options: Sequence[str] = ()
    credentials: Mapping[str, str] = field(default_factory=dict)
    groups: Sequence[str] = ("video",)
    watchdog: int = WATCHDOG_SECONDS


def command(service: Service) -> list[str]:
    """The words of the command that the unit runs."""
    prefix = service.prefix
    words = [
        str(prefix / "venv/bin/edgedigits"),
        "camera",
        "--model",
        str(prefix / "models/current/model.tflite"),
        "--source",
        service.source,
    ]
    if not _names(service.options, "--save-unsure"):
        words += ["--save-unsure", f"{STATE}/unsure"]
    return [*words, *service.options]


def unit_text(service: Service, *, systemd: int) -> str:
    """The unit file.

    Args:
        systemd: the device's version, as ``systemctl --version`` says, for example 252.

    Raises:
        UsageError: a path is not absolute, or a text cannot stand in a unit.
    """
    _check(service)
    back_off = ["RestartSec=5s"]
    if systemd >= STEPS_FROM:
        back_off = ["RestartSec=2s", "RestartSteps=6", "RestartMaxDelaySec=60s"]
    watchdog = [f"WatchdogSec={service.watchdog}s"] if service.watchdog else []
    home = "read-only" if str(service.prefix).startswith(HOMES) else "yes"
    lines = [
        "# Written by 'edgedigits deploy'; the next one writes it anew.",
        "# Changes of your own belong into a drop-in: systemctl edit edgedigits",
        "[Unit]",
        "Description=edgedigits: reads digits from a camera",
        "Wants=network-online.target",
        "After=network-online.target",
        # However often it fails, it is tried again: nobody is there to do it.
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=notify",
        f"ExecStart={' '.join(_quoted(word) for word in command(service))}",
        *watchdog,
        "Restart=always",
        *back_off,
        f"TimeoutStartSec={START_SECONDS}s",
        "TimeoutStopSec=15s",
        "",
        "DynamicUser=yes",
        *([f"SupplementaryGroups={' '.join(service.groups)}"] if service.groups else []),
        "StateDirectory=edgedigits",
        "CacheDirectory=edgedigits",
        "WorkingDirectory=%S/edgedigits",
        "Environment=HOME=%C/edgedigits",
        "Environment=PYTHONUNBUFFERED=1 PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1",
        *[f"LoadCredential={name}:{_plain(path)}" for name, path in service.credentials.items()],
        "",
        "DevicePolicy=closed",
        *[f"DeviceAllow={device}" for device in DEVICES],
        f"ProtectHome={home}",
        *HARDENING,
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _names(options: Sequence[str], option: str) -> bool:
    return any(word == option or word.startswith(f"{option}=") for word in options)


def _check(service: Service) -> None:
    if not service.prefix.is_absolute():
        raise UsageError(f"--prefix {service.prefix}: must be absolute, like {PREFIX}")
    if service.watchdog < 0:
        raise UsageError(f"--watchdog {service.watchdog}: must be 0 or more seconds")
    for name, path in service.credentials.items():
        if not (name.replace("-", "").replace("_", "").isalnum() and name.isascii()):
            raise UsageError(f"--credential {name}: a name is of letters, digits, - and _")
        if not PurePosixPath(path).is_absolute():
            raise UsageError(f"--credential {name}={path}: the file's path must be absolute")
    for group in service.groups:
        if not group.isascii() or not group.replace("-", "").replace("_", "").isalnum():
            raise UsageError(f"--group {group}: is no name of a group")


def _plain(text: str) -> str:
    """A text for the rest of a line: specifiers doubled, nothing that ends the line."""
    if not text.isprintable():
        raise UsageError(f"{text!r}: holds what cannot stand in a systemd unit")
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """A word of ExecStart=, so that systemd gives the program the very same one."""
    for credential in (CREDENTIALS, word.partition("=")[0] + "=" + CREDENTIALS):
        if word.startswith(credential):
            before = credential.removesuffix(CREDENTIALS)
            escaped = _plain(before) + CREDENTIALS + _plain(word[len(credential) :])
            break
    else:
        escaped = _plain(word)
    escaped = escaped.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    plain = escaped and all(c.isalnum() or c in "%$_-+=/.,:@" for c in escaped)
    return escaped if plain else f'"{escaped}"'
