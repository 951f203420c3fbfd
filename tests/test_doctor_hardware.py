"""What a doctor finds of cameras, accelerators, heat, power, disk, memory and clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers_machine import ANEW, OPT, PI5_NODES, SED, Fake, healthy_pi, works

from edgedigits.device.doctor.accelerator import check_accelerator
from edgedigits.device.doctor.cameras import check_cameras, check_picamera
from edgedigits.device.doctor.check import Check
from edgedigits.device.doctor.health import (
    check_clock,
    check_disk,
    check_memory,
    check_temperature,
    check_throttling,
    throttled,
)
from edgedigits.device.doctor.machine import Output


@pytest.fixture
def pi(tmp_path: Path) -> Fake:
    return healthy_pi(tmp_path)


def test_only_what_gives_pictures_is_a_camera(pi: Fake) -> None:
    assert [check.name for check in check_cameras(pi.machine())] == ["camera /dev/video8"]
    pi.forbidden = set(PI5_NODES)  # then nothing can be asked: by name
    names = [check.name for check in check_cameras(pi.machine())]
    assert names == ["camera /dev/video8", "camera /dev/video9"]


def test_a_camera_that_may_not_be_used(pi: Fake) -> None:
    pi.forbidden = {"video8"}
    (check,) = check_cameras(pi.machine())
    group = (pi.root / "dev/video8").group()
    assert check.state == "failure"
    assert f"pi may not use it, it belongs to the group {group}" in check.found
    assert check.fix == f"sudo usermod -aG {group} pi, then log in again"
    pi.write("/etc/group", f"{group}:x:44:pi\n")
    (check,) = check_cameras(pi.machine())
    assert check.fix == f"log out and in again: pi joined {group} after this session began"


def test_no_camera(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    (check,) = check_cameras(fake.machine())
    assert (check.state, check.found) == ("skipped", "none is connected")
    fake.add_nodes({"video19": PI5_NODES["video19"]})
    (check,) = check_cameras(fake.machine())
    assert check.found == "none is connected; 1 other video nodes, none of them a camera"


def test_picamera_that_cannot_be_imported(pi: Fake) -> None:
    missing = Output(1, "", "…\nModuleNotFoundError: No module named 'libcamera'\n")
    pi.imports["Picamera2"] = missing
    check = check_picamera(pi.machine())
    assert check.state == "failure"
    assert "No module named 'libcamera'; the kernel sees a camera" in check.found
    assert check.fix == "sudo apt install -y python3-picamera2"
    pi.write(f"{OPT}/pyvenv.cfg", "include-system-site-packages = false\n")
    assert check_picamera(pi.machine()).fix == f"sudo apt install -y python3-picamera2 && {SED}"
    other = check_picamera(pi.machine(base="/usr/local", prefix="/home/pi/env"))
    assert other.fix.startswith(
        "sudo apt install -y python3-picamera2 && /usr/bin/python3 -m venv --clear"
    )
    for node in ("video0", "video1"):
        (pi.root / "dev" / node).unlink()
    assert check_picamera(pi.machine()).state == "warning"  # nobody may need it
    pi.write("/proc/device-tree/model", "")
    assert check_picamera(pi.machine()).state == "skipped"


def test_picamera_and_another_numpy(pi: Fake) -> None:
    """A known trap: the system's simplejpeg is built for NumPy 1, the environment has NumPy 2."""
    pi.imports["Picamera2"] = Output(
        1,
        "",
        "ValueError: numpy.dtype size changed, may indicate binary incompatibility. "
        "Expected 96 from C header, got 88 from PyObject\n",
    )
    assert check_picamera(pi.machine()).fix == ANEW
    own = check_picamera(pi.machine(prefix="/home/pi/env")).fix
    assert own == "/home/pi/env/bin/python -m pip install --force-reinstall --no-deps simplejpeg"


def test_picamera_that_sees_nothing(pi: Fake) -> None:
    pi.imports["Picamera2"] = Output(0, "[]\n")
    check = check_picamera(pi.machine())
    assert check.state == "failure"
    assert "rpicam-hello --list-cameras" in check.fix


def _usb(fake: Fake, vendor: str, product: str) -> str:
    for name, text in {
        "idVendor": vendor, "idProduct": product, "busnum": "2", "devnum": "13"
    }.items():  # fmt: skip
        fake.write(f"/sys/bus/usb/devices/2-1/{name}", f"{text}\n")
    return "/dev/bus/usb/002/013"


@pytest.mark.parametrize(("vendor", "product"), [("1a6e", "089a"), ("18d1", "9302")])
def test_an_edge_tpu_on_usb(pi: Fake, vendor: str, product: str) -> None:
    node = _usb(pi, vendor, product)
    check = check_accelerator(pi.machine(), works)
    assert (check.state, check.found) == (
        "failure", "on USB, but libedgetpu.so.1 is not installed"
    )  # fmt: skip
    assert check.fix.endswith("sudo apt install -y libedgetpu1-std")
    pi.write("/usr/lib/aarch64-linux-gnu/libedgetpu.so.1")
    assert check_accelerator(pi.machine(), works) == Check(
        "Edge TPU", "ok", "on USB: --delegate libedgetpu.so.1"
    )
    refused = check_accelerator(pi.machine(), lambda library: f"{library} found no device")
    assert refused.state == "failure"
    assert refused.found.endswith("libedgetpu.so.1 found no device")
    pi.write(node)
    pi.forbidden = {"013"}
    check = check_accelerator(pi.machine(), works)
    assert f"pi may not use {node}" in check.found


