"""Names: what PostgreSQL would find, and the error it would give, with what there is instead."""

from __future__ import annotations

import pytest

from tests.virtualization.conftest import catalog
from virtualization.bind import bind
from virtualization.binding.datatypes import type_of
from virtualization.errors import (
    AmbiguousColumnError,
    GroupingError,
    SqlError,
    UnknownColumnError,
    UnknownTableError,
    UnsupportedError,
    VirtualizationError,
)
from virtualization.parse import parse

ERRORS = [
    ("SELECT nope FROM orders", UnknownColumnError, "42703"),
    ("SELECT o.nope FROM orders o", UnknownColumnError, "42703"),
    ("SELECT orders.id FROM orders o", UnknownTableError, "42P01"),
    ('SELECT "ID" FROM orders', UnknownColumnError, "42703"),
    ("SELECT weight FROM pages", UnknownColumnError, "42703"),
    ("SELECT id FROM orders, customer", AmbiguousColumnError, "42702"),
    ("SELECT q.id FROM (SELECT o.id, c.id FROM orders o, customer c) q", AmbiguousColumnError, "42702"),
    ("SELECT 1 FROM nope", UnknownTableError, "42P01"),
    ("SELECT 1 FROM other.orders", UnknownTableError, "42P01"),
    ("SELECT 1 FROM orders, orders", SqlError, "42601"),
    ("SELECT id FROM orders ORDER BY 3", SqlError, "42601"),
    ("SELECT id AS x, cust AS x FROM orders ORDER BY x", AmbiguousColumnError, "42702"),
    ("SELECT id FROM orders UNION SELECT id, name FROM customer", SqlError, "42601"),
    ("SELECT id FROM orders UNION SELECT id FROM customer ORDER BY cust", UnknownColumnError, "42703"),
    ("SELECT id FROM orders WHERE s > 1 AND id + 1 = 2", UnknownColumnError, "42703"),
    ("SELECT id + 1 AS s FROM orders WHERE s > 1", UnknownColumnError, "42703"),
    ("SELECT id + 1 AS s FROM orders GROUP BY s HAVING s > 1", UnknownColumnError, "42703"),
    ("SELECT 1 FROM orders JOIN customer USING (amt)", UnknownColumnError, "42703"),
    ("SELECT * FROM (SELECT 1 FROM orders) q(a, b)", SqlError, "42601"),
    ("SELECT o FROM orders o", UnsupportedError, "0A000"),
    ("SELECT 1 FROM db.public.orders", UnsupportedError, "0A000"),
    ("SELECT * FROM json_populate_record(NULL, '{}')", UnsupportedError, "0A000"),
    ("SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, 3))", UnsupportedError, "0A000"),
    ("SELECT *", SqlError, "42601"),
    ("SELECT a.k FROM (SELECT id, count(*) AS k FROM orders) a", GroupingError, "42803"),
    ("SELECT id, sum(amt) FROM orders", GroupingError, "42803"),
    ("SELECT cust + 1 FROM orders GROUP BY cust + 2", GroupingError, "42803"),
    ("SELECT cust FROM orders GROUP BY cust ORDER BY id", GroupingError, "42803"),
    ("SELECT count(*) FROM orders HAVING id > 1", GroupingError, "42803"),
    ("SELECT sum(amt) + sum(amt) OVER (ORDER BY id) FROM orders", GroupingError, "42803"),
    ("SELECT cust, (SELECT max(c.name) FROM customer c WHERE c.id = o.id) FROM orders o GROUP BY cust", GroupingError, "42803"),
    ("SELECT every(amt > 1), id FROM orders", GroupingError, "42803"),
]

GROUPED = [
    "SELECT cust + 1, (cust), sum(amt) FROM orders GROUP BY cust HAVING cust > 1 ORDER BY cust, count(*)",
    "SELECT cust + 1 FROM orders GROUP BY (cust + 1)",
    "SELECT id % 2 AS p, count(*) FROM orders GROUP BY p",
    "SELECT id % 2, count(*) FROM orders GROUP BY 1 ORDER BY 1",
    "SELECT cust, id, grouping(cust), sum(sum(amt)) OVER (ORDER BY cust) FROM orders GROUP BY ROLLUP (cust, id)",
    "SELECT cust, id FROM orders GROUP BY GROUPING SETS ((cust, id), (cust), ())",
    "SELECT row_number() OVER (ORDER BY id), id FROM orders",
    "SELECT sum(amt) OVER (PARTITION BY cust), id FROM orders",
    "SELECT cust, (SELECT max(c.name) FROM customer c WHERE c.id = o.cust) FROM orders o GROUP BY cust",
    "SELECT (SELECT count(*) FROM customer c WHERE c.id = o.id), id FROM orders o",
    "SELECT (SELECT sum(o.amt) FROM customer c) FROM orders o",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amt), count(*) FILTER (WHERE id > 1) FROM orders",
    "SELECT id, count(*) FROM orders o FULL JOIN customer c USING (id) GROUP BY id",
    "SELECT 1 FROM orders HAVING count(*) > 1",
]


@pytest.mark.parametrize("sql", GROUPED)
def test_what_a_block_that_groups_may_show(sql: str) -> None:
    bind(parse(sql), catalog())


@pytest.mark.parametrize(("sql", "error", "code"), ERRORS)
def test_errors(sql: str, error: type[VirtualizationError], code: str) -> None:
    with pytest.raises(error) as raised:
        bind(parse(sql), catalog())
    assert raised.value.code == code


