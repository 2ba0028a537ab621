"""What goes to the source and what stays: for the texts that stock postgres_fdw ships, and for whole queries."""

from __future__ import annotations

import psycopg
import pytest
from sqlglot import exp

from tests.virtualization.conftest import Lab, catalog, lab_of

# What postgres_fdw 18 ships (its own spelling); each must reach a source that takes everything as one fragment.
SHIPPED = """
SELECT id FROM public.orders WHERE ((id = 5)) AND ((cust = ANY ('{1,2,3}'::integer[])))
SELECT id FROM public.orders WHERE ((d >= '2024-03-01'))
SELECT id FROM public.customer WHERE ((name ~~ 'name_1%'))
SELECT id FROM public.customer WHERE ((name ~~* 'NAME_1%'))
SELECT id FROM public.customer WHERE ((name ~ '^name_1.$'))
SELECT name FROM public.customer WHERE ((regexp_replace(name, '_'::text, '-'::text) = 'a'::text))
SELECT id FROM public.customer WHERE ((lower(name) = 'name_1'::text))
SELECT id FROM public.customer WHERE (((name || region) = 'name_1r1'::text))
SELECT id FROM public.orders WHERE ((CASE WHEN (cust > 5) THEN true ELSE false END))
SELECT id FROM public.orders WHERE ((cust IS DISTINCT FROM 5))
SELECT id FROM public.orders WHERE (((d + '1 day'::interval) > '2025-12-31 00:00:00'::timestamp without time zone))
SELECT cust, sum(amt), avg(amt), count(*) FROM public.orders GROUP BY 1
SELECT cust, count(*) FROM public.orders GROUP BY 1 HAVING ((count(*) > 5))
SELECT cust, count(DISTINCT d) FROM public.orders GROUP BY 1
SELECT cust, count(*) FILTER (WHERE (amt > 50::numeric)) FROM public.orders GROUP BY 1
SELECT cust, string_agg(note, ','::text ORDER BY note ASC NULLS LAST) FROM public.orders WHERE ((id < 100)) GROUP BY 1
SELECT cust, percentile_cont(0.5::double precision) WITHIN GROUP (ORDER BY id ASC NULLS LAST) FROM public.orders GROUP BY 1
SELECT sum((CASE WHEN (amt > 50::numeric) THEN 1 ELSE 0 END)) FROM public.orders
SELECT note FROM public.orders WHERE ((note IS NOT NULL)) ORDER BY note ASC NULLS LAST
SELECT cust, bool_or((amt > 5::numeric)) FROM public.orders GROUP BY 1
SELECT note FROM public.orders GROUP BY 1
SELECT id, amt FROM public.orders ORDER BY amt DESC NULLS FIRST LIMIT 10::bigint
SELECT id, amt FROM public.orders ORDER BY amt DESC NULLS LAST LIMIT 10::bigint
SELECT cust, sum(amt) FROM public.orders GROUP BY 1 ORDER BY sum(amt) DESC NULLS FIRST LIMIT 10::bigint
SELECT id FROM public.orders ORDER BY id ASC NULLS LAST LIMIT 10::bigint OFFSET 100::bigint
SELECT r1.id, r2.name FROM (public.orders r1 INNER JOIN public.customer r2 ON (((r1.cust = r2.id)) AND ((r2.region = 'r1'::text))))
SELECT r1.id, r2.name FROM (public.orders r1 LEFT JOIN public.customer r2 ON (((r1.cust = r2.id))))
SELECT r4.id FROM public.customer r4 WHERE EXISTS (SELECT NULL FROM public.orders r5 WHERE ((r4.id = r5.cust)) AND ((r5.amt > 9::numeric)))
SELECT s5.c1, r1.name FROM (public.customer r1 INNER JOIN (SELECT cust, sum(amt) FROM public.orders GROUP BY 1) s5(c1, c2) ON (TRUE))
SELECT NULL FROM public.orders
SELECT NULL::text, id FROM public.orders
"""


@pytest.mark.parametrize("sql", SHIPPED.strip().splitlines())
def test_what_postgres_fdw_ships_goes_on_as_one_statement(database: psycopg.Connection, sql: str) -> None:
    lab = lab_of(database, "full")
    plan = lab.engine.plan(sql, lab.catalog)
    assert plan.residual is None
    assert len(plan.fragments) == 1
    assert plan.executor is None
    assert sorted(lab.rows(sql), key=repr) == sorted(lab.plain(sql), key=repr)


@pytest.fixture
def split(database: psycopg.Connection) -> Lab:
    return lab_of(database, "split")


def test_tables_of_one_source_are_joined_there(split: Lab) -> None:
    texts = split.texts(
        "SELECT o.id, c.name, v.n FROM visits v JOIN orders o ON v.cust = o.cust JOIN customer c ON c.id = o.cust "
        "WHERE o.amt > 1 AND v.page = 'x' AND c.name IN (SELECT region FROM customer)"
    )
    assert len(texts) == 2
    joined = next(text for text in texts if "customer" in text)
    assert '"o"."amt" > 1' in joined
    assert "IN (SELECT" in joined
    assert "\"page\" = 'x'" in next(text for text in texts if "visits" in text)


