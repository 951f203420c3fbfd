"""Cameras: at /dev/video…, and on a Raspberry Pi's ribbon cable."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from edgedigits.device.doctor.check import Check, State
from edgedigits.device.doctor.machine import Machine
from edgedigits.device.doctor.software import (
    new_environment,
    pip_install,
    sees_system_packages,
    system_version,
)
from edgedigits.device.nodes import group_of

CAPTURE = 0x00000001 | 0x00001000  # V4L2_CAP_VIDEO_CAPTURE, …_MPLANE
MEMORY_TO_MEMORY = 0x00008000 | 0x00004000  # V4L2_CAP_VIDEO_M2M, …_MPLANE: codecs and the like
RIBBON = ("unicam", "rp1-cfe")  # receivers of the ribbon cable: raw pictures, for libcamera
# Nodes of a Pi that are no cameras: codecs, and what libcamera uses to make pictures.
INNER = ("bcm2835-codec", "bcm2835-isp", "pispbe", "rpi-hevc-dec", "rpivid")
PICAMERA = (
    "import json, os; os.environ.setdefault('LIBCAMERA_LOG_LEVELS', '*:ERROR'); import libcamera; "
    "from picamera2 import Picamera2; "
    "print(json.dumps([str(c.get('Model', '?')) for c in Picamera2.global_camera_info()]))"
)


@dataclass(frozen=True)
class Node:
    """A node of video4linux: where it is, what it calls itself, what it can do (None: unknown)."""

    path: Path
    name: str
    capabilities: int | None

    @property
    def is_ribbon(self) -> bool:
        """Whether it receives what comes over the ribbon cable."""
        return self.name.startswith(RIBBON)

    @property
    def is_camera(self) -> bool:
        """Whether OpenCV can take pictures from it."""
        if self.is_ribbon or self.name.startswith(INNER):
            return False
        if self.capabilities is None:
            return True
        captures = self.capabilities & CAPTURE
        return bool(captures and not self.capabilities & MEMORY_TO_MEMORY)


def video_nodes(machine: Machine) -> list[Node]:
    """All nodes, in the order of their numbers."""
    paths = [p for p in machine.path("/dev").glob("video*") if re.fullmatch(r"video\d+", p.name)]
    return [
        Node(
            path,
            machine.text(f"/sys/class/video4linux/{path.name}/name"),
            machine.capabilities(path) if machine.may_use(path) else None,
        )
        for path in sorted(paths, key=lambda path: int(path.name[5:]))
    ]


def check_cameras(machine: Machine) -> list[Check]:
    """One check a camera at /dev/video…, or one that says that there is none."""
    nodes = video_nodes(machine)
    cameras = [node for node in nodes if node.is_camera]
    others = f"; {len(nodes)} other video nodes, none of them a camera" if nodes else ""
    if not cameras:
        return [
            Check(
                "USB camera",
                "skipped",
                f"none is connected{others}",
                "" if any(node.is_ribbon for node in nodes) else "plug one in; lsusb shows it",
            )
        ]
    return [_camera(machine, node) for node in cameras]


def _camera(machine: Machine, node: Node) -> Check:
    shown = machine.shown(node.path)
    name, title = f"camera {shown}", node.name or "without a name"
    if machine.may_use(node.path):
        if node.capabilities is None:
            return Check(name, "warning", f"{title}; it does not answer", f"fuser -v {shown}")
        return Check(name, "ok", title)
    group = group_of(node.path)
    found = f"{title}; {machine.user} may not use it, it belongs to the group {group}"
    return Check(name, "failure", found, join_group(machine, group))


def join_group(machine: Machine, group: str) -> str:
    """What gets the user into a group: by name, or into this session."""
    if machine.user in machine.members(group):
        return f"log out and in again: {machine.user} joined {group} after this session began"
    return f"sudo usermod -aG {group} {machine.user}, then log in again"


def check_picamera(machine: Machine) -> Check:
    """Whether libcamera and Picamera2 can be imported, and see a camera; on a Pi only."""
    name = "ribbon camera"
    if not machine.is_pi:
        return Check(name, "skipped", "no Raspberry Pi")
    there = any(node.is_ribbon for node in video_nodes(machine))
    done = machine.run([machine.python.executable, "-c", PICAMERA])
    if done is None or done.code != 0:
        why = "importing it does not end" if done is None else done.last
        state: State = "failure" if there else "warning"
        seen = "; the kernel sees a camera" if there else ""
        return Check(name, state, f"Picamera2 cannot be imported: {why}{seen}", _fix(machine, why))
    try:
        cameras = json.loads(done.out.strip().splitlines()[-1])
    except (ValueError, IndexError):
        cameras = []
    if cameras:
        return Check(name, "ok", f"{', '.join(cameras)}: --source picamera")
    return Check(
        name,
        "failure" if there else "skipped",
        "Picamera2 works, but sees no camera",
        "push the ribbon cable in on both ends, with the power off; then: "
        "rpicam-hello --list-cameras",
    )


def _fix(machine: Machine, why: str) -> str:
    if "size changed" in why or "NumPy 1.x" in why:
        # The system's simplejpeg was made for its own NumPy; PyPI's is made for 2, and runs on 1.
        return pip_install(machine, "--force-reinstall --no-deps simplejpeg")
    install = "sudo apt install -y python3-picamera2"
    python, system = machine.python, system_version(machine)
    if python.base != "/usr" or (system and python.version[:2] != system):
        return f"{install} && {new_environment(machine)}"
    if not sees_system_packages(machine):
        return (
            f"{install} && sed -i 's/^include-system-site-packages *=.*/"
            f"include-system-site-packages = true/' {python.prefix}/pyvenv.cfg"
        )
    return install
