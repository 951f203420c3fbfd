"""``edgedigits bundle`` and ``edgedigits verify``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edgedigits.cli.common import (
    DATA_HELP,
    FILE_HELP,
    DataDirOption,
    JsonOption,
    print_json,
    progress,
    stdout,
)


def bundle(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=FILE_HELP)],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="The file to write.")],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help=f"What golden pictures are chosen from: {DATA_HELP} Default: digits.",
        ),
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            metavar="KEY",
            help="Sign with this Ed25519 private key, as 'ssh-keygen -t ed25519' makes one; its "
            "passphrase is asked for.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it is there already.")
    ] = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pack a model with all that is known of it and golden pictures, for a device to verify.

    Example: edgedigits bundle runs/a/exports/int8.tflite --out a.bundle
    """
    from edgedigits.bundling import make_bundle
    from edgedigits.device.bundle.opening import resolve_model
    from edgedigits.device.bundle.signature import key_signer
    from edgedigits.report.bundles import bundle_json, bundle_line

    signer = None if sign is None else key_signer(sign, _ask)
    with progress() as shown:
        made = make_bundle(
            resolve_model(file),
            out,
            data=data,
            sign=signer,
            overwrite=overwrite,
            data_dir=data_dir,
            progress=shown,
        )
    if as_json:
        print_json(bundle_json(made))
    else:
        stdout().print(bundle_line(made), markup=False)


def verify(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A file of 'edgedigits bundle'.")],
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="PUBLIC",
            help="Refuse what is not signed with this Ed25519 key, for example id_ed25519.pub.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle, and that this machine computes what was measured; exits with 1 if not.

    Example: edgedigits verify a.bundle --key id_ed25519.pub
    """
    from edgedigits.device.bundle.contents import open_bundle
    from edgedigits.device.bundle.verifying import verify as verify_bundle
    from edgedigits.report.bundles import verification_json, verification_view

    found = verify_bundle(open_bundle(file), key=key)
    if as_json:
        print_json(verification_json(found))
    else:
        stdout().print(verification_view(found))
    found.require()


def _ask(key: Path) -> bytes:
    from getpass import getpass

    from edgedigits.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(f"--sign {key}: has a passphrase, and there is no terminal to ask for it")
    return getpass(f"passphrase of {key}: ").encode()
