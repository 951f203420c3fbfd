"""The file that ``--mqtt-config`` names: TLS, user and password.

::

    [mqtt]
    user = camera
    password = a secret
    ca = ca.pem                  # the broker's CA; turns TLS on
    certificate = camera.pem     # this device's own, with
    key = camera.key             # its key
    tls = yes                    # TLS with the system's CAs
    discovery = homeassistant    # prefix of Home Assistant's discovery; empty: none

Paths are relative to the file's own folder. A comment is a line of its own.
"""

from __future__ import annotations

import configparser
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from edgedigits.errors import UsageError

SECTION = "mqtt"
KEYS = ("user", "password", "ca", "certificate", "key", "tls", "discovery")
DISCOVERY = "homeassistant"


@dataclass(frozen=True, eq=False)
class Settings:
    """What the file says.

    Attributes:
        user, password: None where there is none.
        context: of TLS; None: plain.
        discovery: prefix of Home Assistant's topics; empty: publish none.
    """

    user: str | None = None
    password: str | None = None
    context: ssl.SSLContext | None = None
    discovery: str = DISCOVERY


def read_settings(file: Path | None) -> Settings:
    """Read the file; without one everything is at its default.

    Raises:
        UsageError: it is missing, open to everybody, or says what cannot be used.
    """
    if file is None:
        return Settings()
    _check_private(file)
    values = _read(file)
    if values.get("password") is not None and values.get("user") is None:
        raise UsageError(f"{file}: has a password but no user")
    return Settings(
        user=values.get("user"),
        password=values.get("password"),
        context=_context(file, values),
        discovery=values.get("discovery", DISCOVERY).strip("/"),
    )


def _check_private(file: Path) -> None:
    try:
        mode = file.stat().st_mode
    except OSError as error:
        raise UsageError(f"--mqtt-config {file}: cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise UsageError(f"--mqtt-config {file}: is not a file")
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise UsageError(f"{file}: everybody on this machine may read it; run 'chmod 600 {file}'")


def _read(file: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)  # passwords hold %
    try:
        parser.read_string(file.read_text(encoding="utf-8"), str(file))
    except OSError as error:
        raise UsageError(f"--mqtt-config {file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file}: is no text file") from None
    except configparser.Error as error:
        line = getattr(error, "lineno", None)
        if found := getattr(error, "errors", ()):
            line = found[0][0]
        where = f"line {line} of it" if line else "it"
        # The error's own text would show the line, which may be the password.
        raise UsageError(
            f"{file}: {where} is not as 'key = value' below [{SECTION}], each key once"
        ) from None
    if parser.sections() != [SECTION]:
        raise UsageError(f"{file}: must hold one section, [{SECTION}]")
    values = dict(parser.items(SECTION))
    for key in values:
        if key not in KEYS:
            raise UsageError(f"{file}: {key}: no such key; there are {', '.join(KEYS)}")
    return values


def _context(file: Path, values: dict[str, str]) -> ssl.SSLContext | None:
    wanted = values.get("tls", "")
    if wanted.lower() not in ("", *configparser.ConfigParser.BOOLEAN_STATES):
        raise UsageError(f"{file}: tls is {wanted}; it must be yes or no")
    on = configparser.ConfigParser.BOOLEAN_STATES.get(wanted.lower())
    named = [key for key in ("ca", "certificate", "key") if values.get(key)]
    if on is False and named:
        raise UsageError(f"{file}: tls is {wanted}, but there is {named[0]}; leave one out")
    if not on and not named:
        return None
    if values.get("key") and not values.get("certificate"):
        raise UsageError(f"{file}: has a key but no certificate")
    context = ssl.create_default_context()
    if ca := values.get("ca"):
        context = _with_ca(file, file.parent / ca)
    if certificate := values.get("certificate"):
        key = values.get("key")
        _load_own(context, file, file.parent / certificate, file.parent / key if key else None)
    return context


def _with_ca(file: Path, ca: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca))
    except ssl.SSLError:
        raise UsageError(f"{file}: ca {ca}: holds no certificate in PEM form") from None
    except OSError as error:
        raise UsageError(f"{file}: ca {ca}: cannot be read: {error.strerror}") from None


def _load_own(context: ssl.SSLContext, file: Path, certificate: Path, key: Path | None) -> None:
    secret = key or certificate
    for path in (certificate, secret):
        try:
            path.read_bytes()
        except OSError as error:
            raise UsageError(f"{file}: {path}: cannot be read: {error.strerror}") from None
    if secret.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        raise UsageError(f"{secret}: everybody may read this key; run 'chmod 600 {secret}'")

    def no_passphrase() -> str:
        raise UsageError(f"{secret}: has a passphrase, which nobody is there to type; take it off")

    try:
        context.load_cert_chain(certificate, key, password=no_passphrase)
    except ssl.SSLError as error:
        reason = (error.reason or "no PEM").replace("_", " ").lower()
        raise UsageError(
            f"{file}: certificate {certificate} and key {secret} cannot be used: {reason}"
        ) from None
