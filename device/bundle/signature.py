"""A signature with a key of the owner's: Ed25519, with the keys that ``ssh-keygen`` makes.

The signature covers the manifest, which holds the digest of every other part. OpenSSH and PEM files
are read by the package ``cryptography``, which is loaded only where a signature is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgedigits.errors import BundleError, MissingPackageError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# In front of what is signed, so that no signature made for something else fits a bundle.
CONTEXT = b"edgedigits bundle, version 1\n"
KIND = b"ssh-ed25519"
MAKE_ONE = "make one with 'ssh-keygen -t ed25519'"
LARGEST = 1 << 16  # bytes; a longer file is no key
Ask = Callable[[Path], bytes]  # for the passphrase of a key file


@dataclass(frozen=True)
class Signature:
    """A signature as a bundle carries it.

    Attributes:
        key: the public key, 32 bytes, of whoever says that they signed. value: 64 bytes.
    """

    key: bytes
    value: bytes

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as ``ssh-keygen -l`` shows it."""
        return fingerprint(self.key)

    def to_bytes(self) -> bytes:
        """As the JSON text that goes into the bundle."""
        document = {
            "schema_version": 1,
            "algorithm": KIND.decode(),
            "key": _text(_blob(self.key)),
            "signature": _text(self.value),
        }
        return (json.dumps(document, indent=1) + "\n").encode()

    @staticmethod
    def from_bytes(text: bytes) -> Signature:
        """The reverse of :meth:`to_bytes`; ValueError on anything else."""
        try:
            document = json.loads(text)
            blob = base64.b64decode(document["key"], validate=True)
            value = base64.b64decode(document["signature"], validate=True)
            known = document["schema_version"] == 1 and document["algorithm"] == KIND.decode()
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ValueError("its signature is none") from error
        if not known or blob != _blob(blob[-32:]) or len(value) != 64:
            raise ValueError("its signature is of a kind that is not known")
        return Signature(blob[-32:], value)


def fingerprint(key: bytes) -> str:
    """SHA-256 of a public key of 32 bytes, as ``ssh-keygen -l`` shows it."""
    return f"SHA256:{_text(hashlib.sha256(_blob(key)).digest()).rstrip('=')}"


def key_signer(key_file: Path, ask: Ask) -> Callable[[bytes], bytes]:
    """What makes the signature's part of a bundle out of the manifest's bytes.

    Args:
        key_file: an Ed25519 private key, OpenSSH or PEM.
        ask: for the key's passphrase; called at once, and only where it has one.

    Raises:
        UsageError: there is no such file, or it is another kind of key.
        BundleError: it cannot be read, or the passphrase is wrong.
        MissingPackageError: what reads keys is not installed.
    """
    private = _private_key(key_file, ask)
    public = private.public_key().public_bytes_raw()
    return lambda manifest: Signature(public, private.sign(CONTEXT + manifest)).to_bytes()


def check(signature: Signature | None, manifest: bytes, key_file: Path, bundle: str) -> None:
    """Hold a bundle's signature against a public key.

    Args:
        signature: as the bundle carries it. manifest: its bytes.
        key_file: an Ed25519 public key, OpenSSH (``.pub``) or PEM. bundle: its name, for messages.

    Raises:
        UsageError, BundleError, MissingPackageError: about the key, as :func:`key_signer`.
        BundleError: the bundle is not signed, signed with another key, or changed since.
    """
    key = read_public_key(key_file)
    if signature is None:
        raise BundleError(f"{bundle}: refused: it is not signed, and --key {key_file} asks for it")
    if signature.key != key:
        raise BundleError(
            f"{bundle}: refused: signed with another key ({signature.fingerprint}) than "
            f"{key_file} ({fingerprint(key)})"
        )
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature.value, CONTEXT + manifest)
    except InvalidSignature:
        raise BundleError(
            f"{bundle}: refused: its signature does not fit; it was changed after it was signed"
        ) from None


def read_public_key(path: Path) -> bytes:
    """The 32 bytes of an Ed25519 public key file; errors as :func:`check`."""
    serialization = _serialization()
    text = _read(path)
    if b"PRIVATE KEY-----" in text:
        raise UsageError(f"{path}: is a private key, keep it to yourself; --key takes {path}.pub")
    if not text.lstrip().startswith(b"-----") and len(text.strip().splitlines()) > 1:
        raise UsageError(f"{path}: holds more than one key; name a file of one")
    load = (
        serialization.load_pem_public_key
        if text.lstrip().startswith(b"-----")
        else serialization.load_ssh_public_key
    )
    key = _loaded(path, "public", lambda: load(text.strip()))
    return bytes(key.public_bytes_raw())


def _private_key(path: Path, ask: Ask) -> Ed25519PrivateKey:
    serialization = _serialization()
    text = _read(path)
    if b"PRIVATE KEY-----" not in text:
        raise UsageError(f"{path}: is no private key; {MAKE_ONE}")
    load = (
        serialization.load_ssh_private_key
        if b"BEGIN OPENSSH PRIVATE KEY" in text
        else serialization.load_pem_private_key
    )
    passphrase = ask(path) if _is_locked(load, text) else None
    key: Ed25519PrivateKey = _loaded(path, "private", lambda: load(text, passphrase))
    return key


def _is_locked(load: Callable[[bytes, bytes | None], Any], text: bytes) -> bool:
    try:
        load(text, None)
    except TypeError:  # so says the library where a passphrase is needed
        return True
    except Exception:
        return False
    return False


def _loaded(path: Path, half: str, load: Callable[[], Any]) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ed25519

    wanted = {"public": ed25519.Ed25519PublicKey, "private": ed25519.Ed25519PrivateKey}[half]
    try:
        key = load()
    except UnsupportedAlgorithm as error:
        if "bcrypt" in str(error):
            raise MissingPackageError(
                f"{path}: an OpenSSH key with a passphrase", "signing", "bcrypt"
            ) from error
        raise UsageError(f"{path}: is no Ed25519 key; {MAKE_ONE}") from error
    except (ValueError, TypeError) as error:
        raise BundleError(
            f"{path}: cannot be read as a {half} key"
            f"{', or the passphrase is wrong' if half == 'private' else ''}"
        ) from error
    if not isinstance(key, wanted):
        raise UsageError(f"{path}: is no Ed25519 key; {MAKE_ONE}")
    return key


def _serialization() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        raise MissingPackageError(
            "signing and checking signatures", "signing", "cryptography"
        ) from None
    return serialization


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: no such key file; {MAKE_ONE}") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    if len(text) > LARGEST:
        raise UsageError(f"{path}: is no key; {MAKE_ONE}")
    return text


def _blob(key: bytes) -> bytes:
    """A public key as OpenSSH writes it: two strings with their lengths."""
    return struct.pack(">I", len(KIND)) + KIND + struct.pack(">I", len(key)) + key


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