def test_no_cross_product_is_pushed(split: Lab) -> None:
    assert len(split.texts("SELECT 1 FROM visits v, orders o, customer c WHERE v.id = o.id AND v.cust = c.id")) == 3


def test_filters_stay_above_the_null_side_of_an_outer_join(split: Lab) -> None:
    sql = "SELECT o.id FROM orders o LEFT JOIN visits v ON v.cust = o.cust WHERE v.n IS NULL AND o.id > 1"
    texts = split.texts(sql)
    assert not any("n IS NULL" in text or '"n" IS NULL' in text for text in texts)
    assert any('"id" > 1' in text for text in texts)
    assert '"v"."n" IS NULL' in (split.residual(sql) or "")


def test_conditions_of_on_reach_only_the_null_side(split: Lab) -> None:
    texts = split.texts("SELECT o.id FROM orders o LEFT JOIN visits v ON v.cust = o.cust AND v.n > 3 AND o.id > 1")
    assert any('"n" > 3' in text for text in texts)
    assert not any('"id" > 1' in text for text in texts)


def test_nothing_moves_through_a_full_join(split: Lab) -> None:
    texts = split.texts("SELECT o.id FROM orders o FULL JOIN visits v ON v.cust = o.cust WHERE o.id > 1 AND v.n > 3")
    assert not any(">" in text for text in texts)


def test_only_columns_that_are_read(split: Lab) -> None:
    assert split.texts("SELECT o.id FROM orders o JOIN visits v ON v.n = o.id WHERE o.cust = 3") == [
        'SELECT "id" FROM "public"."orders" WHERE ("cust" = 3)',
        'SELECT "n" FROM "public"."visits"',
    ]


def test_inexact_predicates_are_checked_above_and_no_limit_below(database: psycopg.Connection) -> None:
    lab = Lab(database, catalog(), takes=lambda q: False, applies=lambda p: False)
    sql = "SELECT id FROM orders WHERE cust = 1 LIMIT 1"
    assert lab.texts(sql) == ['SELECT "id", "cust" FROM "public"."orders"']
    assert '"cust" = 1' in (lab.residual(sql) or "")
    assert "LIMIT 1" in (lab.residual(sql) or "")


def test_repeated_reading_is_one_fragment(split: Lab) -> None:
    assert (
        len(split.texts("WITH t AS (SELECT cust, sum(n) AS s FROM visits GROUP BY cust) SELECT * FROM t a JOIN t b USING (cust), orders"))
        == 2
    )
    assert len(lab_of(split.connection, "scan").texts("SELECT a.id FROM orders a JOIN orders b ON a.id = b.id")) == 1


def test_each_arm_of_a_set_operation_goes_to_its_source(split: Lab) -> None:
    texts = split.texts("SELECT cust FROM orders WHERE id > 2 UNION SELECT cust FROM visits WHERE n > 5")
    assert ["WHERE" in text for text in texts] == [True, True]


def test_groups_go_even_where_their_order_does_not(database: psycopg.Connection) -> None:
    lab = Lab(database, catalog(), takes=lambda q: not q.find(exp.Order))
    sql = "SELECT note, count(*) AS k FROM orders GROUP BY note ORDER BY note, k LIMIT 2"
    assert "GROUP BY" in lab.texts(sql)[0]
    assert (lab.residual(sql) or "").endswith("ORDER BY 1, 2 LIMIT 2")
    assert lab.rows(sql) == lab.plain(sql)


@pytest.mark.parametrize("call", ["now()", "current_date", "random()", "current_user", "clock_timestamp()", "nextval('s')"])
def test_values_of_this_side_stay_here(split: Lab, call: str) -> None:
    sql = f"SELECT id FROM orders WHERE id = 1 AND {call} IS NOT NULL"
    assert split.texts(sql) == ['SELECT "id" FROM "public"."orders" WHERE ("id" = 1)']
    assert any(kept.code == "session_function" for kept in split.engine.plan(sql, split.catalog).kept)


def test_pushdown_can_be_switched_off(database: psycopg.Connection) -> None:
    lab = lab_of(database, "off")
    sql = "SELECT id FROM orders WHERE id = 1"
    plan = lab.engine.plan(sql, lab.catalog)
    assert lab.texts(sql) == ['SELECT "id" FROM "public"."orders"']
    assert '"orders"."id" = 1' in (lab.residual(sql) or "")
    assert [kept.code for kept in plan.kept] == ["switched_off", "switched_off"]
    assert all(kept.fix for kept in plan.kept)


def test_a_query_without_tables_goes_to_an_executor(split: Lab) -> None:
    plan = split.engine.plan("SELECT 1 AS one", split.catalog)
    assert plan.fragments == ()
    assert plan.executor == "stand-in"


def test_untyped_literals_take_their_type_from_the_other_arm(split: Lab) -> None:
    sql = "SELECT d FROM orders UNION ALL SELECT '2020-01-01' FROM visits"
    assert any(kept.code == "untyped_literal" for kept in split.engine.plan(sql, split.catalog).kept)
    assert sorted(split.rows(sql), key=repr) == sorted(split.plain(sql), key=repr)
