"""What a doctor finds on machines with one thing wrong in their software, and the fix it names."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from conftest import RunCli
from helpers_machine import ANEW, OPT, SED, Fake, deploy_model, healthy_pi, unit_facts, works

from edgedigits.device.doctor.check import Check
from edgedigits.device.doctor.deployed import check_model, check_service
from edgedigits.device.doctor.examining import examine
from edgedigits.device.doctor.machine import Machine, Output, capabilities, run
from edgedigits.device.doctor.software import (
    check_bits,
    check_environment,
    check_packages,
    check_python,
    check_runtime,
)
from edgedigits.report.doctor import examination_json, examination_view
from edgedigits.report.rows import as_text


@pytest.fixture
def pi(tmp_path: Path) -> Fake:
    return healthy_pi(tmp_path)


def test_a_healthy_pi_has_nothing_to_fix(pi: Fake) -> None:
    found = examine(pi.machine(), works)
    assert found.device == "Raspberry Pi 5 Model B Rev 1.0, Debian GNU/Linux 12 (bookworm)"
    assert {check.name: check.state for check in found.checks} == {
        "64 bits": "ok",
        "Python": "ok",
        "environment": "ok",
        "packages": "ok",
        "runtime": "ok",
        "camera /dev/video8": "ok",
        "ribbon camera": "ok",
        "Edge TPU": "skipped",
        "temperature": "ok",
        "power": "ok",
        "disk": "ok",
        "memory": "ok",
        "clock": "ok",
        "model": "ok",
        "service": "ok",
    }
    assert not any(check.fix for check in found.checks)
    assert not found.failed
    text = as_text(examination_view(found))
    assert "48.3 °C" in text
    assert "imx708: --source picamera" in text
    assert text.endswith("15 checks: 0 failed, 0 with a warning\n")


def test_one_failure_fails_the_examination_and_its_fix_stands_whole(pi: Fake) -> None:
    pi.imports["load_runtime"] = Output(
        1, "", "…\nedgedigits.errors.MissingPackageError: running a model needs ai-edge-litert\n"
    )
    found = examine(pi.machine(), works)
    assert found.failed
    document = examination_json(found)
    assert document["failed"] is True
    (failed,) = (check for check in document["checks"] if check["state"] == "failure")
    assert failed == {
        "name": "runtime",
        "state": "failure",
        "found": "no TFLite runtime can be imported: running a model needs ai-edge-litert",
        "fix": ANEW,
    }
    assert f"\nruntime (failure):\n  {failed['fix']}\n" in as_text(examination_view(found))


def test_a_check_that_cannot_be_made_is_a_finding(pi: Fake) -> None:
    def broken(command: object) -> Output:
        raise OSError("input/output error")

    pi.programs["vcgencmd"] = broken
    found = examine(pi.machine(), works)
    (power,) = (check for check in found.checks if check.name == "power")
    assert power == Check("power", "failure", "cannot be examined: input/output error")
    assert len(found.checks) == 15


@pytest.mark.parametrize(
    ("bits", "kernel", "found"),
    [
        (32, "aarch64", "a kernel of 64 bits (aarch64), but a system of 32 bits"),
        (32, "armv7l", "armv7l: a system of 32 bits"),
    ],
)
def test_32_bits(pi: Fake, bits: int, kernel: str, found: str) -> None:
    check = check_bits(pi.machine(bits=bits, kernel=kernel))
    assert check.state == "warning"
    assert check.found.startswith(found)
    assert "64-bit Raspberry Pi OS" in check.fix
    assert check_bits(pi.machine()).state == "ok"


def test_a_python_that_is_not_the_systems(pi: Fake) -> None:
    for machine in (
        pi.machine(base="/usr/local", version=(3, 12, 4), prefix="/home/pi/env"),
        pi.machine(version=(3, 12, 4), prefix="/home/pi/env"),
    ):
        check = check_python(machine)
        assert check.state == "warning"
        assert "not the system's 3.11" in check.found
        assert check.fix == (
            "/usr/bin/python3 -m venv --clear --system-site-packages /home/pi/env && "
            "/home/pi/env/bin/python -m pip install edgedigits"
        )
    deployed = check_python(pi.machine(base="/usr/local", version=(3, 12, 4)))
    assert deployed.fix == "on the workstation: edgedigits deploy HOST"
    assert check_python(pi.machine(version=(3, 11, 9))).state == "ok"
    (pi.root / "usr/bin/python3").unlink()
    assert check_python(pi.machine(version=(3, 14, 0))).found == "3.14.0; tested are 3.10 to 3.13"


def test_an_environment_without_the_systems_packages(pi: Fake) -> None:
    pi.write(f"{OPT}/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\n")
    check = check_environment(pi.machine())
    assert (check.state, check.fix) == ("warning", SED)
    assert check_environment(pi.machine(prefix="/usr")).found == "none: /usr itself"
    pi.write("/proc/device-tree/model", "")
    assert check_environment(pi.machine()).state == "ok"  # only a Pi needs them


def test_the_fix_for_an_environment_works_on_a_real_one(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.write("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    env = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", env], check=True)
    program = "import sys; print(any('site-packages' in p for p in sys.path[-1:]), sys.path)"
    before = subprocess.run([env / "bin/python", "-c", program], capture_output=True, check=True)
    check = check_environment(fake.machine(prefix="/env"))
    assert check.state == "warning"
    subprocess.run(check.fix.replace("/env/", f"{env}/"), shell=True, check=True)
    after = subprocess.run([env / "bin/python", "-c", program], capture_output=True, check=True)
    assert check_environment(fake.machine(prefix="/env")).state == "ok"
    assert len(after.stdout) > len(before.stdout)  # the base's folder has joined the path


def test_packages_that_cannot_be_imported(pi: Fake) -> None:
    pi.imports["import cv2"] = Output(
        1, "", "Traceback …\nImportError: libGL.so.1: cannot open shared object file\n"
    )
    assert check_packages(pi.machine()) == Check(
        "packages",
        "failure",
        "cv2 cannot be imported: ImportError: libGL.so.1: cannot open shared object file",
        ANEW,
    )
    own = check_packages(pi.machine(prefix="/home/pi/env")).fix
    assert own == "/home/pi/env/bin/python -m pip install --force-reinstall opencv-python-headless"
    del pi.imports["import cv2"]
    assert check_packages(pi.machine()).found == "cv2 cannot be imported: it does not end"


def test_no_runtime_on_32_bits(pi: Fake) -> None:
    pi.imports["load_runtime"] = Output(1, "", "MissingPackageError: x")
    old = check_runtime(pi.machine(bits=32, prefix="/home/pi/env"))
    assert old.fix == "/home/pi/env/bin/python -m pip install tflite-runtime"
    new = check_runtime(pi.machine(bits=32, version=(3, 13, 5)))
    assert "Python 3.11 and older only" in new.found
    assert "64-bit Raspberry Pi OS" in new.fix


@pytest.mark.parametrize(
    ("facts", "state", "found"),
    [
        ({"NRestarts": "4"}, "warning", "active (running), restarted 4 times: 0: 1,200 frames"),
        ({"ActiveState": "activating", "SubState": "auto-restart"}, "warning", "activating (auto-"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "failure", "inactive (dead)"),
        (
            {"ActiveState": "failed", "SubState": "failed", "Result": "watchdog"},
            "failure",
            "failed",
        ),
        ({"LoadState": "not-found"}, "failure", "edgedigits.service is not installed"),
        ({"LoadState": "masked"}, "failure", "edgedigits.service is masked"),
    ],
)
def test_the_service(pi: Fake, facts: dict[str, str], state: str, found: str) -> None:
    asked: list[str] = []

    def systemctl(arguments: Sequence[str]) -> Output:
        asked.extend(arguments)
        return Output(0, unit_facts(**facts))

    pi.programs["systemctl"] = systemctl
    check = check_service(pi.machine())
    assert asked[:2] == ["show", "edgedigits.service"]
    assert (check.state, check.found[: len(found)]) == (state, found)
    assert check.fix


def test_nothing_deployed(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    fake.programs["systemctl"] = lambda _: Output(0, unit_facts(LoadState="not-found"))
    assert check_model(fake.machine()).state == "skipped"
    assert check_service(fake.machine()).state == "skipped"
    current = tmp_path / "opt/edgedigits/current"
    current.mkdir(parents=True)
    assert check_model(fake.machine()).state == "failure"
    assert check_service(fake.machine()).state == "failure"
    (current / "service.json").write_text('{"service": false}')
    assert check_service(fake.machine()).found == "deployed without a service"


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda f: (f / "model.tflite").write_text("weightz"), "is not as it was placed"),
        (lambda f: (f / "model.json").unlink(), "No such file"),
        (lambda f: (f / "manifest.json").write_text("{}"), "manifest.json is damaged"),
        (lambda f: (f / "manifest.json").write_text("["), "manifest.json is damaged"),
    ],
)
def test_a_model_that_is_not_as_placed(
    tmp_path: Path, spoil: Callable[[Path], object], found: str
) -> None:
    fake = Fake(tmp_path)
    spoil(deploy_model(fake))
    check = check_model(fake.machine())
    assert check.state == "failure"
    assert found in check.found
    assert check.fix == "on the workstation: edgedigits deploy HOST"


def test_the_model_of_a_real_bundle(bundle: Path, tmp_path: Path) -> None:
    from edgedigits.device.bundle.placing import place_bundle

    place_bundle(bundle, tmp_path / "opt/edgedigits/models")
    check = check_model(Fake(tmp_path).machine())
    assert check.state == "ok"
    assert check.found.startswith("mnist-8k, 8,128 bytes, as placed")


def test_real_programs() -> None:
    assert run(["/nonexistent/program"]) is None
    done = run(["sh", "-c", "echo out; echo first >&2; echo last >&2; exit 3"])
    assert done is not None
    assert (done.code, done.out, done.last) == (3, "out\n", "last")
    assert capabilities(Path("/dev/null")) is None  # opens, but is no V4L2 node
    assert capabilities(Path("/dev/none")) is None


def test_this_machine(run_cli: RunCli, tmp_path: Path) -> None:
    code, out, error = run_cli("doctor", "--json", "--prefix", tmp_path / "none")
    document = json.loads(out)
    checks = {check["name"]: check for check in document["checks"]}
    assert document["schema_version"] == 1
    assert code == (1 if document["failed"] else 0)
    assert error == ""
    assert checks["packages"]["state"] == checks["runtime"]["state"] == "ok"
    assert checks["model"]["state"] == "skipped"
    (tmp_path / "made").mkdir()
    code, out, error = run_cli("doctor", "--prefix", tmp_path / "made")
    assert (code, error) == (1, "")
    assert "model (failure):\n  on the workstation: edgedigits deploy HOST" in out


def test_it_runs_where_everything_else_is_missing() -> None:
    """Where NumPy and the like are broken, the doctor is what says so."""
    program = (
        "import sys\n"
        "for name in ('numpy', 'cv2', 'flatbuffers', 'ai_edge_litert'): sys.modules[name] = None\n"
        "sys.argv = ['edgedigits', 'doctor']\n"
        "from edgedigits.cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert "memory" in done.stdout


def test_the_machine_reads_nothing_outside_its_root(tmp_path: Path) -> None:
    machine = Machine(root=tmp_path)
    assert machine.model == ""
    assert machine.system == "unknown system"
    assert machine.text("/etc/passwd") == ""
    assert machine.members("video") == ()
