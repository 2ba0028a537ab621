"""Which columns the remote side must send as text, and the types of what the driver describes (its batches: ``driver_batches``)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from virtualization.types import PgType, pg_type

_TYPMOD_OFFSET = 4


def wants_text(of: PgType) -> bool:
    """Must the remote SELECT cast this output to text?"""
    return of.travels_as_text or is_decimal(of)


def is_decimal(of: PgType) -> bool:
    """Does it come as text because that is read faster? The driver makes a text of each numeric by itself, in 0.6 µs; the server does so
    in 0.05 µs."""
    return of.name == "numeric" and not of.array and not of.travels_as_text


def described(field: pa.Field[Any]) -> PgType:
    """The PostgreSQL type of one column of the driver's answer; DefinitionError for a type outside the registry.

    The driver keeps the modifier of numeric only; of no other type does a value depend on it.
    """
    metadata = field.metadata or {}
    name = (metadata.get(b"POSTGRESQL:type") or metadata.get(b"ADBC:postgresql:typname") or b"text").decode()
    modifier = int(metadata.get(b"POSTGRESQL:typmod", b"-1"))
    if name.startswith("_"):
        return pg_type(name[1:] + "[]")
    if name == "char":
        return pg_type('"char"')
    if name == "numeric" and modifier >= _TYPMOD_OFFSET:
        packed = modifier - _TYPMOD_OFFSET
        scale = ((packed & 0x7FF) ^ 1024) - 1024
        return pg_type(f"numeric({packed >> 16},{scale})")
    return pg_type("text" if name == "unknown" else name)
