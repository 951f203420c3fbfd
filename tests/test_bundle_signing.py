"""Signatures, with keys that ``ssh-keygen`` and ``openssl`` made, and held against ``openssl``."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import RunCli
from helpers_bundle import parts_of, with_manifest, with_model, zipped
from helpers_programs import need

from edgedigits.bundling import make_bundle
from edgedigits.device.bundle.contents import bundle_of, open_bundle
from edgedigits.device.bundle.placing import place_bundle
from edgedigits.device.bundle.signature import key_signer, read_public_key
from edgedigits.device.bundle.verifying import check_signature, verify
from edgedigits.errors import BundleError, EdgedigitsError, MissingPackageError, UsageError
from edgedigits.zoo import zoo_file


def no_question(key: Path) -> bytes:
    raise AssertionError(f"{key} has no passphrase")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of keys."""
    need("ssh-keygen", "openssl")
    folder = tmp_path_factory.mktemp("keys")

    def run(*words: str) -> None:
        subprocess.run(words, cwd=folder, check=True, capture_output=True)

    for name, kind, passphrase in (
        ("mine", "ed25519", ""),
        ("other", "ed25519", ""),
        ("locked", "ed25519", "open sesame"),
        ("rsa", "rsa", ""),
    ):
        run("ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "me@here", "-f", name)
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", "pem")
    run("openssl", "pkey", "-in", "pem", "-pubout", "-out", "pem.pub")
    run("openssl", "pkey", "-in", "pem", "-aes256", "-passout", "pass:sesame", "-out", "pem-locked")
    (folder / "text").write_text("no key\n")
    (folder / "two.pub").write_bytes(
        (folder / "mine.pub").read_bytes() + (folder / "other.pub").read_bytes()
    )
    return folder


@pytest.fixture(scope="module")
def signed(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle signed with the key ``mine``."""
    out = tmp_path_factory.mktemp("signed") / "s.bundle"
    make_bundle(zoo_file("mnist-8k"), out, sign=key_signer(keys / "mine", no_question))
    return out


def test_signed_and_checked(signed: Path, keys: Path) -> None:
    bundle = open_bundle(signed)
    found = verify(bundle, key=keys / "mine.pub")
    assert found.holds
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", keys / "mine.pub"], capture_output=True, text=True, check=True
    ).stdout
    assert found.signer == shown.split()[1]
    assert found.signed == "checked"
    assert check_signature(bundle, None) == "not checked"


def test_openssl_finds_the_same(signed: Path, keys: Path, tmp_path: Path) -> None:
    """The signature is plain Ed25519 over a line of context and the manifest."""
    parts = parts_of(signed)
    document = json.loads(parts["signature.json"])
    assert document["key"] == (keys / "mine.pub").read_text().split()[1]
    der = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(document["key"])[-32:]
    (tmp_path / "key").write_bytes(der)
    (tmp_path / "signature").write_bytes(base64.b64decode(document["signature"]))
    message = b"edgedigits bundle, version 1\n" + parts["manifest.json"]
    for said, content in ((0, message), (1, message + b" ")):
        (tmp_path / "message").write_bytes(content)
        words = "openssl pkeyutl -verify -pubin -inkey key -keyform DER -rawin -in message"
        done = subprocess.run(
            [*words.split(), "-sigfile", "signature"],
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == said


def test_the_same_key_gives_the_same_bytes(signed: Path, keys: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    make_bundle(zoo_file("mnist-8k"), out, sign=key_signer(keys / "mine", no_question))
    assert out.read_bytes() == signed.read_bytes()


def test_what_is_not_signed_with_this_key_is_refused(
    signed: Path, keys: Path, tmp_path: Path
) -> None:
    parts = parts_of(signed)
    unsigned = {name: part for name, part in parts.items() if name != "signature.json"}
    with pytest.raises(BundleError, match=r"refused: it is not signed, and --key .*mine\.pub asks"):
        check_signature(bundle_of(zipped(unsigned), signed), keys / "mine.pub")
    with pytest.raises(
        BundleError, match=r"refused: signed with another key \(SHA256:.*other\.pub"
    ):
        check_signature(open_bundle(signed), keys / "other.pub")
    # Another model with digests that fit, the old signature, and a lie about who signed.
    changed = with_manifest(parts, lambda document: document.update(name="better"))
    with pytest.raises(BundleError, match=r"its signature does not fit; it was changed after it"):
        check_signature(bundle_of(zipped(changed), signed), keys / "mine.pub")
    swapped = with_model(parts, parts["model.tflite"] + b"\0")
    (tmp_path / "swapped").write_bytes(zipped(swapped))
    with pytest.raises(BundleError, match=r"its signature does not fit"):
        place_bundle(tmp_path / "swapped", tmp_path / "models", key=keys / "mine.pub")
    assert not (tmp_path / "models").exists()
    document = json.loads(parts["signature.json"])
    document["key"] = (keys / "other.pub").read_text().split()[1]
    lying = {**parts, "signature.json": json.dumps(document).encode()}
    for key in ("mine.pub", "other.pub"):
        with pytest.raises(BundleError, match=r"another key|does not fit"):
            check_signature(bundle_of(zipped(lying), signed), keys / key)


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b'{"algorithm": "none"}', b'{"schema_version": 1, "algorithm": 3}', b"\xff"],
)
def test_signatures_that_are_none(signed: Path, text: bytes) -> None:
    parts = {**parts_of(signed), "signature.json": text}
    with pytest.raises(BundleError, match=r"refused: its signature is none$"):
        bundle_of(zipped(parts), signed)


@pytest.mark.parametrize("field", ["key", "signature"])
def test_signatures_of_a_wrong_length(signed: Path, field: str) -> None:
    document = json.loads(parts_of(signed)["signature.json"])
    document[field] = base64.b64encode(b"short").decode()
    parts = {**parts_of(signed), "signature.json": json.dumps(document).encode()}
    with pytest.raises(BundleError, match=r"refused: its signature is of a kind that is not known"):
        bundle_of(zipped(parts), signed)


def test_keys_of_openssl(keys: Path, tmp_path: Path) -> None:
    asked: list[Path] = []

    def ask(key: Path) -> bytes:
        asked.append(key)
        return b"sesame"

    for name in ("pem", "pem-locked"):
        out = tmp_path / name
        make_bundle(zoo_file("mnist-8k"), out, sign=key_signer(keys / name, ask))
        assert check_signature(open_bundle(out), keys / "pem.pub") == "checked"
    assert asked == [keys / "pem-locked"]
    with pytest.raises(BundleError, match=r"pem-locked: .* or the passphrase is wrong$"):
        key_signer(keys / "pem-locked", lambda key: b"wrong")


def test_an_openssh_key_with_a_passphrase(keys: Path, tmp_path: Path) -> None:
    pytest.importorskip("bcrypt")
    out = tmp_path / "b"
    right = key_signer(keys / "locked", lambda key: b"open sesame")
    make_bundle(zoo_file("mnist-8k"), out, sign=right)
    assert check_signature(open_bundle(out), keys / "locked.pub") == "checked"
    with pytest.raises(BundleError, match=r"locked: .* or the passphrase is wrong$"):
        key_signer(keys / "locked", lambda key: b"close sesame")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", r"none: no such key file; make one with 'ssh-keygen -t ed25519'$"),
        ("rsa", r"rsa: is no Ed25519 key; make one with 'ssh-keygen -t ed25519'$"),
        ("text", r"text: is no private key; make one with"),
        ("mine.pub", r"mine\.pub: is no private key; make one with"),
        ("", r"cannot be read: Is a directory$"),
    ],
)
def test_what_cannot_sign(keys: Path, name: str, said: str) -> None:
    with pytest.raises(EdgedigitsError, match=said):
        key_signer(keys / name, no_question)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", r"none: no such key file"),
        ("mine", r"mine: is a private key, keep it to yourself; --key takes .*mine\.pub$"),
        ("rsa.pub", r"rsa\.pub: is no Ed25519 key"),
        ("two.pub", r"two\.pub: holds more than one key"),
        ("text", r"text: (cannot be read as a public key|is no Ed25519 key)"),
    ],
)
def test_what_cannot_check(keys: Path, name: str, said: str) -> None:
    with pytest.raises((UsageError, BundleError), match=said):
        read_public_key(keys / name)


def test_without_the_package(signed: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'edgedigits\[signing\]'"):
        check_signature(open_bundle(signed), keys / "mine.pub")
    assert verify(open_bundle(signed)).signed == "not checked"


WITHOUT_BCRYPT = """
import sys

sys.modules["bcrypt"] = None  # as where it is not installed
from pathlib import Path

from edgedigits.device.bundle.signature import key_signer
from edgedigits.errors import MissingPackageError

try:
    key_signer(Path(sys.argv[1]), lambda key: b"open sesame")
except MissingPackageError as error:
    print(error)
"""


def test_without_bcrypt(keys: Path) -> None:
    words = [sys.executable, "-c", WITHOUT_BCRYPT, str(keys / "locked")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "locked: an OpenSSH key with a passphrase needs bcrypt, which" in done.stdout


def test_by_the_program(keys: Path, run_cli: RunCli, tmp_path: Path) -> None:
    call = ("bundle", "mnist-8k", "--out", tmp_path / "b", "--sign")
    code, out, error = run_cli(*call, keys / "locked")
    assert (code, out) == (2, "")
    assert error.endswith("locked: has a passphrase, and there is no terminal to ask for it\n")
    code, out, error = run_cli(*call, keys / "mine", "--json")
    assert code == 0, error
    code, out, error = run_cli("verify", tmp_path / "b", "--key", keys / "mine.pub", "--json")
    assert code == 0, error
    assert json.loads(out)["signed"] == "checked"
    code, out, error = run_cli("verify", tmp_path / "b", "--key", keys / "other.pub")
    assert (code, out) == (1, "")
    assert "signed with another key" in error


def test_the_passphrase_is_asked_for_before_anything_else(keys: Path, tmp_path: Path) -> None:
    words = ["-m", "edgedigits.cli.main", "bundle", "mnist-8k", "--out", "b"]
    program, child = os.openpty()
    process = subprocess.Popen(
        [sys.executable, *words, "--sign", str(keys / "pem-locked")],
        cwd=tmp_path,
        stdin=child,
        stdout=child,
        stderr=child,
        start_new_session=True,  # no terminal but this one
    )
    os.close(child)
    shown = b""
    while b"pem-locked: " not in shown:
        shown += os.read(program, 1000)
    os.write(program, b"sesame\n")
    with contextlib.suppress(OSError):  # so a terminal ends
        while read := os.read(program, 1000):
            shown += read
    os.close(program)
    assert process.wait(120) == 0, shown
    assert shown.startswith(b"passphrase of ")
    assert b"sesame" not in shown
    assert check_signature(open_bundle(tmp_path / "b"), keys / "pem.pub") == "checked"
