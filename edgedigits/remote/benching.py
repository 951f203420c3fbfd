"""Files timed on devices by the edgedigits deployed there, and brought home into their run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgedigits.bench import check_turns
from edgedigits.errors import RunError, UsageError
from edgedigits.files import file_digest, read_json, write_json
from edgedigits.progress import SILENT, Progress
from edgedigits.remote.many import Outcome, Say, follow, on_all
from edgedigits.remote.plan import PREFIX
from edgedigits.remote.ssh import Ssh, connect, file_list
from edgedigits.run import RunFolder

BESIDE = ".json"  # what is known of a slim file
KEPT = ("peak_bytes", "temperature_before", "temperature_after", "versions")


@dataclass(frozen=True)
class DeviceBench:
    """What one host measured.

    Attributes:
        outcome: ``state`` is what the device said: ``files, peak_bytes, temperature_before,
            temperature_after, host, versions``.
        saved: files in run folders that hold it now.
    """

    outcome: Outcome
    saved: tuple[Path, ...]


def bench_on(
    hosts: Sequence[str],
    files: Sequence[Path],
    *,
    ssh: Ssh,
    prefix: str = PREFIX,
    threads: Sequence[int] = (1,),
    rounds: int = 20,
    progress: Progress = SILENT,
) -> list[DeviceBench]:
    """Measure files on hosts, and note it in ``RUN/devices/HOST.json`` of each file's run.

    Raises:
        UsageError: nothing that could be measured, or two files of one name.
    """
    check_turns(threads, rounds)
    names = [file.name for file in files]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two files are called {doubled[0]}; measure them one after the other")
    sent = {file.name: file for file in files}
    beside = [file.with_suffix(BESIDE) for file in files]
    sent |= {path.name: path for path in beside if path.is_file()}

    def measure(host: str, say: Say) -> tuple[dict[str, Any], None]:
        request = {"do": "bench", "prefix": prefix, "models": names}
        options = {"threads": list(threads), "rounds": rounds, "files": file_list(sent)}
        with connect(ssh, host, "work") as connection:
            connection.write({**request, **options})
            connection.send_files(sent)
            return follow(connection, say), None

    outcomes = on_all(hosts, measure, progress)
    return [DeviceBench(outcome, _saved(outcome, files)) for outcome in outcomes]


def _saved(outcome: Outcome, files: Sequence[Path]) -> tuple[Path, ...]:
    if outcome.state is None:
        return ()
    written = []
    for file, told in zip(files, outcome.state["files"], strict=True):
        run = RunFolder(file.resolve().parent.parent)
        if file.resolve().parent == run.exports and run.manifest_file.is_file():
            target = run.devices / f"{re.sub(r'[^A-Za-z0-9.@-]', '-', outcome.host)}.json"
            _note(target, outcome, file, told)
            written.append(target)
    return tuple(dict.fromkeys(written))


def _note(target: Path, outcome: Outcome, file: Path, told: dict[str, Any]) -> None:
    """Put one file's figures beside those that are there."""
    assert outcome.state is not None
    try:
        known = read_json(target, "measurements of a device")["files"] if target.exists() else {}
    except (RunError, KeyError):
        known = {}  # damaged: it is made again, a command a file
    state = outcome.state
    facts = {key: state[key] for key in KEPT}
    own = {**told, **facts, "processor": state["host"]["processor"], "device": state["host"]}
    write_json(target, {"host": outcome.host, "files": {**known, file_digest(file): own}})
