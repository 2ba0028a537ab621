"""The definition of a MongoDB data source, checked and made into the driver's arguments."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from virtualization import certificates
from virtualization.catalog import DataSource
from virtualization.errors import DefinitionError
from virtualization.source_options import Readers, number, options_of, switch, whole

_FORM = "mongodb://host:port/database, several hosts separated by commas"


@dataclass(frozen=True)
class Settings:
    """A checked definition."""

    source: str
    hosts: tuple[str, ...]
    database: str
    user: str | None
    secret: str | None = field(repr=False)
    driver: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the location, as the driver's keyword arguments: replicaSet, tls, authSource …"""

    tls_ca: str | None = None
    """Certificates (PEM) that the server's must be signed by; None: what this machine trusts."""

    connect_timeout: float = 5.0
    """Seconds until a server must have been found and have answered."""

    statement_timeout: float = 0.0
    """Seconds that the source gives one query; 0: no limit."""

    max_connections: int = 10
    """Connections that this process opens to each server at most; further fragments wait for ``pool_timeout``."""

    pool_timeout: float = 30.0
    """Seconds a fragment waits for a free connection."""

    fetch_documents: int = 5000
    """Documents of one batch (the server ends one before 16 MB anyway)."""

    scan_connections: int = min(4, len(os.sched_getaffinity(0)))
    """Connections that read one big collection at once, ranges of ``_id`` each; 1: never more than one. More than this process has
    processors for decoding would only wait."""

    scan_documents: int = 100_000
    """Of one range at least: a collection with fewer than twice as many is read over one connection."""

    sample: int = 1000
    """Documents that ``detect`` looks at."""

    pushdown: bool = True
    """False: only the paths needed are asked for; filters, groups and order run here."""

    @property
    def address(self) -> str:
        """For messages."""
        return ",".join(self.hosts)

    def arguments(self) -> dict[str, Any]:
        """For ``MongoClient``. Holds the password: never log it."""
        milliseconds = int(self.connect_timeout * 1000)
        made: dict[str, Any] = {
            "host": list(self.hosts), "appname": "bdc", "connect": False, "tz_aware": False,
            "serverSelectionTimeoutMS": milliseconds, "connectTimeoutMS": milliseconds,
            # a login that was refused makes the driver look at the server again before the next try: at once, where it asks; where it
            # lets the server push news ("stream"), each further query would wait up to 10 s for them
            "serverMonitoringMode": "poll",
            "maxPoolSize": self.max_connections, "waitQueueTimeoutMS": int(self.pool_timeout * 1000),
            # a server that vanished is noticed: what may run long sends nothing until its first batch is there
            "socketTimeoutMS": int(self.statement_timeout * 1000 + 30_000) if self.statement_timeout else None,
            **self.driver,
        }  # fmt: skip
        if self.user is not None:
            made |= {"username": self.user, "password": self.secret}
        if self.tls_ca is not None:
            made["tlsCAFile"] = certificates.path(self.tls_ca)
        return made


def _word(text: str) -> str:
    if not text:
        raise ValueError("empty")
    return text


_OPTIONS: Readers = {
    "connect_timeout": number(0.1),
    "fetch_documents": whole(1),
    "max_connections": whole(1),
    "pool_timeout": number(0.1),
    "pushdown": switch,
    "sample": whole(1),
    "scan_connections": whole(1),
    "scan_documents": whole(1),
    "statement_timeout": number(0),
    "tls_ca": certificates.read,
}
_PARAMETERS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "authmechanism": ("authMechanism", _word),
    "authsource": ("authSource", _word),
    "directconnection": ("directConnection", switch),
    "readpreference": ("readPreference", _word),
    "replicaset": ("replicaSet", _word),
    "retryreads": ("retryReads", switch),
    "ssl": ("tls", switch),
    "tls": ("tls", switch),
}
"""What may stand in the location after ``?``; whatever makes the driver read files or run programs may not."""


def settings(source: DataSource) -> Settings:
    """Check ``source``; DefinitionError names the option or the part of the location."""
    hosts, database, driver = _location(source)
    options = options_of(source, _OPTIONS)
    if "tls_ca" in options:
        driver.setdefault("tls", True)
    credential = source.credential
    return Settings(source.name, hosts, database, credential.user, credential.secret, driver, **options)


def _location(source: DataSource) -> tuple[tuple[str, ...], str, dict[str, Any]]:
    form = f'data source "{source.name}": location must be {_FORM}'
    scheme, _, rest = source.location.partition("://")
    place, _, query = rest.partition("?")
    hosts, _, path = place.partition("/")
    if "@" in hosts:
        # not repeated in the message: it may hold a password
        raise DefinitionError(f"{form}, without a login", hint="Give user and password as the source's credential.")
    database = urllib.parse.unquote(path)
    if scheme != "mongodb" or not all(hosts.split(",")) or not database or any(sign in database for sign in '/\\. "$\0'):
        raise DefinitionError(f'{form}, not "{source.location}"')
    return tuple(_host(one, form) for one in hosts.split(",")), database, _parameters(query, form)


def _host(text: str, form: str) -> str:
    try:
        url = urllib.parse.urlsplit(f"mongodb://{text}")
        host, port = url.hostname, url.port or 27017
    except ValueError as error:
        raise DefinitionError(f"{form}: {error}") from None
    if not host:
        raise DefinitionError(f'{form}, not "{text}"')
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parameters(query: str, form: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, text in urllib.parse.parse_qsl(query, keep_blank_values=True):
        known = _PARAMETERS.get(name.lower())
        if known is None:
            names = ", ".join(sorted({given for given, _ in _PARAMETERS.values()}))
            raise DefinitionError(f'{form}: unknown parameter "{name}"', hint=f"Known parameters: {names}.")
        try:
            made[known[0]] = known[1](text)
        except ValueError as error:
            raise DefinitionError(f'{form}: parameter "{name}" is "{text}": {error}') from None
    return made
