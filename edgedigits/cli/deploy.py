"""``edgedigits deploy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgedigits.cli.common import (
    DATA_HELP,
    DataDirOption,
    JsonOption,
    only,
    print_json,
    progress,
    stdout,
)
from edgedigits.errors import UsageError

if TYPE_CHECKING:
    from edgedigits.remote.ssh import Ssh

HostsArgument = Annotated[
    list[str], typer.Argument(metavar="HOST", help="As in 'ssh HOST': pi, pi@10.0.0.5, an alias.")
]
PrefixOption = Annotated[
    str, typer.Option(metavar="FOLDER", help="The folder on the device; ~/… is its user's home.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--ssh-config", "-F", metavar="FILE", help="Instead of ~/.ssh/config."),
]
SshOption = Annotated[
    list[str] | None,
    typer.Option("--ssh-option", metavar="NAME=VALUE", help="As 'ssh -o', for example Port=2222."),
]
PythonOption = Annotated[str, typer.Option(metavar="PROGRAM", help="The device's Python.")]
OPT = "/opt/edgedigits"
# What --status and --rollback also take; the other options say what is to be brought there.
ASKING = {"status", "prefix", "ssh_config", "ssh_option", "python", "as_json"}
GOING_BACK = {*ASKING - {"status"}, "rollback", "to", "settle", "unit_folder"}


def deploy(
    context: typer.Context,
    hosts: HostsArgument,
    bundle: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A bundle; or a .tflite file, a run folder (its int8 file) or a shipped file's "
            "name, of which one is made. Default: digit-reader.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help=f"Of golden pictures, where one is made: {DATA_HELP}"),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="PUBLIC", help="Refuse a bundle not signed with it, there too."),
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Go back to the release that ran before.")
    ] = False,
    to: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="With --rollback: to this release.")
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Only say what is in place, and how it does.")
    ] = False,
    service: Annotated[
        bool | None,
        typer.Option(
            "--service/--no-service",
            help="Whether systemd is to run the camera. Default: as before, at first yes.",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Of the camera, as for 'camera'. Default: as before, at first 0."),
    ] = None,
    mqtt: Annotated[
        str | None,
        typer.Option(
            metavar="HOST[:PORT]", help="The camera's --mqtt: a broker for what it reads."
        ),
    ] = None,
    camera_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPTION", help="A further option of 'camera', for example=--threads=2; repeat."
        ),
    ] = None,
    credential: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="A file there that root may read and the service is shown, in camera options as "
            "%d/NAME; repeat.",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(help="Groups of the service; at first video. Repeat for several."),
    ] = None,
    watchdog: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", help="Without a frame until it is restarted; 0: never."),
    ] = None,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="Leave out the options that an earlier deploy was told."),
    ] = False,
    wheel: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of edgedigits. Default: made of what runs here."),
    ] = None,
    wheels: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="All that it needs, for a device without a network."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Fetch here, by pip, all that the device needs.")
    ] = False,
    any_clock: Annotated[
        bool, typer.Option("--any-clock", help="Go on though the device's clock is far off.")
    ] = False,
    settle: Annotated[
        float, typer.Option(metavar="SECONDS", help="The service must run so long to be kept.")
    ] = 3.0,
    prefix: PrefixOption = OPT,
    unit_folder: Annotated[
        str, typer.Option(metavar="FOLDER", help="Where the device keeps its own units.")
    ] = "/etc/systemd/system",
    ssh_config: ConfigOption = None,
    ssh_option: SshOption = None,
    python: PythonOption = "python3",
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a model, and the edgedigits that runs it, onto devices over ssh, all or nothing.

    Each device verifies the bundle before anything is replaced. If the service then does not run,
    the device goes back by itself. Exits with 1 when a host failed.

    Example: edgedigits deploy pi@camera.local --source picamera
    """
    from edgedigits.remote.plan import Plan, Wish
    from edgedigits.remote.ssh import Ssh
    from edgedigits.report.devices import deploy_json, deploy_view, require_all

    if rollback and status:
        raise UsageError("--rollback and --status: name one of them")
    if to is not None and not rollback:
        raise UsageError("--to is for --rollback")
    if to is not None and to < 1:
        raise UsageError(f"--to {to}: must be 1 or more")
    if status:
        only(context, "--status", ASKING)
    if rollback:
        only(context, "--rollback", GOING_BACK)
    ssh = Ssh(ssh_config, ssh_option or (), python)
    options = camera_option if mqtt is None else [f"--mqtt={mqtt}", *(camera_option or [])]
    wish = Wish(
        service=service,
        source=source,
        options=options,
        credentials=None if credential is None else dict(map(_named, credential)),
        groups=group,
        watchdog=watchdog,
    )
    plan = Plan(
        wish=wish,
        forget=forget,
        prefix=prefix,
        units=unit_folder,
        wheel=wheel,
        wheels=wheels,
        offline=offline,
        key=key,
        any_clock=any_clock,
        settle=settle,
    )
    with progress() as shown:
        if status:
            from edgedigits.remote.rolling import status as ask

            outcomes = ask(hosts, plan, ssh=ssh, progress=shown)
        elif rollback:
            from edgedigits.remote.rolling import rollback as go_back

            outcomes = go_back(hosts, plan, ssh=ssh, to=to, progress=shown)
        else:
            from edgedigits.remote.deploying import deploy as bring

            outcomes = bring(
                hosts, bundle, plan, ssh=ssh, data=data, data_dir=data_dir, progress=shown
            )
    if as_json:
        print_json(deploy_json(outcomes))
    elif view := deploy_view(outcomes):
        stdout().print(view, markup=False, soft_wrap=True)
    require_all(outcomes)


def _named(text: str) -> tuple[str, str]:
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        raise UsageError(f"--credential {text}: must be like mqtt=/etc/edgedigits/mqtt.txt")
    return name, file


def bench_on_hosts(
    hosts: list[str],
    files: list[Path],
    ssh: Ssh,
    prefix: str,
    threads: list[int],
    rounds: int,
    *,
    as_json: bool,
) -> None:
    """What ``bench --host`` does."""
    from edgedigits.remote.benching import bench_on
    from edgedigits.report.devices import device_bench_json, device_bench_rows, require_all

    with progress() as shown:
        found = bench_on(
            hosts, files, ssh=ssh, prefix=prefix, threads=threads, rounds=rounds, progress=shown
        )
        for path in dict.fromkeys(path for one in found for path in one.saved):
            shown.say(f"written: {path}")
    if as_json:
        print_json(device_bench_json(found))
    elif any(one.outcome.state is not None for one in found):
        stdout().print(device_bench_rows(found))
    require_all([one.outcome for one in found])
