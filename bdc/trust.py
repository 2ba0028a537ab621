"""Which controller is the right one: certificates that a context trusts, and how they are met first.

A cluster's own authority is known from ``public.json`` (a cluster of this machine), from a file (``bdc login --ca FILE``), or is asked of
the controller itself and pinned after somebody has compared its fingerprint, as ssh does with a host's key. A certificate that the machine
trusts by itself (a company's, a public one) needs none of it.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import pathlib
import re
import socket
import ssl
import tempfile

from bdc.errors import ServiceError, UserError

ROUTE = "/api/v1/bdc/certificates/ca"
MAX_BYTES = 1 << 18
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
SYSTEM = "system"
"""libpq's word for the certificates that the machine trusts."""


class UntrustedError(ServiceError):
    """The server shows a certificate that nobody here trusts."""

    default_code = "untrusted"


def context(authority: str | None) -> ssl.SSLContext:
    """Trusts the PEM certificates ``authority`` alone, or, where there are none, what the machine trusts; None: a port-forward leads to the
    server, so that Kubernetes vouches for it, and its certificate's names say nothing here. UserError."""
    if authority is None:
        return blind()
    if not authority:
        return ssl.create_default_context()
    try:
        made = ssl.create_default_context(cadata=authority)
    except (ssl.SSLError, ValueError) as error:
        raise UserError("the authority's certificate can't be read", why=str(error), hint="log in again: bdc login") from error
    return made


def read(path: pathlib.Path) -> str:
    """The certificates of a PEM file. UserError."""
    try:
        found = certificates(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} can't be read", why=getattr(error, "strerror", None) or str(error)) from error
    if not found:
        raise UserError(f"{path} holds no certificate", hint="a PEM file: -----BEGIN CERTIFICATE-----")
    return "\n".join(found) + "\n"


def certificates(text: str) -> list[str]:
    """The PEM certificates in ``text``, each by itself."""
    return CERTIFICATE.findall(text)


def fingerprints(authority: str) -> list[str]:
    """SHA-256 of each certificate, as ``AB:CD:…``."""
    found = []
    for pem in certificates(authority):
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
        found.append(":".join(digest[place : place + 2] for place in range(0, len(digest), 2)))
    return found


def blind() -> ssl.SSLContext:
    """Takes whatever is shown."""
    made = ssl.create_default_context()
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def speaks_tls(host: str, port: int, timeout: float = 10.0) -> bool:
    """Whether the server there begins with TLS, whatever it shows; False also where nobody answers."""
    try:
        with socket.create_connection((host, port), timeout=timeout) as plain, blind().wrap_socket(plain):
            return True
    except OSError:  # ssl.SSLError is one
        return False


def trusted(host: str, port: int, authority: str, timeout: float = 10.0) -> None:
    """UntrustedError unless the server there shows a certificate for ``host`` that ``authority`` (or the machine) vouches for."""
    connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context(authority))
    try:
        connection.connect()
    except ssl.SSLCertVerificationError as error:
        raise untrusted(f"https://{host}:{port}", error) from error
    finally:
        connection.close()


def untrusted(where: str, error: ssl.SSLCertVerificationError) -> UntrustedError:
    """The error for a certificate that was refused."""
    if error.verify_code == 10:
        hint = "its certificate is renewed by itself while the controller runs: on its machine 'bdc start'; and compare the clocks"
    elif error.verify_code == 9:
        hint = "this machine's clock is behind: compare it with the server's"
    elif error.verify_code in (62, 64):
        hint = "use a name that is in the certificate, or add this one: spec.security.tls.names"
    else:
        hint = "bdc login --ca FILE, with the certificate of the cluster's authority (there: bdc cert show --ca); or log in again"
    return UntrustedError("the server's certificate is not trusted", where=where, why=error.verify_message, hint=hint)


def offered(host: str, port: int, timeout: float = 10.0) -> str:
    """The authority's certificates as the server itself tells them, unverified: for somebody to compare. ServiceError."""
    return _told(http.client.HTTPSConnection(host, port, timeout=timeout, context=blind()))


def renewed(host: str, port: int, authority: str, timeout: float = 10.0) -> str:
    """The same from a controller that ``authority`` vouches for: its successor may be among them. ``authority`` where it tells none, or
    only such as don't vouch for who was reached: a gateway that shows a customer's certificate."""
    try:
        found = _told(http.client.HTTPSConnection(host, port, timeout=timeout, context=context(authority)))
        trusted(host, port, found, timeout)
    except (OSError, ServiceError):
        return authority
    return found


def told(host: str, port: int, timeout: float = 10.0) -> str:
    """What a controller without TLS says, on this machine; empty where it has none."""
    try:
        return _told(http.client.HTTPConnection(host, port, timeout=timeout))
    except ServiceError:
        return ""


def _told(connection: http.client.HTTPConnection) -> str:
    where = f"{connection.host}:{connection.port}"
    try:
        connection.request("GET", ROUTE)  # nothing secret is sent
        answer = connection.getresponse()
        found = certificates(answer.read(MAX_BYTES).decode("ascii", "replace")) if answer.status == 200 else []
    except (OSError, http.client.HTTPException) as error:
        raise ServiceError("the server does not tell its authority", where=where, why=str(error)) from error
    finally:
        connection.close()
    if not found:
        raise ServiceError("the server does not tell its authority", where=where, hint="bdc login --ca FILE")
    return "\n".join(found) + "\n"


def root_file(authority: str, folder: pathlib.Path) -> str:
    """A file with ``authority`` for libpq, which takes no text; made where it is missing. ``system`` where there is none."""
    if not authority:
        return SYSTEM
    path = folder / "authorities" / f"{hashlib.sha256(authority.encode()).hexdigest()[:16]}.crt"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(authority)
        pathlib.Path(temporary).replace(path)
    return str(path)
