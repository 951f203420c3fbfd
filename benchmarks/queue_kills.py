"""Whether a kill at any moment loses or doubles a committed reading, against a real broker.

    python benchmarks/queue_kills.py [--kills 200]

A program commits readings, says each once it is kept, and publishes them to a mosquitto of its
own; it is killed (SIGKILL) at a random moment, from its start to half a second of work, and started
again with the same queue. In every fifth run the broker goes away too. A subscriber with a session
that outlives its connection counts, by the rule of ``docs/mqtt.md``: what comes with a known id is
dropped. Writes ``benchmarks/results/queue-kills.json``.
"""

from __future__ import annotations

import argparse
import itertools
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from helpers_commits import Lines, committing, publishing, seen
from helpers_mosquitto import Mosquitto, Subscriber, mosquitto, subscribed

from edgedigits.files import write_json
from edgedigits.provenance import host_facts, package_versions

RESULT = Path(__file__).parent / "results" / "queue-kills.json"
SEED = 11
WORK = 0.5  # seconds after the first reading within which a kill falls
PAUSES = (0.0, 0.001, 0.01)  # seconds between readings
BROKER_GOES = 0.2  # of the runs
LAST = "999"
PATIENCE = 60.0  # seconds for the queue to be empty at the end


@dataclass(frozen=True)
class Run:
    """One run that was killed. ``said``: texts; ``moment``: seconds from start to kill."""

    said: list[str]
    moment: float
    working: bool
    broker_went: bool


def killed_run(
    number: int, broker: Mosquitto, queue: Path, log: Path, rng: random.Random, startup: float
) -> Run:
    """Start, and kill at a random moment: of the start-up, or of the work after it."""
    goes = rng.random() < BROKER_GOES
    in_startup = rng.random() < 0.25
    began = time.monotonic()
    with log.open("ab") as errors:
        process = committing(broker, queue, number, rng.choice(PAUSES), errors)
    assert process.stdout is not None
    said = ""
    if in_startup:
        time.sleep(rng.uniform(0, 1.2 * startup))
    else:
        said = process.stdout.readline()
        if not said:
            raise SystemExit(f"the program failed:\n{log.read_text()[-2000:]}")
        wait = rng.uniform(0, WORK)
        if goes:
            first = rng.uniform(0, wait)
            time.sleep(first)
            broker.stop()
            wait -= first
        time.sleep(max(0.0, wait))
    process.send_signal(signal.SIGKILL)
    moment = time.monotonic() - began
    said += process.stdout.read()
    process.wait()
    if goes and not in_startup:
        broker.start()
    return Run(said.split("\n")[:-1], moment, bool(said), goes and not in_startup)


def startup_seconds(broker: Mosquitto, folder: Path) -> float:
    """From start to first reading, of a queue that is thrown away."""
    began = time.monotonic()
    with (folder / "first.log").open("wb") as errors:
        process = committing(broker, folder / "first", 0, 1.0, errors)
    assert process.stdout is not None
    process.stdout.readline()
    seconds = time.monotonic() - began
    process.kill()
    process.communicate()
    return seconds


def counted(runs: list[Run], subscriber: Subscriber) -> dict[str, Any]:
    """What arrived, held against what was said."""
    arrived = subscriber.on("/reading")
    once = subscriber.once()
    texts = [document["text"] for document in once]
    numbers = [document["sequence"] for document in once]
    said = [text for run in runs for text in run.said]
    return {
        "kills": len(runs),
        "kills_while_starting": sum(not run.working for run in runs),
        "broker_went": sum(run.broker_went for run in runs),
        "said": len(said),
        "arrived": len(once),
        "lost": len(set(said) - set(texts)),
        "doubled": len(texts) - len(set(texts)),
        "again_with_the_same_id": len(arrived) - len(once),
        "numbers_missing": max(numbers, default=0) - len(set(numbers)),
        "out_of_order": sum(a > b for a, b in itertools.pairwise(numbers)),
        "queues": len({document["queue"] for document in once}),
    }


def measure(kills: int, folder: Path) -> dict[str, Any]:
    """All runs, and one more that sends what is left."""
    rng, runs, queue = random.Random(SEED), list[Run](), folder / "queue"
    with mosquitto(folder / "broker") as broker:
        startup = startup_seconds(broker, folder)
        with subscribed(broker.port, "edgedigits/desk/reading") as subscriber:
            subscriber.messages.clear()
            for number in range(1, kills + 1):
                runs.append(killed_run(number, broker, queue, folder / "log", rng, startup))
                if number % 10 == 0:
                    print(f"{number} kills, {len(subscriber.messages)} readings", file=sys.stderr)
            with publishing(broker.address, queue, Lines()) as publisher:
                publisher(seen(LAST))
                subscriber.wait_for(lambda: LAST in subscriber.texts()[-50:], PATIENCE)
            runs[-1].said.append(LAST)
            return counted(runs, subscriber)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(options.kills, Path(folder))
    document = {
        "command": f"python benchmarks/queue_kills.py --kills {options.kills}",
        **result,
        "seconds": round(time.monotonic() - began, 1),
        "versions": package_versions("paho-mqtt"),
        "host": host_facts(),
    }
    write_json(options.out, document)
    print(f"{result}\nwritten: {options.out}", file=sys.stderr)
    sys.exit(bool(result["lost"] or result["doubled"] or result["numbers_missing"]))


if __name__ == "__main__":
    main()
