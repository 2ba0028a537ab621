"""The table of functions, held against a server's own catalog: nothing volatile is on it, and nothing immutable was forgotten."""

from __future__ import annotations

import re

import pytest

from tests.services.postgresql import PostgresqlServer
from virtualization.connectors.postgresql.functions import CLASSES, EXCEPTIONS, FUNCTIONS, INTERNAL, ZONE, known, names

pytestmark = pytest.mark.service
EXCEPTED = {name for group in EXCEPTIONS for name in group.split()}
SYNTAX = {"trim", "position", "grouping", "all", "coalesce"}
"""No functions of pg_proc, but read as calls."""
SETTINGS = {"length", "concat", "concat_ws", "format", "array_to_string", "array_to_json", "to_json", "to_jsonb", "quote_literal",
            "to_char",
            "to_date", "to_number", "to_timestamp", "make_timestamptz", "json_build_array", "json_build_object", "jsonb_build_array",
            "jsonb_build_object"}  # fmt: skip
"""Stable by settings that our sessions fix; ``length`` only where it is told an encoding."""
CONDITIONAL = {"substring"}
"""Taken or not by a condition of its own."""

WRITTEN = """
SELECT p.proname, array_agg(DISTINCT p.provolatile::text), array_agg(DISTINCT p.prokind::text)
  FROM pg_proc p
 WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prorettype NOT IN ('internal'::regtype, 'cstring'::regtype, 'trigger'::regtype)
   AND NOT ('internal'::regtype = ANY (p.proargtypes) OR 'cstring'::regtype = ANY (p.proargtypes))
 GROUP BY p.proname
"""
BEHIND = """
SELECT p.proname FROM pg_proc p WHERE p.oid IN (SELECT oprcode FROM pg_operator UNION ALL SELECT amproc FROM pg_amproc)
"""
Volatilities = dict[str, tuple[set[str], set[str]]]


@pytest.fixture(scope="module")
def catalog(postgresql: PostgresqlServer) -> Volatilities:
    with postgresql.connect() as session:
        return {str(name): (set(v), set(k)) for name, v, k in session.execute(WRITTEN).fetchall()}  # type: ignore[call-overload]


def test_all_that_is_taken_exists_and_is_not_volatile(catalog: Volatilities) -> None:
    taken = set(names()) - SYNTAX
    assert not taken - set(catalog)
    for name in taken:
        volatilities, kinds = catalog[name]
        zoned = known(name)
        assert zoned is not None
        if kinds <= {"a", "w"}:
            continue
        assert "v" not in volatilities, name
        assert "s" not in volatilities or ZONE in zoned.needs or name in SETTINGS, f"{name} is stable: what makes it the same there?"


def test_every_immutable_function_is_taken_or_excepted_with_a_reason(catalog: Volatilities, postgresql: PostgresqlServer) -> None:
    with postgresql.connect() as session:
        behind = {str(row[0]) for row in session.execute(BEHIND).fetchall()}
    internal = re.compile(INTERNAL)
    immutable = {name for name, (volatilities, kinds) in catalog.items() if "i" in volatilities and kinds <= {"f"}}
    forgotten = {name for name in immutable - behind - set(names()) - EXCEPTED - CONDITIONAL if not internal.search(name)}
    assert not forgotten


def test_no_name_is_in_both_tables() -> None:
    rows = [name for row in FUNCTIONS for name in row.names.split()]
    assert len(rows) == len(set(rows))
    assert not set(rows) & EXCEPTED
    assert all(row.note for row in FUNCTIONS) and all(EXCEPTIONS.values())
    assert set(CLASSES.values()) <= set(rows)
