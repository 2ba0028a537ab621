"""The registry against a real PostgreSQL, and the way to Arrow and back."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest

from tests.services.postgresql import PostgresqlServer
from virtualization.catalog import Column
from virtualization.errors import DefinitionError
from virtualization.types import PG_TYPE, REGISTRY, arrow_field, common_text, pg_type, pg_type_by_oid, pg_type_of, schema_of

FORMS = [
    "bigint",
    "int8",
    "int4",
    "bool",
    "double precision",
    "float8",
    "real",
    "varchar",
    "varchar(20)",
    "character varying(3)",
    "char(3)",
    "char",
    "bpchar",
    "timestamptz",
    "timestamp",
    "timestamp(3)",
    "timestamp(3) with time zone",
    "time",
    "time(2)",
    "timetz",
    "timetz(1)",
    "numeric",
    "numeric(12,2)",
    "numeric(5)",
    "numeric(3,-2)",
    "numeric(2,5)",
    "decimal(38,10)",
    "numeric(39,1)",
    "interval",
    "interval(3)",
    "integer[]",
    "numeric(5,2)[]",
    "text[]",
    "varchar(7)[]",
    "timestamptz[]",
    "uuid",
    "json",
    "jsonb",
    "bytea",
    "inet",
    "bit(3)",
    "varbit(4)",
    "name",
]


def test_every_form_has_the_oid_typmod_and_name_that_postgresql_gives(postgresql: PostgresqlServer) -> None:
    with postgresql.connect() as connection:
        connection.execute("CREATE TEMP TABLE forms (" + ", ".join(f"c{i} {form}" for i, form in enumerate(FORMS)) + ")")
        told = connection.execute(
            "SELECT atttypid, atttypmod, format_type(atttypid, atttypmod), typlen FROM pg_attribute JOIN pg_type t ON t.oid = atttypid"
            " WHERE attrelid = 'forms'::regclass AND attnum > 0 ORDER BY attnum"
        ).fetchall()
    for form, (oid, typmod, text, length) in zip(FORMS, told, strict=True):
        of = pg_type(form)
        assert (of.oid, of.typmod, of.text, of.length) == (oid, typmod, text, length), form
        assert pg_type(of.text) == of
        assert pg_type_by_oid(of.oid, of.typmod) == of


def test_texts_beside_each_other_have_the_type_that_postgresql_gives(postgresql: PostgresqlServer) -> None:
    forms = ("varchar(2)", "varchar(5)", "varchar", "text", "char(2)", "char(5)")
    with postgresql.connect() as connection:
        for one, two in itertools.product(forms, forms):
            connection.execute(f"CREATE TEMP VIEW both_of AS SELECT NULL::{one} AS c UNION SELECT NULL::{two}".encode())
            told = connection.execute(
                "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'pg_temp.both_of'::regclass"
            ).fetchone()
            connection.execute("DROP VIEW both_of")
            assert told == (common_text([pg_type(one), pg_type(two)]).text,), (one, two)


def test_the_registry_is_postgresqls(postgresql: PostgresqlServer) -> None:
    with postgresql.connect() as connection:
        rows = connection.execute(
            "SELECT oid::int, typarray::int, typlen::int, format_type(oid, NULL) FROM pg_type WHERE typtype IN ('b', 'r')"
        ).fetchall()
    known = {row[0]: row[1:] for row in rows}
    for entry in REGISTRY:
        assert known[entry.oid] == (entry.array_oid, entry.length, entry.name)


@pytest.mark.parametrize(
    ("text", "arrow", "as_text"),
    [
        ("bigint", pa.int64(), False),
        ("numeric(12,2)", pa.decimal128(12, 2), False),
        ("numeric(38,38)", pa.decimal128(38, 38), False),
        ("numeric", pa.string(), True),
        ("numeric(39,0)", pa.string(), True),
        ("numeric(3,-2)", pa.string(), True),
        ("timestamp with time zone", pa.timestamp("us", "UTC"), False),
        ("date", pa.date32(), False),
        ("varchar(3)", pa.string(), False),
        ("uuid", pa.string(), True),
        ("integer[]", pa.string(), True),
        ("interval", pa.string(), True),
    ],
)
def test_the_carrying_type(text: str, arrow: pa.DataType, as_text: bool) -> None:
    assert (pg_type(text).arrow, pg_type(text).travels_as_text) == (arrow, as_text)


def test_a_field_keeps_its_type() -> None:
    field = arrow_field("price", "decimal(12,2)", nullable=False)
    assert field.metadata == {PG_TYPE: b"numeric(12,2)"}
    assert not field.nullable
    assert pg_type_of(field) == pg_type("numeric(12,2)")
    assert schema_of([Column("price", "decimal(12,2)", nullable=False)]).equals(pa.schema([field]), check_metadata=True)


@pytest.mark.parametrize("text", ["bigint", "text", "numeric(12,2)", "date", "boolean", "bytea", "timestamp with time zone", "real"])
def test_a_field_without_metadata_speaks_for_itself(text: str) -> None:
    assert pg_type_of(pa.field("c", pg_type(text).arrow)) == pg_type(text)


@pytest.mark.parametrize(
    "text", ["hstore", "", "numeric(0)", "numeric(1001)", "integer(3)", "varchar(0)", "int; drop table x", "timestamp(7)", "varchar(1,2)"]
)
def test_an_unknown_type_is_named(text: str) -> None:
    with pytest.raises(DefinitionError, match="type"):
        pg_type(text)


def test_an_arrow_type_without_a_postgresql_type_is_named() -> None:
    with pytest.raises(DefinitionError, match="large_list"):
        pg_type_of(pa.field("c", pa.large_list(pa.int32())))
