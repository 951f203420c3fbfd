"""The virtual environment of one version of edgedigits, on the device."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from edgedigits.remote.there.talking import Talk, Trouble
from edgedigits.remote.there.tree import READY, Tree, remove, write

POLL = 0.2  # seconds
LONGEST = 300  # characters of another program's message
FULL = "No space left on device"
# Of installed packages, what no program here needs.
TRIMMED_FOLDERS = ("tests", "include")
TRIMMED_SUFFIXES = (".pyi", ".a", ".lib", ".h", ".pxd")
TRIMMED = (
    "ai_edge_litert/libLiteRtWebGpuAccelerator.so",  # GPUs of desktops
    "ai_edge_litert/tools",  # compilers ahead of time, and for chips of telephones
    "ai_edge_litert/vendors",
    "numpy/f2py",
)


def has_environment(tree: Tree, name: str) -> bool:
    """Whether the environment of this name is there, whole."""
    return (tree.venvs / name / READY).is_file()


def make_environment(tree: Tree, request: dict[str, Any], talk: Talk) -> None:
    """Make the environment, with edgedigits in it, unless it is there.

    Args:
        request: ``environment`` its name; ``python`` the device's Python; ``wheel`` and ``pip``
            names of files that came along, ``extras`` of the wheel; ``offline`` whether all that
            it needs came along too.

    Raises:
        Trouble: it cannot be made; nothing of it stays.
    """
    name = str(request["environment"])
    if has_environment(tree, name):
        return
    venv = tree.venvs / name
    remove(venv)
    try:
        talk.say(step="making the environment")
        make = [str(request["python"]), "-m", "venv", "--system-site-packages", "--without-pip"]
        run([*make, str(venv)], talk, "its Python cannot make an environment")
        talk.say(step="installing edgedigits")
        run(_install(venv, tree.incoming, request), talk, "edgedigits cannot be installed")
        for site in venv.glob("lib/python*/site-packages"):
            trim(site)
        _compile(venv, talk)
        os.sync()
        write(venv / READY, json.dumps({"schema_version": 1, "environment": name}).encode())
    except BaseException:
        remove(venv)
        raise


def _install(venv: Path, incoming: Path, request: dict[str, Any]) -> list[str]:
    """Pip from its own wheel: the environment stays without it, and needs no python3-venv."""
    pip = [str(venv / "bin/python"), "-I", str(incoming / str(request["pip"]) / "pip"), "install"]
    pip += ["--no-input", "--disable-pip-version-check", "--no-warn-script-location", "--quiet"]
    pip += ["--no-cache-dir", "--no-compile", "--only-binary=:all:", "--find-links", str(incoming)]
    if request["offline"]:
        pip.append("--no-index")
    if (incoming / "constraints.txt").is_file():
        pip += ["--constraint", str(incoming / "constraints.txt")]
    return [*pip, f"{incoming / str(request['wheel'])}[{request['extras']}]"]


def _compile(venv: Path, talk: Talk) -> None:
    """Compile once what is left, because the service's user may not write it down."""
    command = [str(venv / "bin/python"), "-I", "-m", "compileall", "-q", "-j", "0"]
    try:
        run([*command, str(venv / "lib")], talk, "not compiled")
    except Trouble:  # a file for another Python among them does no harm
        if talk.gone:
            raise


def run(command: list[str], talk: Talk, failed: str) -> str:
    """Run a program to its end, or until the workstation hangs up.

    Returns:
        What it printed.

    Raises:
        Trouble: it failed, and ``failed`` with the last of what it said; or the connection was cut.
    """
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,  # not a file: the disk may be full
            stderr=subprocess.STDOUT,
            cwd="/",
            env={**os.environ, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        )
    except OSError as error:
        raise Trouble(f"{failed}: {command[0]}: {error.strerror}") from error
    try:
        printed = None
        while printed is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                printed, _ = child.communicate(timeout=POLL)
            if talk.gone:
                raise Trouble("the connection was cut; nothing was replaced")
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    text = printed.decode("utf-8", "replace")
    if child.returncode:
        raise Trouble(_reason(text, failed, child.returncode))
    return text


def _reason(text: str, failed: str, code: int) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(FULL in line for line in lines):
        return f"{failed}: the disk is full"
    errors = [line for line in lines if line.startswith(("ERROR:", "Error:", "edgedigits:"))]
    last = (errors or lines or [f"exit code {code}"])[-1]
    for word in ("ERROR: ", "Error: ", "edgedigits: "):
        last = last.removeprefix(word)
    return f"{failed}: {last[:LONGEST]}"


def trim(site: Path) -> None:
    """Take out of a folder of packages what is only for those who build or test them."""
    for name in TRIMMED:
        remove(site / name)
    for folder, below, files in os.walk(site):
        for name in [name for name in below if name in TRIMMED_FOLDERS]:
            shutil.rmtree(Path(folder) / name, ignore_errors=True)
            below.remove(name)
        for name in files:
            if name.endswith(TRIMMED_SUFFIXES):
                (Path(folder) / name).unlink(missing_ok=True)
