"""``edgedigits collect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import JsonOption, print_json, progress, stdout
from edgedigits.cli.deploy import ConfigOption, HostsArgument, PythonOption, SshOption


def collect(
    hosts: HostsArgument,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Where the crops go on this machine.")
    ],
    source: Annotated[
        str, typer.Option("--from", metavar="FOLDER", help="Where the device keeps them.")
    ] = "/var/lib/edgedigits/unsure",
    move: Annotated[
        bool,
        typer.Option("--move", help="Take away there what lies here, whole, by its SHA-256."),
    ] = False,
    ssh_config: ConfigOption = None,
    ssh_option: SshOption = None,
    python: PythonOption = "python3",
    as_json: JsonOption = False,
) -> None:
    """Bring home the crops that devices were not sure about; what is here already stays.

    Example: edgedigits collect pi@camera.local --out crops
    """
    from edgedigits.remote.collecting import collect as bring_home
    from edgedigits.remote.ssh import Ssh
    from edgedigits.report.devices import collect_json, collect_view, require_collected

    ssh = Ssh(ssh_config, ssh_option or (), python)
    with progress() as shown:
        found = bring_home(hosts, out, ssh=ssh, folder=source, move=move, progress=shown)
    if as_json:
        print_json(collect_json(found, out))
    elif view := collect_view(found, out):
        stdout().print(view, markup=False, soft_wrap=True)
    require_collected(found)
