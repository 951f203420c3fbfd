"""Deploy, go back, and say what is in place: what the workstation asks for, done on the device."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

from edgedigits.remote.there.crops import collect
from edgedigits.remote.there.environment import has_environment, make_environment, run
from edgedigits.remote.there.measuring import bench
from edgedigits.remote.there.service import check_free, end, service_state, start
from edgedigits.remote.there.talking import Talk, Trouble, standard_talk
from edgedigits.remote.there.tree import UNFINISHED, UNIT, Tree, flush, remove, write

TOLD = ("service", "units", "source", "options", "credentials", "groups", "watchdog")
PLACE = "edgedigits.device.bundle.placing"


def deploy(tree: Tree, request: dict[str, Any], talk: Talk) -> None:
    """Make environment and release, and switch to it only when all of it is there and verified."""
    with tree.alone():
        if request["service"]:
            check_free(tree, Path(request["units"]))
        tree.incoming.mkdir()
        try:
            talk.say(have=has_environment(tree, str(request["environment"])))
            talk.receive(tree.incoming, talk.read()["files"])
            talk.listen()
            make_environment(tree, request, talk)
            release = _prepare(tree, request, talk)
        finally:
            shutil.rmtree(tree.incoming, ignore_errors=True)
        try:
            talk.agree("switch")
        except Trouble:
            tree.remove_release(release)
            raise
        _switch(tree, release, request, talk, new=True)
        tree.prune()
        talk.say(done=state(tree))


def rollback(tree: Tree, request: dict[str, Any], talk: Talk) -> None:
    """Switch to the release that ran before, or to the one that is named."""
    if not tree.prefix.is_dir():
        raise Trouble(f"nothing is deployed in {tree.prefix}")
    with tree.alone():
        current = tree.current()
        if current is None:
            raise Trouble(f"nothing is deployed in {tree.prefix}")
        target = tree.before(current)
        if request.get("to") is not None:
            target = tree.releases / str(request["to"])
            if not target.is_dir():
                there = ", ".join(map(str, tree.numbers()))
                raise Trouble(f"there is no release {request['to']}; there is {there}")
        if target is None:
            raise Trouble("there is no earlier release to go back to")
        told = _read_json(target / "service.json")
        settings = {**request, "service": told.get("service"), "units": told.get("units")}
        if settings["service"]:
            check_free(tree, Path(settings["units"]))
        talk.listen()
        talk.agree("switch")
        _switch(tree, target, settings, talk, new=False)
        talk.say(done=state(tree))


def _prepare(tree: Tree, request: dict[str, Any], talk: Talk) -> Path:
    """The new release, whole, beside the others; its bundle is verified by its environment."""
    numbers = tree.numbers()
    number = (numbers[-1] if numbers else 0) + 1
    made = tree.releases / f"{UNFINISHED}{number}"
    remove(made)
    made.mkdir()
    try:
        venv = tree.venvs / str(request["environment"])
        (made / "venv").symlink_to(f"../../venvs/{request['environment']}")
        talk.say(step="verifying the bundle")
        place = [str(venv / "bin/python"), "-I", "-m", PLACE, str(tree.incoming / "model.bundle")]
        place.append(str(made / "models"))
        if request.get("key"):
            place.append(str(tree.incoming / str(request["key"])))
        placed = json.loads(run(place, talk, "the bundle was refused").splitlines()[-1])
        current = tree.current()
        facts = {
            "edgedigits": request["edgedigits"],
            "environment": request["environment"],
            "bundle": request["bundle"],
            **placed,
            "before": None if current is None else int(current.name),
            "deployed": time.time(),
        }
        told = {key: request.get(key) for key in TOLD}
        for name, content in (("release.json", facts), ("service.json", told)):
            text = json.dumps({"schema_version": 1, **content}, indent=1) + "\n"
            write(made / name, text.encode())
        if request["service"]:
            write(made / UNIT, str(request["unit"]).encode())
        os.sync()
        release = tree.releases / str(number)
        made.rename(release)
        flush(tree.releases)
    except BaseException:
        remove(made)
        raise
    return release


def _switch(tree: Tree, release: Path, settings: dict[str, Any], talk: Talk, *, new: bool) -> None:
    """Switch, start, watch; go back where it does not run. The workstation is no longer needed."""
    before = tree.current()
    told = {} if before is None else _read_json(before / "service.json")
    talk.say(step="switching over")
    if not settings["service"]:
        if told.get("service"):
            _end(tree, told, release if new else None)
        tree.switch(release)
        tree.prove(release)
        return
    tree.switch(release)
    talk.say(step="starting the service")
    fault = _start(tree, settings)
    if not fault:
        tree.prove(release)
        return
    if before is None or before == release:
        raise Trouble(f"{fault}; there is no earlier release to go back to, systemd keeps trying")
    again = ""
    if told.get("service"):
        tree.switch(before)
        again = _start(tree, {**settings, "units": told["units"]})
    else:
        with contextlib.suppress(Trouble, OSError):
            end(tree, Path(settings["units"]))
        tree.switch(before)
    if new:
        tree.remove_release(release)
    how = f"which does not run either: {again}" if again else "which runs"
    raise Trouble(f"{fault}; went back to release {before.name}, {how}")


def _end(tree: Tree, told: dict[str, Any], unwanted: Path | None) -> None:
    """End the service of the release that ran; where it cannot be, nothing changes."""
    try:
        end(tree, Path(told["units"]))
    except (Trouble, OSError) as error:
        if unwanted is not None:
            tree.remove_release(unwanted)
        raise Trouble(f"the service that runs cannot be ended: {error}") from error


def _start(tree: Tree, settings: dict[str, Any]) -> str:
    return start(
        tree,
        Path(settings["units"]),
        settle=float(settings["settle"]),
        patience=float(settings["patience"]),
    )


def status(tree: Tree, request: dict[str, Any], talk: Talk) -> None:
    """Say what is in place."""
    talk.say(done=state(tree))


def state(tree: Tree) -> dict[str, Any]:
    """What is in place, what could be gone back to, and how the service does."""
    current = tree.current()
    found: dict[str, Any] = {
        "prefix": str(tree.prefix),
        "release": None if current is None else tree.facts(current),
        "releases": [tree.facts(tree.releases / str(number)) for number in tree.numbers()],
        "service": None,
    }
    if current is not None and _read_json(current / "service.json").get("service"):
        found["service"] = service_state()
    return found


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


DOES = {
    "deploy": deploy,
    "rollback": rollback,
    "status": status,
    "bench": bench,
    "collect": collect,
}


def main() -> None:
    """Answer one request; every failure is one line to the workstation."""
    os.umask(0o022)  # the service's user must be able to read all of it
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    talk = standard_talk()
    try:
        request = talk.read()
        prefix = Path(os.path.expanduser(str(request["prefix"])))  # noqa: PTH111
        DOES[str(request["do"])](Tree(prefix), request, talk)
    except Trouble as trouble:
        talk.say(error=str(trouble))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        talk.say(error=f"{where}{error.strerror or error}")
    except Exception as error:
        what = " ".join(str(error).split())[:300]
        talk.say(error=f"unexpected {type(error).__name__} on the device: {what}")


if __name__ == "__main__":
    main()
