"""Where the server is and as whom to log in, from single options or from a URL, and as libpq wants to read it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from pyspark_bdc.errors import OptionError

DEFAULT_PORT = 31433
"""Of the first cluster on a machine."""
DEFAULT_DATABASE = "bdc"
CLUSTER_VARIABLE = "BDC_MASTER"
AUTHORITY_VARIABLE = "BDC_AUTHORITY"
TLS_SETTINGS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
CONNECT_SECONDS = 15
_URL_FORM = "postgresql://host:port/database, also with jdbc: in front; user, password and sslmode may follow as ?name=value"


@dataclass(frozen=True)
class Address:
    """One login. Without a password libpq looks for one itself (PGPASSWORD, a password file) where each task runs."""

    host: str
    port: int
    database: str
    user: str
    password: str | None = field(repr=False)
    tls: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}/{self.database}"

    def conninfo(self, *, read_only: bool = True) -> str:
        """For libpq; the password is in it, so keep it out of messages. ``read_only`` sessions can't write, whatever a query says."""
        settings = {
            "host": self.host,
            "port": str(self.port),
            "dbname": self.database,
            "user": self.user,
            "application_name": "pyspark_bdc",
            "connect_timeout": str(CONNECT_SECONDS),
            "client_encoding": "UTF8",
            "options": f"-c default_transaction_read_only={'on' if read_only else 'off'}",
            **dict(self.tls),
        }
        if self.password is not None:
            settings["password"] = self.password
        return " ".join(f"{name}='{_escaped(value)}'" for name, value in settings.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def of_the_cluster() -> dict[str, str]:
    """Host and port of the master, by option name, where Spark runs in a cluster (``BDC_MASTER``: ``host:port``); else nothing. Where the
    cluster speaks TLS it names its authority's certificates too (``BDC_AUTHORITY``: a file), and the master must show one of theirs."""
    host, colon, port = os.environ.get(CLUSTER_VARIABLE, "").rpartition(":")
    if not colon:
        return {}
    root = os.environ.get(AUTHORITY_VARIABLE)
    return {"host": host, "port": port, **({"sslmode": "verify-full", "sslrootcert": root} if root else {})}


def parse_url(url: str) -> dict[str, str]:
    """Host, port, database, and whatever else it says, by option name. OptionError never repeats the URL: it may hold a password."""
    try:
        parts = urlsplit(url.strip().removeprefix("jdbc:"))
        host, port = parts.hostname, parts.port
    except ValueError:
        raise OptionError("option url can't be read", _URL_FORM) from None
    if parts.scheme not in ("postgresql", "postgres") or not host or parts.fragment:
        raise OptionError("option url can't be read", _URL_FORM)
    if port is None:
        raise OptionError("option url names no port", "a cluster's own: bdc endpoint list")
    found = {"host": host, "port": str(port)}
    for name, value in (("user", parts.username), ("password", parts.password), ("database", parts.path.strip("/"))):
        if value:
            found[name] = unquote(value)
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in ("user", "password", *TLS_SETTINGS):
            raise OptionError(f"option url: unknown parameter {name!r}", f"known are user, password, {', '.join(TLS_SETTINGS)}")
        found[name] = value
    return found
