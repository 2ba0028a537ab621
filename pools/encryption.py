"""Where a workload finds its certificate, and those that it trusts: secrets of the cluster like all others. Pure, and cheap to import.

They are renewed while the workload runs: the substrate lays new files, and the process looks at them again by itself (``pools/tls.py``) or
is told to (PostgreSQL).
"""

from __future__ import annotations

from collections.abc import Mapping

from pools.workload import Secret

CERTIFICATE_FILE, KEY_FILE, AUTHORITY_FILE = "tls.crt", "tls.key", "ca.crt"
CERTIFICATE, KEY, AUTHORITY = ("{secrets}/" + name for name in (CERTIFICATE_FILE, KEY_FILE, AUTHORITY_FILE))
"""Paths as workloads write them."""

KEYSTORE_FILE = "tls.p12"
"""Certificate and key once more, as Java takes them."""
KEYSTORE_PASSWORD = "openbdc"  # noqa: S105 (see below)
"""No secret: PKCS12 has to have one, and Hadoop takes none that is empty. What keeps the key is who may read the file, as with PEM; a real
password would have to lie beside it, for the same readers."""

PREFIX = "tls-"
"""Names in the secret store that begin so are replaced when certificates are renewed; no other name ever is."""
AUTHORITY_SECRET = PREFIX + "ca.crt"
GIVEN = "given"
"""Instead of a workload's name: the certificate that the spec names."""


def server_secrets(name: str) -> tuple[Secret, ...]:
    """Of who is reached over TLS as ``name``; it trusts the cluster's authority too."""
    return (Secret(f"{PREFIX}{name}.crt", CERTIFICATE_FILE), Secret(f"{PREFIX}{name}.key", KEY_FILE), *CLIENT_SECRETS)


def java_secrets(name: str) -> tuple[Secret, ...]:
    """The same of who is a Java program."""
    return (*server_secrets(name), Secret(f"{PREFIX}{name}.p12", KEYSTORE_FILE))


CLIENT_SECRETS = (Secret(AUTHORITY_SECRET, AUTHORITY_FILE),)
"""Of who reaches others over TLS."""


VERIFIED = {"sslmode": "verify-full", "sslrootcert": AUTHORITY}
"""What libpq is told so that nobody but the cluster's own server is spoken to."""
BOUND = {"sslmode": "require", "channel_binding": "require"}
"""The same where the server shows somebody else's certificate: it proves, bound to that very certificate, that it knows the password."""
ENCRYPTED = {"sslmode": "require"}
"""On loopback, where it shows somebody else's and can't bind (``pools/master/front.py``)."""


def libpq(settings: Mapping[str, str]) -> str:
    """As the end of a connection string."""
    return "".join(f" {name}={value}" for name, value in settings.items())
