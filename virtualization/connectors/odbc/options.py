"""The definition of an ODBC data source, checked and made into a connection string.

All that decides where a login goes is in the location, because a sealed credential opens for one location only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from virtualization.catalog import DataSource
from virtualization.connectors.odbc.capabilities import refused_attributes
from virtualization.errors import DefinitionError
from virtualization.source_options import Readers, number, options_of, switch, whole

SCHEME = "odbc:"
_LOGIN = frozenset({"uid", "user", "username", "user id", "userid", "pwd", "password"})
_FILES = frozenset({"filedsn", "savefile"})
_ATTRIBUTE = re.compile(r"\s*([^=;{}]+?)\s*=\s*(?:\{((?:[^}]|\}\})*)\}|([^;{}]*?))\s*(?:;|$)")


@dataclass(frozen=True)
class Settings:
    """A checked definition."""

    source: str
    attributes: tuple[tuple[str, str], ...]
    """Of the connection string, without login."""

    user: str | None
    secret: str | None = field(repr=False)
    connect_timeout: int = 10
    """Seconds for one connection (not every driver keeps to it)."""

    statement_timeout: float = 0.0
    """Seconds that the source may take until its next rows; 0: no limit."""

    max_connections: int = 10
    """Connections that this process opens at most; further fragments wait for ``pool_timeout``."""

    pool_timeout: float = 30.0
    """Seconds a fragment waits for a free connection."""

    max_value_bytes: int = 65_536
    """Of one text or binary value; a longer one is an error that says so. Buffers have room for this much per row where the driver does
    not know a smaller limit, so more costs memory."""

    fetch_bytes: int = 8 * 1024 * 1024
    """Size of one batch's buffers at most."""

    fetch_rows: int = 20_000
    """Rows of one batch at most."""

    pushdown: bool = True
    """False: only columns are chosen at the source."""

    schemas: tuple[str, ...] = ()
    """Schemas (or databases) that ``objects`` shows; empty: what the driver shows by itself."""

    @property
    def driver(self) -> str | None:
        """Its registered name; None: a DSN names it."""
        return next((value for name, value in self.attributes if name.lower() == "driver"), None)

    @property
    def address(self) -> str:
        """For messages."""
        return joined([(name, value) for name, value in self.attributes if name.lower() != "driver"]) or joined(self.attributes)

    def connection_string(self, defaults: Mapping[str, str]) -> str:
        """Without login; ``defaults``: attributes of the driver where the location says nothing."""
        given = {name.lower() for name, _ in self.attributes}
        more = [(name, value) for name, value in defaults.items() if name.lower() not in given]
        return joined([*self.attributes, *more])

    def with_login(self, defaults: Mapping[str, str]) -> str:
        """Holds the password: never log it."""
        login = [(name, value) for name, value in (("UID", self.user), ("PWD", self.secret)) if value is not None]
        return ";".join(filter(None, (self.connection_string(defaults), joined(login))))


def joined(attributes: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> str:
    """As a connection string."""
    return ";".join(f"{name}={_braced(value)}" for name, value in attributes)


def _braced(value: str) -> str:
    return value if re.fullmatch(r"[\w./:@\\ -]*", value) and value == value.strip() else "{" + value.replace("}", "}}") + "}"


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


OPTIONS: Readers = {
    "connect_timeout": whole(1),
    "fetch_bytes": whole(65_536),
    "fetch_rows": whole(1),
    "max_connections": whole(1),
    "max_value_bytes": whole(16),
    "pool_timeout": number(0.1),
    "pushdown": switch,
    "schemas": _names,
    "statement_timeout": number(0),
}


def settings(source: DataSource) -> Settings:
    """Check ``source``; DefinitionError names the option or the part of the location."""
    check_no_login(source)
    credential = source.credential
    return Settings(source.name, _attributes(source), credential.user, credential.secret, **options_of(source, OPTIONS))


def check_no_login(source: DataSource) -> None:
    """DefinitionError where an option is a user or a password."""
    for name in source.options:
        if name.lower() in _LOGIN:
            hint = "Give user and password as the source's credential."
            raise DefinitionError(f'data source "{source.name}": option "{name}" is a login, which no option takes', hint=hint)


def _attributes(source: DataSource) -> tuple[tuple[str, str], ...]:
    form = f'data source "{source.name}": location must be {SCHEME}Driver=NAME;ATTRIBUTE=VALUE;… or {SCHEME}DSN=NAME'
    if not source.location.lower().startswith(SCHEME):
        raise DefinitionError(form)  # not repeated: it may hold a password
    made = parsed(source.location[len(SCHEME) :])
    if made is None:
        raise DefinitionError(f"{form}; values with a semicolon or brace stand in braces")
    names = [name.lower() for name, _ in made]
    for name in names:
        if name in _LOGIN:
            hint = "Give user and password as the source's credential."
            raise DefinitionError(f'{form}, without "{name}"', hint=hint)
        if name in _FILES or name in refused_attributes():  # before any driver sees it, so of all drivers
            raise DefinitionError(f'{form}: "{name}" is not taken: it would load a library, use a file of the machine, or run a statement')
        if names.count(name) > 1:
            raise DefinitionError(f'{form}: "{name}" stands there twice')
    if ("driver" in names) == ("dsn" in names):
        raise DefinitionError(f"{form}: it needs Driver or DSN")
    if any("/" in value for name, value in made if name.lower() in ("driver", "dsn")):
        # a path would load whatever library lies there into the compute pool
        raise DefinitionError(f"{form}: the driver is given by the name that odbcinst.ini has for it, not by a path")
    return made


def parsed(text: str) -> tuple[tuple[str, str], ...] | None:
    """(name, value) of each attribute; None where ``text`` is no connection string."""
    made: list[tuple[str, str]] = []
    place = 0
    text = text.strip().rstrip(";")
    while place < len(text):
        match = _ATTRIBUTE.match(text, place)
        if match is None or "\0" in match[0]:
            return None
        made.append((match[1], match[2].replace("}}", "}") if match[2] is not None else match[3]))
        place = match.end()
    return tuple(made) or None
