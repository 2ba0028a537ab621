"""What must be known of a source before a text comparison may be sent there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from virtualization.errors import SourceError

OLDEST = 120000

QUERY = """
SELECT pg_catalog.current_setting('server_version_num')::integer AS version,
       pg_catalog.current_setting('server_version') AS version_text,
       pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
       d.datcollate::text AS collation,
       pg_catalog.to_jsonb(d) ->> 'datlocprovider' AS provider,
       COALESCE(pg_catalog.to_jsonb(d) ->> 'datlocale', '') AS locale,
       EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid >= 16384 AND NOT a.attisdropped
                  AND a.attcollation NOT IN (0, 100)) AS other_collations,
       EXISTS (SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
                WHERE a.attrelid >= 16384 AND NOT a.attisdropped AND NOT c.collisdeterministic) AS nondeterministic,
       ('2025-07-01 12:00:00+00'::timestamptz AT TIME ZONE 'America/Asuncion') = '2025-07-01 09:00:00'::timestamp AS time_zones
  FROM pg_catalog.pg_database d
 WHERE d.datname = pg_catalog.current_database()
"""
"""One row; ``to_jsonb`` reads columns that older versions do not have."""


@dataclass(frozen=True)
class Facts:
    """Of one database, read once per connector."""

    version: int
    version_text: str
    encoding: str
    orders_by_code_point: bool
    """Texts sort there as here (C.UTF-8: by code point), without a COLLATE clause."""

    same_character_classes: bool
    """lower() and the like use the same table of characters there as here."""

    time_zones: bool
    """Its rules of time zones are those of 2025 or later (Paraguay left daylight saving then)."""

    nondeterministic: bool
    """Some column has a collation under which different texts are equal: none may be trusted then."""

    @property
    def utf8(self) -> bool:
        """Is the server's encoding UTF8?"""
        return self.encoding == "UTF8"

    @property
    def has_unicode_collation(self) -> bool:
        """Is the collation ``pg_c_utf8`` there, which does what the master does?"""
        return self.utf8 and self.version >= 170000


def facts(row: Mapping[str, Any], source: str) -> Facts:
    """From the row of ``QUERY``; SourceError for a version that is too old."""
    if row["version"] < OLDEST:
        raise SourceError(f'data source "{source}" is PostgreSQL {row["version_text"]}: version 12 or later is needed')
    builtin = row["provider"] == "b"
    plain = row["provider"] in (None, "c") and row["collation"] in ("C", "POSIX")
    utf8, uniform = row["encoding"] == "UTF8", not row["other_collations"]
    return Facts(
        version=row["version"],
        version_text=row["version_text"],
        encoding=row["encoding"],
        orders_by_code_point=utf8 and uniform and (builtin or plain),
        same_character_classes=utf8 and uniform and builtin and row["locale"] in ("C.UTF-8", "C.UTF8"),
        time_zones=row["time_zones"],
        nondeterministic=row["nondeterministic"],
    )
