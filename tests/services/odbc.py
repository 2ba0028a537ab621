"""Debian's unixODBC and drivers for tests: installed by apt where this may be done. Only where it may not are the tests skipped."""

from __future__ import annotations

from tests.services import debian

PACKAGES = ("unixodbc", "libsqliteodbc", "odbc-postgresql", "odbc-mariadb", "mariadb-server-core", "mariadb-client-core")
"""``mariadb-server-core``: the server's programs alone; setting it up needs one of the client's too."""


def why_not() -> str | None:
    """Why the tests over ODBC can't run here; None: they can."""
    return debian.why_not(*PACKAGES)
