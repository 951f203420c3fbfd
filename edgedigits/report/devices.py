"""Lines and documents of what is on devices."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgedigits.errors import DeviceError
from edgedigits.remote.benching import DeviceBench
from edgedigits.remote.collecting import Collected
from edgedigits.remote.many import Outcome
from edgedigits.report.rows import NOTHING, Column, Table, count, number

DIGITS = 12  # of a SHA-256 that is shown


def deploy_view(outcomes: Sequence[Outcome]) -> str:
    """What is in place on each host that answered, a line each; the service's last lines below."""
    return "\n".join(_host(outcome) for outcome in outcomes if outcome.state is not None)


def _host(outcome: Outcome) -> str:
    state = outcome.state
    assert state is not None
    release, service = state["release"], state["service"]
    if release is None:
        return f"{outcome.host}: nothing is deployed in {state['prefix']}"
    parts = [
        f"release {release['number']}",
        f"{release.get('model', '?')} {str(release.get('model_sha256', '?'))[:DIGITS]}",
        f"edgedigits {release.get('edgedigits', '?')}",
        f"deployed {_when(release.get('deployed'))}",
        _service(service),
    ]
    if not release["proven"]:
        parts.append("NOT PROVEN: its deploy was cut off; deploy again")
    others = [str(other["number"]) for other in state["releases"] if other != release]
    if others:
        parts.append(f"also there: {', '.join(others)}")
    lines = [f"{outcome.host}: {', '.join(parts)} ({outcome.seconds:.1f} s)"]
    if service is not None:
        said = [service["status"]] if service["status"] else []
        lines += [f"  {line}" for line in (*said, *service["said"])]
    return "\n".join(lines)


def _service(service: dict[str, Any] | None) -> str:
    if service is None:
        return "no service"
    since = f" since {service['since']}" if service["since"] else ""
    restarts = f", restarted {service['restarts']} times" if service["restarts"] else ""
    return f"service {service['state']}{since}{restarts}"


def _when(seconds: object) -> str:
    if not isinstance(seconds, (int, float)):
        return "?"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def deploy_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Each host's outcome as plain values."""
    return {
        "hosts": [
            {
                "host": outcome.host,
                "ok": outcome.error is None,
                "error": outcome.error,
                "seconds": round(outcome.seconds, 3),
                "environment_reused": outcome.reused,
                **(outcome.state or {}),
            }
            for outcome in outcomes
        ]
    }


def require_all(outcomes: Sequence[Outcome]) -> None:
    """Raise DeviceError where a host failed: its line; of several, one line each."""
    _require([outcome.error for outcome in outcomes])


def collect_view(found: Sequence[Collected], out: Path) -> str:
    """What came from each host that answered, a line each."""
    return "\n".join(
        f"{one.host}: {one.found} crops, {one.new} of them new, now in {out}"
        + (f"; {one.removed} removed there" if one.removed else "")
        for one in found
        if one.error is None
    )


def collect_json(found: Sequence[Collected], out: Path) -> dict[str, Any]:
    """What came from each host, as plain values."""
    return {"folder": str(out), "hosts": [{**asdict(one), "ok": not one.error} for one in found]}


def require_collected(found: Sequence[Collected]) -> None:
    """Raise DeviceError where a host failed: its line; of several, one line each."""
    _require([one.error for one in found])


def _require(errors: Sequence[str | None]) -> None:
    if failed := [error for error in errors if error is not None]:
        raise DeviceError("\n".join(failed))


def device_bench_rows(found: Sequence[DeviceBench]) -> Table:
    """A row a host, file and number of threads."""
    return Table(
        title="On devices, one picture at a time; fps: 640×480 frames of ten digits",
        columns=(
            Column("host", right=False),
            Column("file", right=False),
            Column("threads"),
            Column("p50 µs"),
            Column("p95 µs"),
            Column("fps"),
            Column("memory MB"),
            Column("°C"),
        ),
        rows=tuple(
            (
                one.outcome.host,
                file["file"],
                count(row["threads"]),
                number(row["latency_us_p50"], 1),
                number(row["latency_us_p95"], 1),
                NOTHING if file["fps"] is None else number(file["fps"], 1),
                NOTHING
                if (peak := one.outcome.state["peak_bytes"]) is None
                else f"{peak / 1e6:.0f}",
                number(one.outcome.state["temperature_after"], 1),
            )
            for one in found
            if one.outcome.state is not None
            for file in one.outcome.state["files"]
            for row in file["rows"]
        ),
        keys=3,
    )


def _megabytes(size: int | None) -> str:
    return NOTHING if size is None else f"{size / 1e6:.0f}"


def device_bench_json(found: Sequence[DeviceBench]) -> dict[str, Any]:
    """What each host measured, as plain values."""
    return {
        "hosts": [
            {
                "ok": one.outcome.error is None,
                "error": one.outcome.error,
                "seconds": round(one.outcome.seconds, 3),
                "saved": [str(path) for path in one.saved],
                **{key: value for key, value in (one.outcome.state or {}).items() if key != "host"},
                "device": (one.outcome.state or {}).get("host"),
                "host": one.outcome.host,
            }
            for one in found
        ]
    }
