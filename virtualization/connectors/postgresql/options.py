"""The definition of a PostgreSQL data source, checked and made into a connection string."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from psycopg.conninfo import make_conninfo

from virtualization import certificates
from virtualization.catalog import DataSource
from virtualization.errors import DefinitionError
from virtualization.source_options import Readers, number, options_of, switch, whole

SYSTEM = "system"
"""libpq's word for the certificates that the machine trusts; needs ``sslmode=verify-full``."""

ROLE = "role"
"""Value of the option ``impersonation``: each user's statements run in sessions of the source's role of the same name. It is a setting of
the connection request, so that there is no session of the credential's user which could be left in that user's name."""

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

SESSION = {
    "timezone": "UTC",
    "datestyle": "ISO,MDY",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "timezone_abbreviations": "Default",
    "standard_conforming_strings": "on",
    "bytea_output": "hex",
    "search_path": "pg_catalog",
    "default_transaction_read_only": "on",
    "parallel_tuple_cost": "0.03",
}
"""Settings of every session, sent with the connection request (no round trip): whatever turns values into text is fixed,
names mean built-in objects only, and nothing can be written. A statement that looks at the time zone gets the caller's (``client``).

``parallel_tuple_cost``: rows that leave the server are worth several processes earlier than its default of 0.1 says (a join of 727,000
rows that gives 147,000: 10 % more of the processors' time, half the waiting)."""

WATCH = "client_connection_check_interval"
"""With it a statement ends at the source, too, when this process was killed: else it would compute to its end for nobody.
Servers before 14, and those on other systems than Linux, don't know it: they are asked without."""


@dataclass(frozen=True)
class Settings:
    """A checked definition."""

    source: str
    host: str
    port: int
    database: str
    user: str | None
    secret: str | None = field(repr=False)
    sslmode: str = "prefer"
    sslrootcert: str | None = None
    """``system``, or certificates as text; see ``virtualization.certificates``."""

    connect_timeout: int = 5
    """Seconds for one connection attempt, whole handshake included (libpq's least is 2)."""

    statement_timeout: float = 0.0
    """Seconds that the server gives one statement; 0: no limit."""

    max_connections: int = 10
    """Connections that this process opens at most; further fragments wait for ``pool_timeout``."""

    pool_timeout: float = 30.0
    """Seconds a fragment waits for a free connection."""

    scan_connections: int = min(4, len(os.sched_getaffinity(0)))
    """Connections that read one big table at once, ranges of pages each, in one snapshot; 1: never more than one. More than this
    process has processors for decoding would only wait (measured on two: two connections 1.5 times as fast as one, four no faster)."""

    scan_pages: int = 2_000
    """From so many pages (of 8 KiB) on a table is big: below, one connection has read it before others have begun."""

    fetch_bytes: int = 2 * 1024 * 1024
    """Size of one record batch: what one fragment holds in memory, and how soon the first rows come."""

    pushdown: bool = True
    """False: only columns and rows are asked for; everything else runs here (to compare, or to spare a source)."""

    schemas: tuple[str, ...] = ()
    """Schemas that ``objects`` shows; empty: all but the system's."""

    impersonation: str | None = None
    """``role``: users' statements run as the role of their name; None: as the credential's user."""

    def client(self, user: str | None) -> str | None:
        """Whose role serves a statement of ``user``; None: the credential's user's own."""
        return user if self.impersonation == ROLE else None

    def conninfo(self, application_name: str, more: Mapping[str, str] = MappingProxyType({})) -> str:
        """For libpq. Holds the password: never log it. ``more``: further settings of the session."""
        session = SESSION | {"statement_timeout": str(int(self.statement_timeout * 1000))} | dict(more)
        root = self.sslrootcert
        given: dict[str, str | int | None] = {
            "host": self.host, "port": self.port, "dbname": self.database, "user": self.user, "password": self.secret,
            "sslmode": self.sslmode, "sslrootcert": root if root in (None, SYSTEM) else certificates.path(root),
            "connect_timeout": self.connect_timeout,
            "application_name": application_name, "client_encoding": "UTF8",
            "options": " ".join(f"-c {name}={_option_value(value)}" for name, value in session.items()),
            # a source that vanished from the network is noticed within this time, also in the middle of an answer
            "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000,
        }  # fmt: skip
        return make_conninfo("", **{name: value for name, value in given.items() if value is not None})


def _option_value(text: str) -> str:
    """In ``options`` of a connection request blanks separate and backslashes escape."""
    return "".join("\\" + sign if sign.isspace() or sign == "\\" else sign for sign in text)


def _impersonation(text: str) -> str:
    if text != ROLE:
        raise ValueError(f"not {ROLE}")
    return text


def _ssl_mode(text: str) -> str:
    if text not in _SSL_MODES:
        raise ValueError(f"not one of {', '.join(_SSL_MODES)}")
    return text


def _root(text: str) -> str:
    if text == SYSTEM:
        return text
    try:
        return certificates.read(text)
    except ValueError as error:
        raise ValueError(f"not {SYSTEM!r}, and {error}") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_OPTIONS: Readers = {
    "connect_timeout": whole(2),
    "fetch_bytes": whole(4096),
    "impersonation": _impersonation,
    "max_connections": whole(1),
    "pool_timeout": number(0.1),
    "pushdown": switch,
    "scan_connections": whole(1),
    "scan_pages": whole(1),
    "schemas": _names,
    "sslmode": _ssl_mode,
    "sslrootcert": _root,
    "statement_timeout": number(0),
}


def settings(source: DataSource) -> Settings:
    """Check ``source``; DefinitionError names the option or the part of the location."""
    host, port, database = _location(source)
    credential = source.credential
    return Settings(source.name, host, port, database, credential.user, credential.secret, **options_of(source, _OPTIONS))


def _location(source: DataSource) -> tuple[str, int, str]:
    form = f'data source "{source.name}": location must be postgresql://host:port/database'
    try:
        url = urllib.parse.urlsplit(source.location)
        port = url.port or 5432
    except ValueError as error:
        raise DefinitionError(f"{form}: {error}") from None
    if url.password is not None or url.username is not None:
        # not repeated in the message: it may hold a password
        raise DefinitionError(f"{form}, without a login", hint="Give user and password as the source's credential.")
    database = urllib.parse.unquote(url.path.removeprefix("/"))
    if url.scheme not in ("postgresql", "postgres") or not url.hostname or not database or "/" in database:
        raise DefinitionError(f'{form}, not "{source.location}"')
    if url.query or url.fragment:
        raise DefinitionError(f"{form}, without parameters", hint=f"Options of the source: {', '.join(_OPTIONS)}.")
    return urllib.parse.unquote(url.hostname), port, database
