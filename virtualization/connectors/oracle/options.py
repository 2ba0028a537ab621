"""The definition of an Oracle data source, checked and made into the driver's arguments."""

from __future__ import annotations

import ssl
import urllib.parse
from dataclasses import dataclass, field
from typing import Any

from virtualization import certificates
from virtualization.catalog import DataSource
from virtualization.errors import DefinitionError
from virtualization.source_options import Readers, number, options_of, switch, whole
from virtualization.types import pg_type

CALLER = "caller"
"""Value of the option ``proxy_user``: each user's statements run in a session of that user (CONNECT THROUGH)."""

_DEFAULT_PORTS = {"oracle": 1521, "oracles": 2484}
_NUMBER_TYPES = ("numeric", "bigint", "double precision")

SESSION = (
    "ALTER SESSION SET NLS_COMP='BINARY' NLS_SORT='BINARY' NLS_NUMERIC_CHARACTERS='.,' NLS_CALENDAR='GREGORIAN' "
    "NLS_DATE_FORMAT='YYYY-MM-DD HH24:MI:SS' NLS_TIMESTAMP_FORMAT='YYYY-MM-DD HH24:MI:SS.FF6' TIME_ZONE='+00:00'"
)
"""Sent once per session: whatever turns values into texts, compares texts, or knows a time zone is fixed."""


@dataclass(frozen=True)
class Settings:
    """A checked definition."""

    source: str
    host: str
    port: int
    service: str
    user: str | None
    secret: str | None = field(repr=False)
    tls: bool = False
    tls_ca: str | None = None
    """Certificates (PEM) that the server's must be signed by; None: what this machine trusts. No wallet is needed."""

    tls_server_dn: str | None = None
    """The distinguished name that the server's certificate must carry; None: it must name the host."""

    sid: bool = False
    """The location names a SID, not a service."""

    proxy_user: str | None = None
    """In whose name the session works: ``caller``, or a user of the source; None: the credential's own."""

    connect_timeout: float = 5.0
    """Seconds for one connection attempt."""

    statement_timeout: float = 0.0
    """Seconds that one statement may take; 0: no limit."""

    max_connections: int = 10
    """Sessions that this process opens at most; further fragments wait for ``pool_timeout``."""

    pool_timeout: float = 30.0
    """Seconds a fragment waits for a free session."""

    fetch_rows: int = 5000
    """Rows of one batch, and of one round trip."""

    number_default: str = "numeric"
    """What a NUMBER without precision, and a FLOAT, is detected as."""

    pushdown: bool = True
    """False: only columns and rows are asked for; everything else runs here."""

    schemas: tuple[str, ...] = ()
    """Schemas that ``objects`` shows; empty: all but the system's."""

    @property
    def address(self) -> str:
        """For messages."""
        return f"{self.host}:{self.port}/{self.service}"

    def client(self, user: str | None) -> str | None:
        """The user whose session serves ``user``'s statement, where it is not the credential's own."""
        return user if self.proxy_user == CALLER else self.proxy_user

    def arguments(self, client: str | None) -> dict[str, Any]:
        """For ``oracledb.connect``. Holds the password: never log it."""
        made: dict[str, Any] = {
            "user": self.user, "password": self.secret, "host": self.host, "port": self.port, "protocol": "tcps" if self.tls else "tcp",
            "sid" if self.sid else "service_name": self.service, "tcp_connect_timeout": self.connect_timeout, "retry_count": 0,
            "program": "bdc", "machine": "bdc", "osuser": "bdc", "terminal": "bdc",
            # minutes between keepalive probes: a source that vanished from the network is noticed, also in the middle of an answer
            "expire_time": 1,
        }  # fmt: skip
        if client is not None:
            made["proxy_user"] = client
        if self.tls:
            made["ssl_context"] = ssl.create_default_context(cadata=self.tls_ca)
            made["ssl_server_dn_match"] = True
            if self.tls_server_dn is not None:
                made["ssl_context"].check_hostname = False  # the driver compares the distinguished name instead
                made["ssl_server_cert_dn"] = self.tls_server_dn
        return made


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _word(text: str) -> str:
    if not text.strip():
        raise ValueError("empty")
    return text.strip()


def _number_type(text: str) -> str:
    try:
        of = pg_type(text)
    except DefinitionError as error:
        raise ValueError(error.message) from None
    if of.name not in _NUMBER_TYPES or of.array or (of.precision_and_scale is not None and of.travels_as_text):
        raise ValueError(f"none of {', '.join(_NUMBER_TYPES)}, numeric(p,s)")
    return of.text


_OPTIONS: Readers = {
    "connect_timeout": number(0.1),
    "fetch_rows": whole(1),
    "max_connections": whole(1),
    "number_default": _number_type,
    "pool_timeout": number(0.1),
    "proxy_user": _word,
    "pushdown": switch,
    "schemas": _names,
    "sid": switch,
    "statement_timeout": number(0),
    "tls_ca": certificates.read,
    "tls_server_dn": _word,
}


def settings(source: DataSource) -> Settings:
    """Check ``source``; DefinitionError names the option or the part of the location."""
    scheme, host, port, service = _location(source)
    options = options_of(source, _OPTIONS)
    tls = scheme == "oracles"
    if not tls and ("tls_ca" in options or "tls_server_dn" in options):
        raise DefinitionError(f'data source "{source.name}": the options of TLS need a location oracles://host:port/service')
    credential = source.credential
    return Settings(source.name, host, port, service, credential.user, credential.secret, tls, **options)


def _location(source: DataSource) -> tuple[str, str, int, str]:
    form = f'data source "{source.name}": location must be oracle://host:port/service (with TLS: oracles://…)'
    try:
        url = urllib.parse.urlsplit(source.location)
        port = url.port or _DEFAULT_PORTS.get(url.scheme, 0)
    except ValueError as error:
        raise DefinitionError(f"{form}: {error}") from None
    if url.password is not None or url.username is not None:
        # not repeated in the message: it may hold a password
        raise DefinitionError(f"{form}, without a login", hint="Give user and password as the source's credential.")
    service = urllib.parse.unquote(url.path.removeprefix("/"))
    if url.scheme not in _DEFAULT_PORTS or not url.hostname or not service or set("/()= ") & set(service):
        raise DefinitionError(f'{form}, not "{source.location}"')
    if url.query or url.fragment:
        raise DefinitionError(f"{form}, without parameters", hint=f"Options of the source: {', '.join(_OPTIONS)}.")
    return url.scheme, urllib.parse.unquote(url.hostname), port, service
