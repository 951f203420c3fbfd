"""Kill deploy and rollback at random moments: a working version must be there afterwards.

    python benchmarks/deploy_kills.py [--moments 100] [--seed 1]

A real sshd on loopback. At a random moment of each deploy or rollback, either everything that runs
on the device is killed (-9), or the workstation's connection is. Afterwards what is in place must
read the model that is in place, and be one that was deployed whole. Some deploys make an
environment, most use the one that is there. Writes ``benchmarks/results/deploy-kills.json``.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from helpers_sshd import Device, device

from edgedigits.files import file_digest, write_json
from edgedigits.provenance import host_facts, package_versions
from edgedigits.remote.deploying import deploy
from edgedigits.remote.rolling import rollback
from edgedigits.remote.ssh import hang_up
from edgedigits.remote.wheels import own_wheel
from edgedigits.zoo import zoo_file

RESULT = Path(__file__).parent / "results" / "deploy-kills.json"
MODELS = ("mnist-8k", "mnist-16k", "digit-reader")
FRESH = 8  # one deploy of so many makes its environment


def run_job(pi: Device, job: str, model: str, wheel: Path | None) -> str | None:
    """Deploy or roll back; the error, if any."""
    if job == "rollback":
        (outcome,) = rollback(["pi"], pi.plan(), ssh=pi.ssh())
    else:
        (outcome,) = deploy(["pi"], model, pi.plan(wheel=wheel), ssh=pi.ssh())
    return outcome.error


def other_wheel(folder: Path, number: int) -> Path:
    """A wheel with other bytes, so that it gets an environment of its own."""
    (folder / str(number)).mkdir()
    wheel = own_wheel(folder / str(number))
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("edgedigits/note.txt", str(number))
    return wheel


def fault(pi: Device) -> str | None:
    """What is wrong with what is in place; None: nothing."""
    digests = {file_digest(zoo_file(name)) for name in MODELS}
    try:
        if file_digest(pi.prefix / "models/current/model.tflite") not in digests:
            return "the model is none that was deployed"
    except OSError as error:
        return f"the model is not there: {error}"
    return None if pi.works() else "what is in place does not run"


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    how: Counter[str] = Counter()
    faults: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="edgedigits-kills-") as own:
        folder = Path(own)
        with device(folder / "pi") as pi:
            lasted: dict[str, float] = {}
            for job in ("deploy", "fresh", "deploy", "rollback"):
                wheel = other_wheel(folder, 0) if job == "fresh" else None
                began = time.monotonic()
                assert run_job(pi, job, rng.choice(MODELS), wheel) is None
                lasted[job] = time.monotonic() - began
            for number in range(1, arguments.moments + 1):
                job = rng.choice(("deploy", "rollback"))
                job = "fresh" if job == "deploy" and number % FRESH == 0 else job
                wheel = other_wheel(folder, number) if job == "fresh" else None
                cut = rng.choice(("device", "connection"))
                timer = threading.Timer(
                    rng.uniform(0, lasted[job]), pi.cut_power if cut == "device" else hang_up
                )
                began = time.monotonic()
                timer.start()
                error = run_job(pi, job, rng.choice(MODELS), wheel)
                if error is None:  # the moment came after the end: aim better
                    lasted[job] = min(lasted[job], time.monotonic() - began)
                timer.join()
                pi.wait_until_idle()
                how[f"{job}, {cut}, {'ended well' if error is None else 'cut'}"] += 1
                if found := fault(pi):
                    faults.append({"number": number, "job": job, "cut": cut, "fault": found})
                print(f"{number} {job} {cut}: {found or 'works'} ({error})", file=sys.stderr)
            assert run_job(pi, "deploy", MODELS[0], None) is None
            left = [path.name for path in pi.prefix.rglob(".unfinished-*")]
    document = {
        "command": f"python benchmarks/deploy_kills.py --moments {arguments.moments} "
        f"--seed {arguments.seed}",
        "moments": arguments.moments,
        "faults": faults,
        "how": dict(sorted(how.items())),
        "left_after_the_next": left,
        "versions": package_versions(),
        "host": host_facts(),
    }
    write_json(RESULT, document)
    print(f"written: {RESULT}", file=sys.stderr)
    sys.exit(bool(faults or left))


if __name__ == "__main__":
    main()
