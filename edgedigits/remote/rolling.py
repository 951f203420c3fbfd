"""Devices that have been deployed to: go back to what ran before, and say what is in place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgedigits.progress import SILENT, Progress
from edgedigits.remote.judging import look, needs_root, require
from edgedigits.remote.many import Outcome, Say, follow, on_all
from edgedigits.remote.plan import Plan, check_paths
from edgedigits.remote.ssh import Ssh, connect


def rollback(
    hosts: Sequence[str],
    plan: Plan,
    *,
    ssh: Ssh,
    to: int | None = None,
    progress: Progress = SILENT,
) -> list[Outcome]:
    """Go back to the release that ran before, or to number ``to``."""
    check_paths(plan)

    def go_back(host: str, say: Say) -> tuple[dict[str, Any], None]:
        facts = look(ssh, host, plan.prefix, plan.units)
        require(host, facts, service=False, any_clock=True, back=True)
        root = needs_root(facts, service=bool(facts["told"].get("service")))
        with connect(ssh, host, "work", root=root) as connection:
            connection.write(
                {
                    "do": "rollback",
                    "prefix": facts["prefix"],
                    "to": to,
                    "settle": plan.settle,
                    "patience": plan.patience,
                }
            )
            return follow(connection, say), None

    return on_all(hosts, go_back, progress)


def status(
    hosts: Sequence[str], plan: Plan, *, ssh: Ssh, progress: Progress = SILENT
) -> list[Outcome]:
    """What is in place on each host."""
    check_paths(plan)

    def ask(host: str, say: Say) -> tuple[dict[str, Any], None]:
        with connect(ssh, host, "work") as connection:
            connection.write({"do": "status", "prefix": plan.prefix})
            return follow(connection, say), None

    return on_all(hosts, ask, progress)
