"""Python, its environment, and what edgedigits imports."""

from __future__ import annotations

from pathlib import Path

from edgedigits.device.doctor.check import AGAIN, Check
from edgedigits.device.doctor.machine import Machine

TESTED = ((3, 10), (3, 13))  # Pythons
NEEDED = ("numpy", "cv2", "flatbuffers")
PACKAGES = {"cv2": "opencv-python-headless"}  # that bring a module of another name
RUNTIME = "from edgedigits.device.interpreter import load_runtime as r; print(r().__name__)"
SYSTEM_PYTHON = "/usr/bin/python3"


def check_bits(machine: Machine) -> Check:
    """Whether kernel and programs have 64 bits."""
    bits, kernel = machine.python.bits, machine.kernel
    if bits == 64:
        return Check("64 bits", "ok", f"{kernel}, a Python of 64 bits")
    if kernel in ("aarch64", "x86_64"):
        found = f"a kernel of 64 bits ({kernel}), but a system of 32 bits"
    else:
        found = f"{kernel}: a system of 32 bits"
    return Check(
        "64 bits",
        "warning",
        f"{found}: ai-edge-litert, NumPy and OpenCV have no wheels on PyPI for it",
        "write the 64-bit Raspberry Pi OS with Raspberry Pi Imager, for a Pi 3, 4, 5 or Zero 2 W",
    )


def check_python(machine: Machine) -> Check:
    """Whether this Python is one that was tested, and on a Pi the system's."""
    python = machine.python
    version = ".".join(map(str, python.version))
    system = system_version(machine)
    if machine.is_pi and system and (python.base != "/usr" or python.version[:2] != system):
        return Check(
            "Python",
            "warning",
            f"{version} of {python.base}, not the system's {system[0]}.{system[1]}: packages of "
            "the system, as libcamera, cannot be imported",
            new_environment(machine),
        )
    if not TESTED[0] <= python.version[:2] <= TESTED[1]:
        return Check(
            "Python",
            "warning",
            f"{version}; tested are 3.10 to 3.13",
            new_environment(machine),
        )
    return Check("Python", "ok", f"{version}, {python.executable}")


def system_version(machine: Machine) -> tuple[int, int] | None:
    """Of ``/usr/bin/python3``, by the name of the program that it leads to."""
    try:
        name = machine.path(SYSTEM_PYTHON).readlink().name
        major, minor = name.removeprefix("python").split(".")
        return int(major), int(minor)
    except (OSError, ValueError):
        return None


def sees_system_packages(machine: Machine) -> bool:
    """Whether packages that apt installed can be imported by this Python."""
    if machine.python.prefix == machine.python.base:
        return True
    settings = machine.text(Path(machine.python.prefix) / "pyvenv.cfg").lower().splitlines()
    return "include-system-site-packages=true" in {line.replace(" ", "") for line in settings}


def new_environment(machine: Machine) -> str:
    """Make the environment again with the system's Python, and what it needs in it."""
    prefix = machine.python.prefix
    if Path(prefix).is_relative_to(machine.prefix):
        return AGAIN
    if prefix == machine.python.base:
        prefix = "$HOME/edgedigits"
    return (
        f"{SYSTEM_PYTHON} -m venv --clear --system-site-packages {prefix} && "
        f"{prefix}/bin/python -m pip install edgedigits"
    )


def pip_install(machine: Machine, packages: str) -> str:
    """Install packages into this environment; one that was deployed has no pip: make it anew."""
    prefix = machine.python.prefix
    if Path(prefix).is_relative_to(machine.prefix):
        return f'sudo rm -r "$(readlink -f {prefix})"; then {AGAIN}'
    return f"{machine.python.executable} -m pip install {packages}"


def check_environment(machine: Machine) -> Check:
    """Whether a virtual environment lets the system's packages in, which libcamera needs."""
    name, prefix = "environment", machine.python.prefix
    if prefix == machine.python.base:
        return Check(name, "ok", f"none: {prefix} itself")
    if sees_system_packages(machine):
        return Check(name, "ok", f"{prefix}, with the system's packages")
    if not machine.is_pi:
        return Check(name, "ok", f"{prefix}, without the system's packages")
    return Check(
        name,
        "warning",
        f"{prefix} does not see the system's packages, as libcamera and Picamera2",
        "sed -i 's/^include-system-site-packages *=.*/include-system-site-packages = true/' "
        f"{prefix}/pyvenv.cfg",
    )


def check_packages(machine: Machine) -> Check:
    """Whether what edgedigits needs can be imported, each tried in a process of its own."""
    versions = []
    for module in NEEDED:
        program = f"import {module} as m; print(getattr(m, '__version__', ''))"
        done = machine.run([machine.python.executable, "-c", program])
        package = PACKAGES.get(module, module)
        if done is None or done.code != 0:
            why = "it does not end" if done is None else done.last
            return Check(
                "packages",
                "failure",
                f"{module} cannot be imported: {why}",
                pip_install(machine, f"--force-reinstall {package}"),
            )
        versions.append(f"{package} {done.out.strip()}".strip())
    return Check("packages", "ok", ", ".join(versions))


def check_runtime(machine: Machine) -> Check:
    """Whether a TFLite runtime can be imported."""
    done = machine.run([machine.python.executable, "-c", RUNTIME])
    if done is not None and done.code == 0:
        return Check("runtime", "ok", done.out.strip().partition(".")[0].replace("_", "-"))
    why = "it does not end" if done is None else done.last.partition("MissingPackageError: ")[2]
    found = f"no TFLite runtime can be imported: {why or (done.last if done else '')}"
    if machine.python.bits == 64:
        return Check("runtime", "failure", found, pip_install(machine, "ai-edge-litert"))
    if machine.python.version[:2] > (3, 11):
        found += "; on 32 bits there is one for Python 3.11 and older only"
        return Check("runtime", "failure", found, check_bits(machine).fix)
    return Check("runtime", "failure", found, pip_install(machine, "tflite-runtime"))
