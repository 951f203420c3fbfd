"""Tables and documents of bundles, made and verified."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgedigits.device.bundle.contents import Bundle
from edgedigits.device.bundle.manifest import Maker
from edgedigits.device.bundle.verifying import KernelCheck, Verification
from edgedigits.report.rows import Column, Table, count

if TYPE_CHECKING:
    from rich.console import Group


def bundle_line(bundle: Bundle) -> str:
    """What was written, in two lines."""
    signer = "not signed" if bundle.signature is None else f"signed {bundle.signature.fingerprint}"
    manifest = bundle.manifest
    return (
        f"{bundle.path}: {count(bundle.size)} bytes; {manifest.name} ({bundle.metadata.variant}), "
        f"{len(bundle.golden)} golden pictures, {signer}\n{manifest.golden.rule}"
    )


def bundle_json(bundle: Bundle) -> dict[str, Any]:
    """A bundle as plain values."""
    manifest = bundle.manifest
    return {
        "bundle": str(bundle.path),
        "bytes": bundle.size,
        "sha256": bundle.sha256,
        "name": manifest.name,
        "variant": bundle.metadata.variant,
        "parts": [asdict(part) for part in manifest.parts],
        "golden": asdict(manifest.golden) | {"pictures": len(bundle.golden)},
        "signer": None if bundle.signature is None else bundle.signature.fingerprint,
        "made": asdict(manifest.made),
    }


def verification_view(verification: Verification) -> Group:
    """What was held against what, and how it came out. For a rich console."""
    from rich.console import Group
    from rich.text import Text

    found = verification
    lines = (
        f"{found.bundle}: {found.name} ({found.variant}), {count(found.bytes)} bytes",
        f"signed: {_signed(found)}",
        f"made with {_machine(found.made)}",
        f"here      {_machine(found.here)}",
    )
    return Group(*map(Text, lines), verification_rows(found))


def _signed(found: Verification) -> str:
    return {
        "no": "no",
        "not checked": f"by {found.signer}, not checked: add --key",
        "checked": f"by {found.signer}, as --key asks",
    }[found.signed]


def _machine(maker: Maker) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in maker.versions.items())
    return f"{versions} on {maker.host.get('machine', '?')}, {maker.host.get('processor', '?')}"


def verification_rows(verification: Verification) -> Table:
    """A row a kind of kernels."""
    return Table(
        title=f"Golden pictures, {verification.rule}",
        columns=(
            Column("kernels", right=False),
            Column("pictures"),
            Column("largest difference"),
            Column("allowed"),
            Column("answers changed"),
            Column("holds", right=False),
        ),
        rows=tuple(
            (
                check.kernels,
                count(check.pictures),
                _difference(check.largest, check),
                _difference(check.allowed, check),
                count(check.changed),
                "yes" if check.holds else "NO",
            )
            for check in verification.checks
        ),
    )


def _difference(value: float, check: KernelCheck) -> str:
    return f"{value:.0f} LSB" if check.unit else f"{value:.2g}"


def verification_json(verification: Verification) -> dict[str, Any]:
    """What was found, as plain values; a difference that is no number is null."""
    found = verification
    return {
        "bundle": str(found.bundle),
        "bytes": found.bytes,
        "sha256": found.sha256,
        "name": found.name,
        "variant": found.variant,
        "signed": found.signed,
        "signer": found.signer,
        "rule": found.rule,
        "rows": [
            {
                **asdict(check),
                "largest": check.largest if check.largest == check.largest else None,
                "holds": check.holds,
            }
            for check in found.checks
        ],
        "holds": found.holds,
        "made": asdict(found.made),
        "here": asdict(found.here),
    }
