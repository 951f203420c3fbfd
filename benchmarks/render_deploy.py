"""The tables of ``docs/deploy.md``, from ``deploy.json`` and ``deploy-kills.json``."""

from __future__ import annotations

from typing import Any

from render_ladder import measured_on

from edgedigits.reproduce.markdown import table

Document = dict[str, Any]


def deploy(document: Document) -> str:
    """How long each job took, step by step, and what it takes on the device."""
    rows = []
    for row in document["rows"]:
        target = row["target"]
        aim = "–" if target is None else f"{target:.0f}"
        steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in row["steps"].items())
        rows.append([row["what"], f"{row['seconds']:.1f}", aim, steps or "–"])
    pi = document["aarch64"]
    lines = [
        table(["job", "seconds", "at most", "of it, step by step"], rows),
        f"Sent: {megabytes(document['wheel_bytes'])} of wheels. Installed on this machine: "
        f"{megabytes(document['installed_bytes'])} ({largest(document)}). The same wheels for a "
        f"64-bit Raspberry Pi with Python 3.11, unpacked and trimmed in the same way: "
        f"{megabytes(pi['installed_bytes'])} of at most {megabytes(document['largest_bytes'])} "
        f"({largest(pi)}), {megabytes(pi['wheel_bytes'])} to send. The service at its peak: "
        f"{megabytes(document['resident_bytes'])} resident.",
        f"Other work on that machine at the time: a load of {document['load']:.1f} on "
        f"{document['host']['cpus']} processors.",
        measured_on(document),
    ]
    return "\n\n".join(lines)


def megabytes(size: int) -> str:
    """Bytes as MB."""
    return f"{size / 1e6:.0f} MB"


def largest(document: Document) -> str:
    """The largest packages, in MB."""
    sizes = document["packages"].items()
    return ", ".join(f"`{name}` {size / 1e6:.0f}" for name, size in list(sizes)[:5])


def kills(document: Document) -> str:
    """What was killed, and how often something was wrong afterwards."""
    rows = [
        [*(part.strip() for part in what.split(",")), str(count)]
        for what, count in document["how"].items()
    ]
    return "\n\n".join(
        (
            f"{document['moments']} random moments; nothing that works afterwards: "
            f"{len(document['faults'])} times. Left behind after the next deploy: "
            f"{len(document['left_after_the_next'])} files.",
            table(["job", "killed", "ended", "times"], rows),
        )
    )
