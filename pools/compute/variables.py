"""The session's settings: those that clients set on connecting, what the pool makes of them, and their way through transactions.

A value that the pool could not honour is refused, never swallowed: dates are ISO, intervals postgres style, the encoding UTF8.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Mapping
from functools import lru_cache

from pools.compute.errors import StatementError
from pools.compute.lexer import tokens

SERVER_VERSION = "18.0"
"""The PostgreSQL whose dialect and protocol the pool speaks."""

REPORTED = {
    "application_name": "application_name", "client_encoding": "client_encoding", "datestyle": "DateStyle",
    "default_transaction_read_only": "default_transaction_read_only", "in_hot_standby": "in_hot_standby",
    "integer_datetimes": "integer_datetimes", "intervalstyle": "IntervalStyle", "is_superuser": "is_superuser",
    "scram_iterations": "scram_iterations", "search_path": "search_path", "server_encoding": "server_encoding",
    "server_version": "server_version", "session_authorization": "session_authorization",
    "standard_conforming_strings": "standard_conforming_strings", "timezone": "TimeZone",
}  # fmt: skip
"""Settings that the client is told of (ParameterStatus), by the name under which it knows them."""

PUSHDOWN = "bdc.pushdown"
"""What direct connections set for themselves: ``on`` (as the options of sources and tables say), ``off``, ``forced``."""

_DEFAULTS = {
    "application_name": "", "bytea_output": "hex", "client_encoding": "UTF8", "client_min_messages": "notice", "datestyle": "ISO, MDY",
    "default_transaction_isolation": "repeatable read", "default_transaction_read_only": "on", "extra_float_digits": "1",
    "in_hot_standby": "off", "integer_datetimes": "on", "intervalstyle": "postgres", "is_superuser": "off", "lc_collate": "C",
    "max_identifier_length": "63", "scram_iterations": "4096", "search_path": '"$user", public', "server_encoding": "UTF8",
    "server_version": SERVER_VERSION, "server_version_num": "180000", "session_authorization": "", "standard_conforming_strings": "on",
    "statement_timeout": "0", "timezone": "UTC", "transaction_isolation": "repeatable read", "transaction_read_only": "on",
    "idle_in_transaction_session_timeout": "0", "lock_timeout": "0", "synchronize_seqscans": "on", "row_security": "on",
    "transaction": "", "escape_string_warning": "on", "transaction_timeout": "0", "default_transaction_deferrable": "off",
    "max_parallel_workers_per_gather": "0", "jit": "off", "work_mem": "4MB", "enable_seqscan": "on",
    "wal_level": "replica", "max_connections": "500", PUSHDOWN: "on",
}  # fmt: skip
_FIXED = frozenset({
    "in_hot_standby", "integer_datetimes", "is_superuser", "lc_collate", "max_connections", "max_identifier_length",
    "scram_iterations", "server_encoding", "server_version", "server_version_num", "wal_level",
})  # fmt: skip
_UNITS = {"": 1.0, "us": 0.001, "ms": 1.0, "s": 1000.0, "min": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d|)\s*$")


def _invalid(name: str, value: str, hint: str | None = None) -> StatementError:
    return StatementError("22023", f'invalid value for parameter "{name}": "{value}"', hint=hint)


def _only(*allowed: str, canonical: str) -> Callable[[str, str], str]:
    def check(name: str, value: str) -> str:
        if value.lower().replace(" ", "") not in allowed:
            raise StatementError("0A000", f'the compute pool supports {name} "{canonical}" only', detail=f'Asked for: "{value}".')
        return canonical

    return check


@lru_cache(maxsize=64)
def milliseconds(name: str, value: str) -> float:
    """Of a setting that is a duration; StatementError 22023 for something else."""
    match = _DURATION.match(value)
    if match is None:
        raise _invalid(name, value, "Valid units are us, ms, s, min, h and d.")
    return float(match[1]) * _UNITS[match[2]]


def _duration(name: str, value: str) -> str:
    milliseconds(name, value)
    return value


@lru_cache(maxsize=256)
def known_zone(value: str) -> str | None:
    """The IANA name of a time zone; None for an unknown one."""
    name = {"gmt": "UTC", "utc": "UTC", "z": "UTC"}.get(value.lower(), value)
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
    return name


def _zone(value: str) -> str:
    name = known_zone(value)
    if name is None:
        raise _invalid("TimeZone", value, "Use a name of the IANA database, such as Europe/Berlin.")
    return name


def _pushdown(name: str, value: str) -> str:
    if value.lower() not in ("on", "off", "forced"):
        raise _invalid(name, value, "on, off or forced.")
    return value.lower()


_CHECKS: dict[str, Callable[[str, str], str]] = {
    PUSHDOWN: _pushdown,
    "bytea_output": _only("hex", canonical="hex"),
    "client_encoding": _only("utf8", "utf-8", "unicode", "'utf8'", canonical="UTF8"),
    "datestyle": _only("iso", "iso,mdy", "iso,dmy", "iso,ymd", "mdy", "dmy", "ymd", canonical="ISO, MDY"),
    "idle_in_transaction_session_timeout": _duration,
    "intervalstyle": _only("postgres", canonical="postgres"),
    "standard_conforming_strings": _only("on", "true", "1", "yes", canonical="on"),
    "statement_timeout": _duration,
    "timezone": lambda name, value: _zone(value),
}


class Variables:
    """Values by lower-case name; ``begin``, ``commit`` and ``rollback`` follow the transaction."""

    def __init__(self, given: Mapping[str, str], user: str) -> None:
        self._defaults = _DEFAULTS | {"session_authorization": user}
        self._values: dict[str, str] = {}
        self._before: dict[str, str] | None = None
        self._local: dict[str, str | None] = {}
        for name, value in given.items():
            self.set(name, value)
        self._defaults |= self._values
        self._values = {}

    def get(self, name: str) -> str:
        """The value; StatementError 42704 for an unknown name."""
        value = self._values.get(name, self._defaults.get(name))
        if value is None:
            raise StatementError("42704", f'unrecognized configuration parameter "{name}"')
        return value

    def set(self, name: str, value: str | None, *, local: bool = False) -> None:
        """SET or RESET (None); names with a dot are the client's own."""
        if name == "all" and value is None:
            self._values.clear()
            return
        if name in ("role", "session_authorization") and (value or "none").lower() not in ("none", "default"):
            raise StatementError("42501", f'permission denied to set parameter "{name}"', hint="Log in as that user.")
        if name in ("role", "session_authorization"):
            return
        if name not in self._defaults and "." not in name:
            raise StatementError("42704", f'unrecognized configuration parameter "{name}"')
        if name in _FIXED:
            raise StatementError("55P02", f'parameter "{name}" cannot be changed')
        check = _CHECKS.get(name)
        checked = check(name, value) if check and value is not None else value
        if local and self._before is None:
            return  # PostgreSQL warns: outside of a transaction there is nothing for it to last for
        if local:
            self._local.setdefault(name, self._values.get(name))
        else:
            self._local.pop(name, None)
        if checked is None:
            self._values.pop(name, None)
        else:
            self._values[name] = checked

    def begin(self) -> None:
        """A transaction starts."""
        self._before = dict(self._values)
        self._local = {}

    def commit(self) -> None:
        """What was SET LOCAL ends."""
        for name, value in self._local.items():
            if value is None:
                self._values.pop(name, None)
            else:
                self._values[name] = value
        self._before, self._local = None, {}

    def rollback(self) -> None:
        """Everything is as before the transaction."""
        if self._before is not None:
            self._values = self._before
        self._before, self._local = None, {}

    def reported(self) -> dict[str, str]:
        """What the client is told."""
        return {shown: self.get(name) for name, shown in REPORTED.items()}

    @property
    def timezone(self) -> str:
        """IANA name."""
        return self.get("timezone")

    @property
    def statement_timeout(self) -> float | None:
        """Seconds; None: no limit."""
        return milliseconds("statement_timeout", self.get("statement_timeout")) / 1000 or None

    @property
    def pushdown(self) -> str:
        """Of all queries of the session."""
        return self.get(PUSHDOWN)

    def search_path(self, user: str) -> tuple[str, ...]:
        """Schemas in which unqualified names are looked for."""
        return _path(self.get("search_path"), user)


@lru_cache(maxsize=256)
def _path(value: str, user: str) -> tuple[str, ...]:
    names = [token.folded for token in tokens(value) if token.text != ","]
    return tuple(user if name == "$user" else name for name in names)