def test_an_edge_tpu_on_pcie_and_others(pi: Fake) -> None:
    _usb(pi, "046d", "0825")
    assert check_accelerator(pi.machine(), works).found == "none is connected"
    pi.write("/sys/bus/pci/devices/0000:01:00.0/vendor", "0x1ac1\n")
    pi.write("/sys/bus/pci/devices/0000:01:00.0/device", "0x089a\n")
    pi.write("/usr/lib/aarch64-linux-gnu/libedgetpu.so.1")
    check = check_accelerator(pi.machine(), works)
    assert check.found == "on PCIe, but no /dev/apex_0: its driver is missing"
    assert "gasket-dkms" in check.fix
    pi.write("/dev/apex_0")
    assert check_accelerator(pi.machine(), works).state == "ok"


@pytest.mark.parametrize(
    ("milli", "state"), [("79999", "ok"), ("80000", "warning"), ("85000", "failure")]
)
def test_heat(pi: Fake, milli: str, state: str) -> None:
    pi.write("/sys/class/thermal/thermal_zone0/temp", milli)
    pi.write("/sys/class/thermal/thermal_zone1/temp", "99000")  # of something else
    pi.write("/sys/class/thermal/thermal_zone1/type", "nvme")
    check = check_temperature(pi.machine())
    assert check.state == state
    assert bool(check.fix) == (state != "ok")


def test_the_documented_bits_of_get_throttled() -> None:
    assert throttled(0) == ()
    assert throttled(0x50005) == (
        "under-voltage", "throttled", "under-voltage has occurred", "throttling has occurred"
    )  # fmt: skip
    assert throttled(0x20002) == ("processor frequency capped", "frequency capping has occurred")
    assert throttled(0x80008) == (
        "soft temperature limit active", "the soft temperature limit was reached"
    )  # fmt: skip
    assert throttled(0xFFF0FFF0) == ()  # bits that mean nothing


def test_power(pi: Fake) -> None:
    pi.vcgencmd.ever = {"under-voltage", "throttled"}
    check = check_throttling(pi.machine())
    assert check.state == "warning"
    assert check.found == "under-voltage has occurred, throttling has occurred (0x50000)"
    assert "power supply" in check.fix
    pi.vcgencmd.now = {"throttled"}
    assert check_throttling(pi.machine()).state == "failure"
    pi.vcgencmd.ever, pi.vcgencmd.now = set(), {"soft-limit"}
    check = check_throttling(pi.machine())
    assert (check.state, "fan" in check.fix) == ("warning", True)
    pi.write("/etc/group", "video:x:44:anna\n")
    pi.programs["vcgencmd"] = lambda _: Output(
        255, "", "Can't open device file: /dev/vcio\nTry creating a device file with: …\n"
    )
    check = check_throttling(pi.machine())
    assert check.fix == "sudo usermod -aG video pi, then log in again"
    del pi.programs["vcgencmd"]
    assert check_throttling(pi.machine()).found == "there is no vcgencmd"


def test_disk(pi: Fake) -> None:
    for free, state in ((10**9, "ok"), (10**9 - 1, "warning"), (299_999_999, "failure")):
        pi.free = (free, 32 * 10**9)
        assert check_disk(pi.machine()).state == state
    pi.free = (20 * 10**9, 32 * 10**9)
    pi.write("/proc/mounts", "/dev/root / ext4 ro,noatime 0 0\ntmpfs /run tmpfs rw 0 0\n")
    check = check_disk(pi.machine())
    assert check.state == "failure"
    assert "mounted read-only" in check.found
    pi.write("/proc/mounts", "overlay / overlay ro 0 0\n/dev/sda1 /opt ext4 rw,errors=remount-ro\n")
    pi.write("/proc/mounts", (pi.root / "proc/mounts").read_text().replace("remount-ro", "x 0 0"))
    assert check_disk(pi.machine()).state == "ok"  # what lies nearest counts


def test_memory(pi: Fake) -> None:
    for kilobytes, state in ((300_000, "ok"), (200_000, "warning"), (100_000, "failure")):
        pi.write("/proc/meminfo", f"MemTotal: 400000 kB\nMemAvailable: {kilobytes} kB\n")
        assert check_memory(pi.machine()).state == state
    pi.write("/proc/meminfo", "")
    assert check_memory(pi.machine()).state == "skipped"


def test_clock(pi: Fake) -> None:
    for seconds in (0.0, 4.2e9):
        check = check_clock(pi.machine(seconds=seconds))
        assert check.state == "failure"
        assert check.fix.startswith("sudo timedatectl set-ntp true")
    for text, fix in (
        ("NTP=no\nNTPSynchronized=no\n", "sudo timedatectl set-ntp true"),
        ("NTP=yes\nNTPSynchronized=no\n", "timedatectl timesync-status"),
    ):
        pi.programs["timedatectl"] = lambda _, text=text: Output(0, text)  # type: ignore[misc]
        check = check_clock(pi.machine())
        assert (check.state, check.fix) == ("warning", fix)
    del pi.programs["timedatectl"]
    assert check_clock(pi.machine()).state == "skipped"
