"""Texts in, statements out: what postgres_fdw, psql and drivers send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pools.compute import lexer, parameters, statements
from pools.compute.errors import StatementError
from pools.compute.statements import (
    ALL,
    Begin,
    CloseCursor,
    Commit,
    Deallocate,
    Declare,
    Discard,
    Explain,
    Fetch,
    Rewind,
    Rollback,
    Savepoint,
    Select,
    Set,
    Show,
    Statement,
    Unsupported,
)  # fmt: skip
from pools.compute.writes.parsing import Modify


@pytest.mark.parametrize(
    ("sql", "statement"),
    [
        ("SET search_path = pg_catalog", Set("search_path", "pg_catalog")),
        ("SET timezone = 'GMT'", Set("timezone", "GMT")),
        ("SET TIME ZONE 'Europe/Berlin'", Set("timezone", "Europe/Berlin")),
        ("SET LOCAL statement_timeout TO 5000", Set("statement_timeout", "5000", local=True)),
        ("SET DateStyle TO ISO, MDY", Set("datestyle", "ISO, MDY".lower())),
        ("RESET ALL", Set("all", None)),
        ("SHOW TRANSACTION ISOLATION LEVEL", Show("transaction_isolation")),
        ("START TRANSACTION ISOLATION LEVEL REPEATABLE READ", Begin()),
        ("START TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", Begin()),
        ("BEGIN", Begin()),
        ("COMMIT TRANSACTION", Commit()),
        ("ABORT TRANSACTION", Rollback()),
        ("SAVEPOINT s2", Savepoint("make", "s2")),
        ("RELEASE SAVEPOINT s2", Savepoint("release", "s2")),
        ("ROLLBACK TO SAVEPOINT s2", Savepoint("rollback", "s2")),
        ("DECLARE c1 CURSOR FOR\nSELECT a FROM t", Declare("c1", "SELECT a FROM t")),
        ('DECLARE "My c" NO SCROLL CURSOR WITH HOLD FOR SELECT 1', Declare("My c", "SELECT 1", hold=True)),
        ("FETCH 100 FROM c1", Fetch("c1", 100)),
        ("FETCH FORWARD ALL IN c1", Fetch("c1", ALL)),
        ("fetch c1", Fetch("c1", 1)),
        ("MOVE BACKWARD ALL IN c1", Rewind("c1")),
        ("MOVE 5 IN c1", Fetch("c1", 5, move=True)),
        ("CLOSE c1", CloseCursor("c1")),
        ("DEALLOCATE ALL", Deallocate(None)),
        ("DISCARD ALL", Discard("all")),
        ("EXPLAIN SELECT a FROM t", Explain("SELECT a FROM t")),
        ("EXPLAIN (ANALYZE, FORMAT JSON) SELECT 1", Explain("SELECT 1", analyze=True, format="json")),
        ("  /* a /* nested */ comment */ (SELECT 1)", Select("  /* a /* nested */ comment */ (SELECT 1)")),
        ("with x as (select 1) table x", Select("with x as (select 1) table x")),
        ("GRANT SELECT ON t TO u", Unsupported("GRANT")),
        ("DELETE FROM t", Modify("DELETE FROM t", "DELETE")),
    ],
)
def test_read(sql: str, statement: Statement) -> None:
    assert statements.read(sql) == statement


@pytest.mark.parametrize("sql", ["FETCH", "DECLARE x", "CLOSE", "SET x", "START", "SELECT 'open", "SELECT $a$ open", "/* open"])
def test_wrong_syntax(sql: str) -> None:
    with pytest.raises(StatementError) as caught:
        statements.read(sql)
    assert caught.value.code == "42601"


def test_split() -> None:
    assert lexer.split("ROLLBACK TO SAVEPOINT s2; RELEASE SAVEPOINT s2;") == ["ROLLBACK TO SAVEPOINT s2", "RELEASE SAVEPOINT s2"]
    assert lexer.split("SELECT ';', $$;$$, \";\" -- ;\n, E'\\';' /* ; */; ;") == ["SELECT ';', $$;$$, \";\" -- ;\n, E'\\';'"]
    assert lexer.split(" -- nothing\n ;; ") == []


@given(st.text(max_size=60))
def test_lexer_never_fails_otherwise(sql: str) -> None:
    try:
        for token in lexer.tokens(sql):
            assert sql[token.start : token.end] == token.text != ""
    except StatementError as error:
        assert error.code == "42601"


@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_values_come_back_as_literals(values: list[str | None]) -> None:
    literals = parameters.literals([None if v is None else v.encode() for v in values], (), [25] * len(values))
    sql = parameters.fill("SELECT " + ", ".join(f"${n}" for n in range(1, len(values) + 1)), literals)
    found = [
        None if token.text == "NULL" else token.folded for token in lexer.tokens(sql) if token.kind == "string" or token.text == "NULL"
    ]
    assert found == values


def test_types_come_from_casts() -> None:
    sql = "SELECT $1::bigint, '$9', \"$8\", $2::timestamp with time zone, $3, $4::character varying(3) /* $7 */"
    assert parameters.declared(sql, ()) == (20, 1184, 25, 1043)
    assert parameters.declared(sql, (23,)) == (23, 1184, 25, 1043)


@pytest.mark.parametrize(
    ("oid", "data", "literal"),
    [
        (20, (5).to_bytes(8, "big"), "('5'::bigint)"),
        (23, (-1).to_bytes(4, "big", signed=True), "('-1'::integer)"),
        (16, b"\1", "('true'::boolean)"),
        (17, b"\0\xff", "('\\x00ff'::bytea)"),
        (1082, (1).to_bytes(4, "big"), "('2000-01-02'::date)"),
        (1700, bytes.fromhex("0002 0000 0000 0002 0001 0bb8".replace(" ", "")), "('1.30'::numeric)"),
        (701, bytes.fromhex("7ff0000000000000"), "('Infinity'::double precision)"),
        (2950, bytes(16), "('00000000-0000-0000-0000-000000000000'::uuid)"),
    ],
)
def test_binary_values(oid: int, data: bytes, literal: str) -> None:
    assert parameters.literals([data], (1,), [oid]) == (literal,)


def test_bad_values() -> None:
    for values, formats, oids, code in (
        ([b"\0\0"], (1,), [23], "22P03"), ([b"\xff"], (), [25], "22021"), ([b"a\0b"], (), [25], "22021"), ([], (), [25], "08P01"),
    ):  # fmt: skip
        with pytest.raises(StatementError) as caught:
            parameters.literals(values, formats, oids)
        assert caught.value.code == code
