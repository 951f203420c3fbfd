"""Brokers that do not let the camera in: passwords, TLS, hosts that are none."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest
from helpers_capture import until
from helpers_commits import Lines, publishing, seen
from helpers_frames import Connection, mjpeg_server
from helpers_mosquitto import mosquitto, subscribed
from helpers_programs import need


def test_a_wrong_password_is_said_once_and_recognition_goes_on(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    tool = need("mosquitto_passwd")
    subprocess.run([tool, "-b", "-c", passwords, "me", "right"], check=True, capture_output=True)
    passwords.chmod(0o644)
    settings = {"allow_anonymous": "false", "password_file": str(passwords)}
    file = tmp_path / "mqtt.conf"
    said = Lines()
    with mosquitto(tmp_path / "broker", **settings) as broker:
        for text in ("", "[mqtt]\nuser = me\npassword = guess\n"):
            file.write_text(text)
            file.chmod(0o600)
            config = file if text else None
            with publishing(broker.address, tmp_path / "q", said, config) as publisher:
                until(lambda: said.lines)
                publisher(seen("7"))
            assert len(said.lines) == 2, said.lines
            assert "it does not let this user in; check user and password" in said.lines[0]
            assert "guess" not in said.lines[0]
            said.lines.clear()
        file.write_text("[mqtt]\nuser = me\npassword = right\n")

        def log_in(client: object) -> None:
            client.username_pw_set("me", "right")  # type: ignore[attr-defined]

        with (
            subscribed(broker.port, prepare=log_in) as subscriber,
            publishing(broker.address, tmp_path / "q", said, file),
        ):
            subscriber.wait_for(lambda: subscriber.texts() == ["7", "7"])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a server's certificate for ``localhost`` alone, a client's, and another CA."""
    openssl = need("openssl")
    folder = tmp_path_factory.mktemp("certificates")

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True)

    for ca in ("ca", "other"):
        run(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem",
        )  # fmt: skip
    (folder / "server.ext").write_text("subjectAltName = DNS:localhost\n")
    (folder / "camera.ext").write_text("extendedKeyUsage = clientAuth\n")
    for name, days in (("server", "2"), ("camera", "2"), ("expired", "-1")):
        ext = "server" if name == "expired" else name
        run(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr",
        )  # fmt: skip
        run(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", days, "-extfile", f"{ext}.ext", "-out", f"{name}.pem",
        )  # fmt: skip
    for file in folder.glob("*.key"):
        file.chmod(0o600)
    return folder


def tls(folder: Path, name: str = "server") -> dict[str, str]:
    return {
        "cafile": f"{folder}/ca.pem",
        "certfile": f"{folder}/{name}.pem",
        "keyfile": f"{folder}/{name}.key",
    }


def config(folder: Path, **values: str) -> Path:
    file = folder / "mqtt.conf"
    file.write_text("[mqtt]\n" + "".join(f"{key} = {value}\n" for key, value in values.items()))
    file.chmod(0o600)
    return file


def test_tls_both_ways(certificates: Path, tmp_path: Path) -> None:
    def own(client: object) -> None:
        context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
        context.load_cert_chain(certificates / "camera.pem", certificates / "camera.key")
        client.tls_set_context(context)  # type: ignore[attr-defined]

    # Paths in the file are relative to it.
    file = config(certificates, ca="ca.pem", certificate="camera.pem", key="camera.key")
    settings = {**tls(certificates), "require_certificate": "true"}
    with (
        mosquitto(tmp_path / "broker", **settings) as broker,
        subscribed(broker.port, prepare=own, host="localhost") as subscriber,
        publishing(f"localhost:{broker.port}", tmp_path / "q", Lines(), file) as publisher,
    ):
        publisher(seen("42"))
        subscriber.wait_for(lambda: subscriber.texts() == ["42"])


@pytest.mark.parametrize(
    ("host", "ca", "server", "expected"),
    [
        ("127.0.0.1", "ca", "server", "its certificate is for another address"),
        ("localhost", "other", "server", "its certificate is not signed by the CA that this"),
        ("localhost", "ca", "expired", "its certificate has expired, or this device's clock"),
        ("localhost", "ca", None, "it breaks off as soon as it is spoken to; does it speak TLS"),
        ("localhost", None, "server", "it ends the connection at once; is it a broker, and does"),
    ],
)
def test_tls_that_does_not_match_is_one_line(
    host: str, ca: str | None, server: str | None, expected: str, certificates: Path, tmp_path: Path
) -> None:
    file = config(tmp_path, ca=f"{certificates}/{ca}.pem") if ca else None
    settings = tls(certificates, server) if server else {}
    said = Lines()
    with mosquitto(tmp_path / "broker", **settings) as broker:
        with publishing(f"{host}:{broker.port}", tmp_path / "q", said, file) as publisher:
            publisher(seen("42"))
            until(lambda: said.lines)
        assert said.lines[0].startswith(f"WARNING: mqtt {host}:{broker.port}: {expected}")
        assert said.lines[1:] == [
            f"mqtt {host}:{broker.port}: 1 reading waiting in {tmp_path / 'q'}"
        ]


def test_hosts_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgedigits.device.mqtt.link.PATIENCE", 1.0)
    said = Lines()
    with publishing("no-such-host.invalid", tmp_path / "q", said):
        until(lambda: said.lines)
    assert "mqtt no-such-host.invalid:1883: there is no host of this name" in said.lines[0]

    def a_web_server(connection: Connection) -> None:
        connection.handler.send_error(404)

    said.lines.clear()
    with mjpeg_server(a_web_server) as url:
        address = url.removeprefix("http://").removesuffix("/stream")
        with publishing(address, tmp_path / "q", said):
            until(lambda: said.lines)
    assert "is it a broker" in said.lines[0]
