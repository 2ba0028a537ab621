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

PREFIX = "tls-"
"""Names in the secret store that begin so are replaced when certificates are renewed; no other name ever is."""
AUTHORITY_SECRET = PREFIX + "ca.crt"
GIVEN = "given"
"""Instead of a workload's name: the certificate that the spec names."""


def server_secrets(name: str) -> tuple[Secret, ...]:
    """Of who is reached over TLS as ``name``; it trusts the cluster's authority too."""
    return (Secret(f"{PREFIX}{name}.crt", CERTIFICATE_FILE), Secret(f"{PREFIX}{name}.key", KEY_FILE), *CLIENT_SECRETS)


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
