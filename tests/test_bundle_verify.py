"""``edgedigits verify``: what computes otherwise is found, and nothing is replaced by it."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from conftest import RunCli
from helpers_bundle import array, float_file, parts_of, with_manifest, with_model, zipped
from helpers_models import dense_file, endless_file

import edgedigits.device.trial
from edgedigits.bundling import make_bundle
from edgedigits.device.bundle.contents import MODEL, SIDECAR, bundle_of, open_bundle
from edgedigits.device.bundle.golden import array_bytes
from edgedigits.device.bundle.placing import current_version, place_bundle, switch_to
from edgedigits.device.bundle.verifying import KernelCheck, Verification, verify
from edgedigits.device.classifier import Classifier
from edgedigits.errors import BundleError, RunError
from edgedigits.zoo import zoo_file


@pytest.fixture(scope="module")
def float_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a float file."""
    folder = tmp_path_factory.mktemp("float")
    (folder / "m.tflite").write_bytes(float_file())
    make_bundle(folder / "m.tflite", folder / "m.bundle")
    return folder / "m.bundle"


def with_another_weight(model: bytes, change: int = 40) -> bytes:
    """The file with one weight of its first convolution changed."""
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = parsed.subgraphs[0]
    convolution = graph.operators[0]
    weights = parsed.buffers[graph.tensors[convolution.inputs[1]].buffer].data
    values = np.array(weights, np.uint8).view(np.int8)
    position = int(np.abs(values.astype(int)).argmin())
    values[position] += change
    parsed.buffers[graph.tensors[convolution.inputs[1]].buffer].data = values.view(np.uint8)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(parsed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def verified(data: bytes) -> Verification:
    return verify(bundle_of(data, Path("x.bundle")))


def test_the_machine_that_made_it_verifies_it(bundle: Path, float_bundle: Path) -> None:
    found = verify(open_bundle(bundle))
    assert [(c.kernels, c.unit, c.largest, c.allowed, c.changed) for c in found.checks] == [
        ("reference", "LSB", 0, 0, 0),
        ("default", "LSB", 0, 1, 0),
    ]
    assert found.holds
    assert (found.made, found.signed, found.signer) == (found.here, "no", None)
    found.require()
    reference, default = verify(open_bundle(float_bundle)).checks
    assert reference.unit == default.unit == ""
    assert reference.holds
    assert default.holds
    # Shares of the largest expected value, and scores are 1 at most.
    assert 0.5e-4 < reference.allowed <= 1e-4
    assert 0.5e-3 < default.allowed <= 1e-3


def test_a_changed_weight_is_found_though_every_digest_fits(bundle: Path) -> None:
    parts = parts_of(bundle)
    found = verified(zipped(with_model(parts, with_another_weight(parts["model.tflite"]))))
    assert not found.holds
    assert all(check.largest > check.allowed for check in found.checks)
    with pytest.raises(BundleError, match=r"^x\.bundle: this machine does not compute what was me"):
        found.require()


def shifted(parts: dict[str, bytes], name: str, steps: float) -> bytes:
    """The bundle with one expected output moved away from the highest class's."""
    outputs = array(parts[name]).copy()
    last = int(outputs[-1].argmin())
    outputs[-1, last] += np.asarray(steps, outputs.dtype)
    return zipped(with_manifest({**parts, name: array_bytes(outputs)}))


def test_what_is_allowed_of_integer_outputs(bundle: Path) -> None:
    parts = parts_of(bundle)
    for name, steps, holds in (
        ("golden/default.npy", 1, True),
        ("golden/default.npy", 2, False),
        ("golden/reference.npy", 1, False),
    ):
        found = verified(shifted(parts, name, steps))
        assert found.holds == holds, (name, steps)
        assert max(check.largest for check in found.checks) == steps
        assert all(check.changed == 0 for check in found.checks)


def test_what_is_allowed_of_float_outputs(float_bundle: Path) -> None:
    parts = parts_of(float_bundle)
    for name, steps, holds in (
        ("golden/default.npy", 4e-4, True),
        ("golden/default.npy", 2e-3, False),
        ("golden/reference.npy", 4e-4, False),
        ("golden/reference.npy", float("nan"), False),
    ):
        assert verified(shifted(parts, name, steps)).holds == holds, (name, steps)


def test_another_answer_is_found_though_no_output_is_far_off() -> None:
    def check(**values: Any) -> KernelCheck:
        good: dict[str, Any] = {
            "kernels": "default",
            "unit": "LSB",
            "largest": 1.0,
            "allowed": 1,
            "changed": 0,
            "pictures": 40,
        }
        return KernelCheck(**{**good, **values})

    assert check().holds
    assert not check(changed=1).holds
    assert not check(largest=2.0).holds
    assert not check(largest=float("nan")).holds


def test_models_that_cannot_be_run_are_refused(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(bundle)
    cut = parts["model.tflite"][:4000]
    for model in (b"TFL3", cut, os.urandom(3000)):
        with pytest.raises(BundleError, match=r"^x\.bundle: refused: its model: "):
            verified(zipped(with_model(parts, model)))
    foreign = dense_file(np.zeros((10, 784), np.float32), np.zeros(10, np.float32))
    with pytest.raises(BundleError, match=r"gives other outputs than the golden pictures have$"):
        verified(zipped(with_model(parts, foreign)))
    monkeypatch.setattr("edgedigits.device.bundle.verifying.try_in_child", _impatient)
    with pytest.raises(BundleError, match=r"its model: loading it did not end within 3 s"):
        verified(zipped(with_model(parts, endless_file())))


def _impatient(path: Path) -> None:
    edgedigits.device.trial.try_in_child(path, time_limit=3)


def test_the_program_says_what_it_found(bundle: Path, run_cli: RunCli, tmp_path: Path) -> None:
    code, out, error = run_cli("verify", bundle)
    assert (code, error) == (0, "")
    assert "signed: no" in out
    parts = parts_of(bundle)
    other = tmp_path / "other.bundle"
    other.write_bytes(
        zipped(with_model(parts, with_another_weight(parts["model.tflite"], change=60)))
    )
    code, out, error = run_cli("verify", other, "--json")
    assert code == 1
    document = json.loads(out)
    assert document["holds"] is False
    assert [row["kernels"] for row in document["rows"]] == ["reference", "default"]
    assert not any(row["holds"] for row in document["rows"])
    (line,) = error.splitlines()
    assert line.startswith(f"edgedigits: {other}: this machine does not compute what was measured")


def test_what_a_bundle_says_cannot_reach_the_terminal(bundle: Path) -> None:
    parts = parts_of(bundle)
    beside = json.loads(parts["model.json"])
    beside["metadata"]["variant"] = "a\x1b[31mb"
    parts["model.json"] = json.dumps(beside).encode()
    assert verified(zipped(with_manifest(parts))).variant == "a?[31mb"


# --- putting it in place -------------------------------------------------------------------------


def test_put_in_place_and_the_one_before_kept(
    bundle: Path, float_bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    first = place_bundle(bundle, folder)
    assert first.model == folder / "current" / "model.tflite"
    assert first.model.read_bytes() == zoo_file("mnist-8k").read_bytes()
    assert Classifier(first.model).metadata == open_bundle(bundle).metadata
    assert first.before is None
    second = place_bundle(float_bundle, folder)
    assert second.before == first.version
    assert second.model.read_bytes() == float_file()
    assert (first.version / MODEL).read_bytes() == zoo_file("mnist-8k").read_bytes()
    switch_to(first.version)  # back again
    assert current_version(folder) == first.version
    with pytest.raises(BundleError, match=r"none: holds no model\.tflite, so it cannot be put in"):
        switch_to(folder / "none")
    again = place_bundle(bundle, folder)
    assert again.version == first.version
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["current", first.version.name, second.version.name]
    )


def test_a_damaged_version_is_written_anew(bundle: Path, tmp_path: Path) -> None:
    first = place_bundle(bundle, tmp_path)
    (first.version / SIDECAR).write_bytes(b"")
    second = place_bundle(bundle, tmp_path)
    assert second.version.name == f"{first.version.name}-2"
    assert Classifier(second.model).metadata is not None


def test_nothing_is_replaced_when_a_check_fails(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    before = place_bundle(bundle, folder)
    names = sorted(folder.rglob("*"))
    parts = parts_of(bundle)
    bad = tmp_path / "bad.bundle"
    for data in (
        bundle.read_bytes()[:-5],
        zipped({**parts, "../../x": b""}),
        zipped(with_model(parts, with_another_weight(parts["model.tflite"], change=60))),
    ):
        bad.write_bytes(data)
        with pytest.raises(BundleError):
            place_bundle(bad, folder)
        with pytest.raises(BundleError):
            place_bundle(bad, tmp_path / "new")
        assert sorted(folder.rglob("*")) == names
        assert current_version(folder) == before.version
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.bundle", "models"]


def test_a_place_that_cannot_be_written(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file: cannot write: "):
        place_bundle(bundle, tmp_path / "file")


def test_a_kill_at_any_moment_leaves_a_whole_version(
    bundle: Path, float_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that puts one after the other in place is killed, again and again."""
    folder = tmp_path / "models"
    first = place_bundle(bundle, folder)
    monkeypatch.setattr(
        "edgedigits.device.bundle.placing.verify", lambda bundle, key: first.verification
    )
    small, large = zoo_file("mnist-8k").read_bytes(), float_file()
    draw = random.Random(0)
    seen = set()
    for _ in range(60):
        child = multiprocessing.get_context("fork").Process(
            target=_switching, args=((float_bundle, bundle), folder)
        )
        child.start()
        time.sleep(draw.uniform(0, 0.05))
        child.kill()
        child.join()
        data = first.model.read_bytes()
        assert data in (small, large)
        assert Classifier(first.model).metadata is not None
        seen.add(data)
    assert seen == {small, large}
    placed = place_bundle(float_bundle, folder)
    assert placed.model.read_bytes() == large
    names = {path.name for path in folder.iterdir()}
    assert {"current", placed.version.name} <= names  # a child may have died taking out the other
    assert not [name for name in names if name.startswith(".")], "nothing unfinished is left"


def _switching(bundles: tuple[Path, ...], folder: Path) -> None:
    for number in range(10_000):
        path = bundles[number % len(bundles)]
        if number % 3 == 2:  # have it written anew, too
            placed = folder / open_bundle(path).sha256[:16]
            if current_version(folder) != placed:
                shutil.rmtree(placed, ignore_errors=True)
        place_bundle(path, folder)


def test_an_end_at_any_moment_leaves_a_whole_version(
    bundle: Path, float_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call that changes the disk is made to fail once, as if the power went just then."""
    place_bundle(bundle, tmp_path / "before")
    calls = {"count": 0, "last": 10**9}

    def dying(real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            calls["count"] += 1
            if calls["count"] > calls["last"]:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return call

    monkeypatch.setattr(os, "fsync", dying(os.fsync))
    for name in ("rename", "replace", "symlink_to", "chmod", "unlink"):
        monkeypatch.setattr(Path, name, dying(getattr(Path, name)))
    small, large = zoo_file("mnist-8k").read_bytes(), float_file()
    seen = []
    for last in range(40):
        folder = tmp_path / f"models {last}"
        shutil.copytree(tmp_path / "before", folder, symlinks=True)
        calls.update(count=0, last=last)
        try:
            place_bundle(float_bundle, folder)
        except KeyboardInterrupt:
            version = current_version(folder)
            assert version is not None
            seen.append((version / MODEL).read_bytes())
            assert Classifier(version / MODEL).metadata is not None
        else:
            break
    assert (folder / "current" / MODEL).read_bytes() == large
    assert len(seen) > 8
    assert seen == sorted(seen, key=[small, large].index)
    assert set(seen) == {small, large}
