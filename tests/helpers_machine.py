"""Machines nobody here has: file trees as documented for Raspberry Pis, and fakes of programs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgedigits.device.doctor.machine import Machine, Output, Python

PI5 = "Raspberry Pi 5 Model B Rev 1.0\0"  # device-tree strings end with a NUL
OPT = "/opt/edgedigits/venv"
SED = (
    "sed -i 's/^include-system-site-packages *=.*/include-system-site-packages = true/' "
    f"{OPT}/pyvenv.cfg"
)
ANEW = (  # the fix for an environment that a deploy made
    f'sudo rm -r "$(readlink -f {OPT})"; then on the workstation: edgedigits deploy HOST'
)
NOON = 1_790_000_000.0  # in September 2026
UVC, UVC_METADATA = 0x04200001, 0x04A00000  # video capture, metadata capture; both streaming
CODEC = 0x04204000  # memory to memory, several planes

# Nodes of a Pi 5 with one camera on the ribbon cable and a USB camera.
PI5_NODES = {
    "video0": ("rp1-cfe-csi2_ch0", 0x24A00001),
    "video1": ("rp1-cfe-embedded", 0x24A00000),
    "video8": ("C270 HD WEBCAM", UVC),
    "video9": ("C270 HD WEBCAM", UVC_METADATA),
    "video19": ("rpi-hevc-dec", CODEC),
    "video20": ("pispbe-input", 0x04202000),
}


class FakeVcgencmd:
    """A fake of ``vcgencmd``, which only a Raspberry Pi's firmware can answer.

    It follows the documented table of ``get_throttled``: bits 0 to 3 for what is so now, 16 to 19
    for what has been so since boot; what is so now has also been so.
    """

    NOW = ("under-voltage", "capped", "throttled", "soft-limit")

    def __init__(self) -> None:
        self.now: set[str] = set()
        self.ever: set[str] = set()

    def __call__(self, arguments: Sequence[str]) -> Output:
        if list(arguments) != ["get_throttled"]:
            return Output(255, 'error=1 error_msg="Command not registered"')
        bits = sum(1 << self.NOW.index(name) for name in self.now)
        bits |= sum(0x10000 << self.NOW.index(name) for name in self.ever | self.now)
        return Output(0, f"throttled=0x{bits:x}\n")


@dataclass
class Fake:
    """A machine's files in a folder, and what its programs answer.

    Attributes:
        programs: by the first word of a command; a program that is missing is not installed.
        imports: what ``python -c`` answers, by a word that is in the program it is given.
    """

    root: Path
    vcgencmd: FakeVcgencmd = field(default_factory=FakeVcgencmd)
    programs: dict[str, Callable[[Sequence[str]], Output]] = field(default_factory=dict)
    imports: dict[str, Output] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)
    nodes: dict[str, tuple[str, int]] = field(default_factory=dict)
    free: tuple[int, int] = (20_000_000_000, 32_000_000_000)

    def write(self, name: str, text: str = "") -> Path:
        path = self.root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, command: Sequence[str]) -> Output | None:
        if command[0].endswith("python"):
            assert command[1] == "-c"
            return next((o for word, o in self.imports.items() if word in command[2]), None)
        program = self.programs.get(command[0])
        return None if program is None else program(command[1:])

    def add_nodes(self, nodes: dict[str, tuple[str, int]]) -> None:
        self.nodes |= nodes
        for node, (name, _) in nodes.items():
            self.write(f"/dev/{node}")
            self.write(f"/sys/class/video4linux/{node}/name", f"{name}\n")

    def machine(
        self,
        *,
        version: tuple[int, int, int] = (3, 11, 2),
        bits: int = 64,
        base: str = "/usr",
        prefix: str = OPT,
        kernel: str = "aarch64",
        seconds: float = NOON,
    ) -> Machine:
        return Machine(
            root=self.root,
            run=self.run,
            may_use=lambda node: node.name not in self.forbidden,
            capabilities=lambda node: self.nodes[node.name][1] if node.name in self.nodes else None,
            space=lambda path: self.free,
            python=Python(f"{prefix}/bin/python", prefix, base, version, bits),
            kernel=kernel,
            user="pi",
            seconds=seconds,
        )


def healthy_pi(root: Path) -> Fake:
    """A Raspberry Pi 5 with Bookworm on which everything is as it should be."""
    fake = Fake(root)
    fake.write("/proc/device-tree/model", PI5)
    fake.write("/etc/os-release", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n')
    fake.write("/etc/group", "root:x:0:\nvideo:x:44:pi\nplugdev:x:46:pi,anna\n")
    fake.write("/proc/mounts", "/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n")
    fake.write(
        "/proc/meminfo", "MemTotal:  8245000 kB\nMemFree: 1000 kB\nMemAvailable: 6000000 kB\n"
    )
    fake.write("/sys/class/thermal/thermal_zone0/temp", "48312\n")
    fake.write("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/python3").symlink_to("python3.11")
    fake.write(f"{OPT}/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = true\n")
    fake.add_nodes(PI5_NODES)
    fake.imports = {
        "load_runtime": Output(0, "ai_edge_litert.interpreter\n"),
        "import numpy": Output(0, "2.2.6\n"),
        "import cv2": Output(0, "4.12.0\n"),
        "import flatbuffers": Output(0, "25.2.10\n"),
        "Picamera2": Output(0, '["imx708"]\n'),
    }
    fake.programs = {
        "vcgencmd": fake.vcgencmd,
        "timedatectl": lambda _: Output(0, "NTP=yes\nNTPSynchronized=yes\n"),
        "systemctl": lambda _: Output(0, unit_facts()),
    }
    deploy_model(fake)
    return fake


def unit_facts(**changes: str) -> str:
    """What ``systemctl show`` prints, as ``name=value`` lines."""
    facts = {
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "running",
        "Result": "success",
        "NRestarts": "0",
        "StatusText": "0: 1,200 frames recognised, 3 dropped, 10.0 a second",
    }
    return "".join(f"{key}={value}\n" for key, value in (facts | changes).items())


def deploy_model(fake: Fake) -> Path:
    """A model in place, as a verified bundle is placed. Its folder."""
    models = fake.root / "opt/edgedigits/models"
    folder = models / "3f9a0123456789ab"
    parts = {"model.tflite": "weights", "model.json": "{}"}
    for name, text in parts.items():
        fake.write(f"/opt/edgedigits/models/{folder.name}/{name}", text)
    listed = [
        {"name": name, "bytes": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
        for name, text in parts.items()
    ]
    document = {"name": "digit-reader", "parts": listed}
    (folder / "manifest.json").write_text(json.dumps(document))
    (models / "current").symlink_to(folder.name)
    return folder


def works(library: str) -> str | None:
    """A delegate that can be used."""
    return None
