"""What must be known of a database before a text comparison may be sent there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from virtualization.errors import SourceError

OLDEST = (12, 1)

QUERY = "SELECT parameter, value FROM nls_database_parameters WHERE parameter = 'NLS_CHARACTERSET'"


@dataclass(frozen=True)
class Facts:
    """Of one database, read once per connector."""

    version: str
    charset: str

    @property
    def utf8(self) -> bool:
        """Are its texts UTF-8, so that the order of bytes is the order of code points, and every text can be stored? (The character set
        that Oracle calls UTF8 is another one.)"""
        return self.charset == "AL32UTF8"

    @property
    def has_collations(self) -> bool:
        """May columns have collations of their own (12.2)?"""
        return _numbers(self.version) >= (12, 2)


def facts(rows: Sequence[Mapping[str, Any]], version: str, source: str) -> Facts:
    """From the rows of ``QUERY``; SourceError for a version that is too old."""
    if _numbers(version) < OLDEST:
        raise SourceError(f'data source "{source}" is Oracle {version}: version 12.1 or later is needed')
    return Facts(version, str(rows[0]["value"]) if rows else "")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
