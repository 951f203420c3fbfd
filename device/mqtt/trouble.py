"""What is wrong between here and the broker, as one line each."""

from __future__ import annotations

import socket
import ssl

CERTIFICATES = {  # OpenSSL's X509_V_ERR_…
    10: "its certificate has expired, or this device's clock is wrong",
    9: "its certificate is not valid yet, or this device's clock is wrong",
    18: "its certificate is signed by itself; name it as ca in the --mqtt-config file",
    19: "its certificate is not signed by the CA that this device trusts (ca in --mqtt-config)",
    20: "its certificate is not signed by the CA that this device trusts (ca in --mqtt-config)",
    62: "its certificate is for another name; use the name it was made for",
    64: "its certificate is for another address; use the name it was made for",
}
REFUSALS = {  # return codes of CONNACK in MQTT 3.1.1, as paho's reason codes
    132: "it speaks another version of MQTT",
    133: "it refuses this client's id",
    134: "it refuses user and password; check the --mqtt-config file",
    135: "it does not let this user in; check user and password in the --mqtt-config file",
    136: "it is not available now",
}
CREDENTIALS = (134, 135)


def why_no_connection(error: Exception) -> str:
    """Why no connection came about, as the end of a sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = str(error.verify_message).rstrip(".")
        return CERTIFICATES.get(error.verify_code, f"its certificate does not hold: {text}")
    if isinstance(error, (ConnectionResetError, ssl.SSLEOFError)):
        return "it breaks off as soon as it is spoken to; does it speak TLS on this port?"
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "it broke off").replace("_", " ").lower()
        if "wrong version number" in reason or "record layer" in reason:
            return "it speaks no TLS on this port; 8883 is usual for TLS"
        return f"no TLS: {reason}"
    if isinstance(error, socket.gaierror):
        return "there is no host of this name; check the address and the network"
    if isinstance(error, TimeoutError):
        return "it does not answer; check the address, and whether it is on"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; check the port, and whether the broker is running"
    if isinstance(error, OSError):
        return f"it cannot be reached: {error.strerror or error}"
    return f"{type(error).__name__}: {error}"


def why_refused(code: int, name: str) -> str:
    """Why the broker let the connection go, as the end of a sentence.

    Args:
        code, name: paho's reason code.
    """
    return REFUSALS.get(code, f"it refuses the connection: {name}")
