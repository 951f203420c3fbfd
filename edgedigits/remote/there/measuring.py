"""Time a file on the device, by the edgedigits that is deployed there."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from edgedigits.remote.there.environment import run
from edgedigits.remote.there.talking import Talk, Trouble
from edgedigits.remote.there.tree import Tree

MODULE = "edgedigits.device.speed"


def bench(tree: Tree, request: dict[str, Any], talk: Talk) -> None:
    """Receive model files, measure each, and say what was found."""
    python = tree.prefix / "venv/bin/python"
    if not python.exists():
        raise Trouble(f"nothing is deployed in {tree.prefix}; run 'edgedigits deploy' first")
    with tempfile.TemporaryDirectory(prefix="edgedigits-bench-") as own:
        talk.receive(Path(own), request["files"])
        talk.listen()
        files = [str(Path(own) / name) for name in request["models"]]
        talk.say(step="measuring")
        options = json.dumps({"threads": request["threads"], "rounds": request["rounds"]})
        command = [str(python), "-I", "-m", MODULE, options, *files]
        printed = run(command, talk, "the device cannot measure it")
        talk.say(done=json.loads(printed.splitlines()[-1]))
