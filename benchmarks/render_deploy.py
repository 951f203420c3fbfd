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
    packages = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in document["packages"].items())
    lines = [
        table(["job", "seconds", "at most", "of it, step by step"], rows),
        f"Sent: {document['wheel_bytes'] / 1e6:.0f} MB of wheels. Installed: "
        f"{document['installed_bytes'] / 1e6:.0f} MB ({document['largest_bytes'] / 1e6:.0f} at "
        f"most); the largest packages, in MB: {packages}. The service at its peak: "
        f"{document['resident_bytes'] / 1e6:.0f} MB resident.",
        f"Other work on that machine at the time: a load of {document['load']:.1f} on "
        f"{document['host']['cpus']} processors.",
        measured_on(document),
    ]
    return "\n\n".join(lines)


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
