"""The definition of a SQL Server data source as one of the connector ``odbc``."""

from __future__ import annotations

import urllib.parse
from dataclasses import replace

from virtualization.catalog import DataSource
from virtualization.connectors.odbc import options as odbc
from virtualization.errors import DefinitionError
from virtualization.source_options import Readers, options_of, switch

DRIVER = "ODBC Driver 18 for SQL Server"
"""As Microsoft's package ``msodbcsql18`` registers it."""

_ENCRYPT = ("yes", "no", "strict")


def _encrypt(text: str) -> str:
    if text.lower() not in _ENCRYPT:
        raise ValueError(f"not one of {', '.join(_ENCRYPT)}")
    return text.lower()


def _driver(text: str) -> str:
    if not text.strip() or "/" in text:
        raise ValueError("not the name of a driver in odbcinst.ini")
    return text.strip()


OPTIONS: Readers = {
    **odbc.OPTIONS,
    "driver": _driver,
    "encrypt": _encrypt,
    "trust_server_certificate": switch,
}


def settings(source: DataSource) -> odbc.Settings:
    """Check ``source``; DefinitionError names the option or the part of the location."""
    odbc.check_no_login(source)
    host, port, database = _location(source)
    given = options_of(source, OPTIONS)
    driver, encrypt, trusted = given.pop("driver", DRIVER), given.pop("encrypt", "yes"), given.pop("trust_server_certificate", False)
    attributes = (
        ("Driver", driver), ("Server", f"tcp:{host},{port}"), ("Database", database), ("Encrypt", encrypt),
        ("TrustServerCertificate", "yes" if trusted else "no"),
    )  # fmt: skip
    credential = source.credential
    return replace(odbc.Settings(source.name, attributes, credential.user, credential.secret), **given)


def _location(source: DataSource) -> tuple[str, int, str]:
    form = f'data source "{source.name}": location must be sqlserver://host:port/database'
    try:
        url = urllib.parse.urlsplit(source.location)
        port = url.port or 1433
    except ValueError as error:
        raise DefinitionError(f"{form}: {error}") from None
    if url.password is not None or url.username is not None:
        # not repeated in the message: it may hold a password
        raise DefinitionError(f"{form}, without a login", hint="Give user and password as the source's credential.")
    host, database = urllib.parse.unquote(url.hostname or ""), urllib.parse.unquote(url.path.removeprefix("/"))
    if url.scheme != "sqlserver" or not host or not database or "/" in database or any(sign in host for sign in ",;{}"):
        raise DefinitionError(f'{form}, not "{source.location}"')
    if url.query or url.fragment:
        raise DefinitionError(f"{form}, without parameters", hint=f"Options of the source: {', '.join(OPTIONS)}.")
    return host, port, database
