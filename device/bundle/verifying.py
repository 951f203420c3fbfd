"""Does this machine compute what the one computed that made the bundle?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgedigits.device.bundle import signature
from edgedigits.device.bundle.contents import MODEL, SIDECAR, Bundle
from edgedigits.device.bundle.golden import stored_outputs
from edgedigits.device.bundle.manifest import Maker, shown_text
from edgedigits.device.classifier import Classifier
from edgedigits.device.interpreter import Kernels
from edgedigits.device.trial import try_in_child
from edgedigits.errors import BundleError, EdgedigitsError, ModelFileError
from edgedigits.provenance import host_facts, package_versions

COMPUTING = ("ai-edge-litert", "tflite-runtime", "numpy", "opencv-python-headless")
# How far outputs may lie apart: steps of an integer output; of a float one, shares of the largest
# expected value. Reference kernels do the same integer arithmetic everywhere; floating point may be
# contracted or summed in another order.
STEPS: dict[Kernels, int] = {"reference": 0, "default": 1}
SHARES: dict[Kernels, float] = {"reference": 1e-4, "default": 1e-3}

Signed = Literal["no", "not checked", "checked"]


@dataclass(frozen=True)
class KernelCheck:
    """How one kind of kernels did.

    Attributes:
        kernels: ``reference`` or ``default``. unit: ``LSB`` for integer outputs, else empty.
        largest: the largest difference from the expected outputs; allowed: the largest allowed.
        changed: pictures that got another answer. pictures: how many there were.
    """

    kernels: Kernels
    unit: str
    largest: float
    allowed: float
    changed: int
    pictures: int

    @property
    def holds(self) -> bool:
        """Whether the outputs are those expected; never where one is not a number."""
        return self.largest <= self.allowed and self.changed == 0


@dataclass(frozen=True)
class Verification:
    """What verifying a bundle on this machine found.

    Attributes:
        bundle: the file; sha256, bytes: of it. name, variant: of the model.
        signed: whether, and whether that was checked. signer: fingerprint of the key it names.
        checks: one a kind of kernels. rule: how the golden pictures were chosen.
        made: where the expected outputs come from. here: this machine.
    """

    bundle: Path
    sha256: str
    bytes: int
    name: str
    variant: str
    signed: Signed
    signer: str | None
    checks: tuple[KernelCheck, ...]
    rule: str
    made: Maker
    here: Maker

    @property
    def holds(self) -> bool:
        """Whether this machine computes what was measured."""
        return all(check.holds for check in self.checks)

    def require(self) -> None:
        """Raise BundleError, in one line, unless it holds."""
        faults = [
            f"{check.kernels} kernels differ by {check.largest:.4g} {check.unit or 'at most'} "
            f"({check.allowed:.4g} allowed), {check.changed} of {check.pictures} answers changed"
            for check in self.checks
            if not check.holds
        ]
        if faults:
            raise BundleError(
                f"{self.bundle}: this machine does not compute what was measured: "
                f"{'; '.join(faults)}"
            )


def this_machine() -> Maker:
    """Versions and host of this machine, as texts."""
    host = {key: str(value) for key, value in host_facts().items()}
    return Maker(versions=package_versions(*COMPUTING), host=host)


def check_signature(bundle: Bundle, key: Path | None) -> Signed:
    """Hold a bundle against the owner's public key.

    Args:
        key: the public key's file; None: nothing is asked, and nothing checked.

    Raises:
        UsageError, BundleError, MissingPackageError: as :func:`signature.check`.
    """
    if key is not None:
        signature.check(bundle.signature, bundle.manifest_text, key, str(bundle.path))
        return "checked"
    return "no" if bundle.signature is None else "not checked"


def verify(bundle: Bundle, *, key: Path | None = None) -> Verification:
    """Check a bundle's signature where a key is given, then compute its golden pictures here.

    Args:
        bundle: as opened. key: file of the public key that it must be signed with.

    Returns:
        What was found; outputs that differ are no error here, :meth:`Verification.require` is.

    Raises:
        UsageError, BundleError, MissingPackageError: the key or the signature is at fault, or the
            model cannot be run.
    """
    signed = check_signature(bundle, key)
    with tempfile.TemporaryDirectory(prefix="edgedigits-verify-") as folder:
        file = write_model(bundle, Path(folder))
        try:
            if signed != "checked":
                try_in_child(file)
            checks = tuple(_check(bundle, file, kernels) for kernels in STEPS)
        except ModelFileError as error:
            reason = str(error).replace(str(file), "its model")
            raise BundleError(f"{bundle.path}: refused: {reason}") from error
    return Verification(
        bundle=bundle.path,
        sha256=bundle.sha256,
        bytes=bundle.size,
        name=bundle.manifest.name,
        variant=shown_text(bundle.metadata.variant),
        signed=signed,
        signer=None if bundle.signature is None else bundle.signature.fingerprint,
        checks=checks,
        rule=bundle.manifest.golden.rule,
        made=bundle.manifest.made,
        here=this_machine(),
    )


def write_model(bundle: Bundle, folder: Path, name: str = MODEL) -> Path:
    """Write the model, and what is known of it beside it, into a folder; returns the model."""
    file = folder / name
    file.write_bytes(bundle.model)
    file.with_suffix(Path(SIDECAR).suffix).write_bytes(bundle.beside)
    return file


def _check(bundle: Bundle, file: Path, kernels: Kernels) -> KernelCheck:
    golden = bundle.golden
    expected = getattr(golden, kernels)
    classifier = Classifier(file, kernels=kernels, trust=True)
    try:
        found = stored_outputs(classifier, golden.pictures)
    except EdgedigitsError:
        raise
    except (ValueError, RuntimeError, MemoryError) as error:
        why = " ".join(str(error).split())[:200]
        raise ModelFileError(f"{file}: cannot be run: {why}") from error
    if found.shape != expected.shape or found.dtype != expected.dtype:
        raise ModelFileError(f"{file}: gives other outputs than the golden pictures have")
    whole = np.issubdtype(expected.dtype, np.integer)
    scale = 1.0 if whole else float(np.abs(expected).max())
    return KernelCheck(
        kernels=kernels,
        unit="LSB" if whole else "",
        largest=_largest(found, expected),
        allowed=STEPS[kernels] if whole else SHARES[kernels] * scale,
        changed=int((found.argmax(axis=1) != expected.argmax(axis=1)).sum()),
        pictures=len(golden),
    )


def _largest(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())