def test_an_unknown_column_names_those_that_exist() -> None:
    with pytest.raises(UnknownColumnError) as raised:
        bind(parse("SELECT nope FROM customer"), catalog())
    assert "id, name, region" in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT *, id AS \"Mixed\", id + 1, count(*) OVER (), 'a', ID FROM orders", "id cust amt d note Mixed ?column? count ?column? id"),
        ("SELECT o.id, c.id FROM orders o, customer c", "id id"),
        ("SELECT * FROM orders JOIN customer USING (id)", "id cust amt d note name region"),
        (
            "SELECT amt::text, lower(note), (SELECT max(id) FROM visits), CASE WHEN true THEN id END, NULL FROM orders",
            "amt lower max case ?column?",
        ),
        ("SELECT '1'::int, coalesce(id, 1), exists (SELECT 1 FROM pages), -id FROM orders", "int4 coalesce exists ?column?"),
        (
            "SELECT char_length('a'), length('a'), substr('a', 1), strpos('a', 'b'), ceiling(1.5)",
            "char_length length substr strpos ceiling",
        ),
        ("SELECT lpad('a', 2), rpad('a', 2), ltrim('a'), trim(trailing from 'a'), trim('a')", "lpad rpad ltrim rtrim btrim"),
        (
            "SELECT id::text::int, date '2024-01-01'::text, 1::numeric::int, 'a'::text::varchar(2), interval '1 day' FROM orders",
            "id text int4 varchar interval",
        ),
        (
            "SELECT CASE WHEN true THEN 1 ELSE 1::int END, now(), current_timestamp, timestamp '2024-01-01' AT TIME ZONE 'UTC'",
            "case now current_timestamp timezone",
        ),
        ("SELECT var_pop(id), power(id, 2), corr(id, id) FROM orders GROUP BY id", "var_pop power corr"),
        ("VALUES (1, 2)", "column1 column2"),
        ("SELECT id AS a FROM orders UNION SELECT n FROM visits", "a"),
        ("SELECT * FROM generate_series(1, 2) WITH ORDINALITY g", "g ordinality"),
        ("SELECT * FROM unnest(ARRAY[1], ARRAY['a']) u(x)", "x unnest"),
        ("SELECT * FROM unnest(ARRAY[1], ARRAY['a']) WITH ORDINALITY u(x, y)", "x y ordinality"),
        ("SELECT * FROM json_each('{}') j", "key value"),
        ("SELECT * FROM jsonb_each_text('{}') j(k)", "k value"),
        ("SELECT j.value, * FROM jsonb_array_elements('[]') WITH ORDINALITY j", "value value ordinality"),
        ("SELECT * FROM regexp_split_to_table('a b', ' ') word", "word"),
    ],
)
def test_output_names(sql: str, names: str) -> None:
    assert bind(parse(sql), catalog()).names == tuple(names.split(" "))


def test_columns_are_qualified_and_typed() -> None:
    query = bind(parse("SELECT AMT FROM Orders"), catalog()).query
    assert query.sql("postgres") == 'SELECT "orders"."amt" AS "amt" FROM "public"."orders" AS "orders"'
    assert query.selects[0].this.type.sql("postgres") == "DECIMAL(12, 2)"


def test_aliases_are_unique_in_the_statement() -> None:
    bound = bind(
        parse("SELECT id FROM orders WHERE id IN (SELECT id FROM orders WHERE id IN (SELECT orders.id FROM customer orders))"), catalog()
    )
    assert set(bound.tables) == {"orders", "orders_1", "orders_2"}
    assert bound.tables["orders_2"].name == "customer"


def test_order_and_group_by_names() -> None:
    def text(sql: str) -> str:
        return bind(parse(sql), catalog()).query.sql("postgres").partition(' AS "orders" ')[2]

    # ORDER BY: first an output name; GROUP BY: first an input column
    assert text("SELECT amt AS cust FROM orders ORDER BY cust") == 'ORDER BY "orders"."amt"'
    assert text("SELECT amt AS cust FROM orders GROUP BY cust, amt") == 'GROUP BY "orders"."cust", "orders"."amt"'
    assert text("SELECT id + 1 AS k FROM orders GROUP BY k ORDER BY k") == "GROUP BY 1 ORDER BY 1"
    assert text("SELECT id FROM orders ORDER BY id + 0") == 'ORDER BY "orders"."id" + 0'


def test_the_lowest_integers_are_constants_with_their_sign() -> None:
    query = bind(parse("SELECT -2147483648 AS a, -2147483649 AS b, -(9223372036854775808) AS c, - 5 AS d"), catalog()).query
    assert [type_of(item) for item in query.selects] == ["integer", "bigint", "bigint", "integer"]


@pytest.mark.parametrize(
    ("sql", "written"),
    [
        ("a JOIN b USING (id)", "b.id"),
        ("b JOIN a USING (id)", "b.id"),
        ("a LEFT JOIN b USING (id)", "CAST(a.id AS BIGINT)"),
        ("b NATURAL LEFT JOIN a", "b.id"),
        ("a RIGHT JOIN b USING (id)", "b.id"),
        ("b RIGHT JOIN a USING (id)", "CAST(a.id AS BIGINT)"),
        ("a FULL JOIN b USING (id)", "COALESCE(a.id, b.id)"),
        ("a JOIN a AS c USING (id)", "a.id"),
    ],
)
def test_a_merged_column_is_of_the_common_type(sql: str, written: str) -> None:
    query = bind(parse(f"WITH a AS (SELECT 1::int AS id), b AS (SELECT 2::bigint AS id) SELECT id FROM {sql}"), catalog()).query
    (item,) = query.selects  # type: ignore[attr-defined]
    assert (item.alias, item.this.sql("postgres").replace('"', "")) == ("id", written)
