"""Which certificate a server shows now: one handshake, without trust. For what is shown, and to see that a renewal has arrived."""

from __future__ import annotations

import socket
import ssl
import struct

from cryptography import x509

from controller.certificates.authority import fingerprint

SECONDS = 3.0
SSL_REQUEST = struct.pack(">II", 8, 80877103)


def served(host: str, port: int, *, postgresql: bool = False, seconds: float = SECONDS) -> str | None:
    """Fingerprint of the certificate; None: nobody answers there, or not with TLS. ``postgresql``: TLS is asked for first."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=seconds) as plain:
            if postgresql:
                plain.sendall(SSL_REQUEST)
                if plain.recv(1) != b"S":
                    return None
            with context.wrap_socket(plain, server_hostname=host) as tls:
                found = tls.getpeercert(binary_form=True)
    except (OSError, ValueError):
        return None
    return None if found is None else fingerprint(x509.load_der_x509_certificate(found))
