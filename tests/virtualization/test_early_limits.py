"""LIMIT without ORDER BY stops the source: as LIMIT in its text where it takes all below, else by leaving it after enough rows."""

from __future__ import annotations

import psycopg

from tests.virtualization.conftest import Lab, lab_of
from virtualization.plan import QueryContext


def shape(lab: Lab, sql: str) -> tuple[list[str], list[str]]:
    """The fragments' texts with the remote LIMIT or the early end, and the kinds of the fragments."""
    plan = lab.engine.plan(sql, lab.catalog)
    return [text for text in lab.texts(sql) if "LIMIT" in text or "left after" in text], [type(one).__name__ for one in plan.fragments]


def test_the_limit_is_in_the_remote_text(database: psycopg.Connection) -> None:
    lab = lab_of(database, "split")
    sql = "SELECT id FROM orders WHERE amt > 1 LIMIT 3 OFFSET 1"
    assert "LIMIT 3" in shape(lab, sql)[0][0]
    lab = Lab(database, lab.catalog, takes=lambda query: "upper" not in query.sql().lower())
    texts, kinds = shape(lab, "SELECT upper(note) FROM orders WHERE amt > 1 LIMIT 3 OFFSET 1")
    assert "LIMIT 4" in texts[0] and kinds == ["SqlFragment"]
    joined, _ = shape(lab, "SELECT upper(o.note) FROM orders o JOIN customer c ON c.id = o.cust LIMIT 2")
    assert "LIMIT 2" in joined[0]


def test_a_source_that_only_scans_is_left_early(database: psycopg.Connection) -> None:
    lab = lab_of(database, "scan")
    plan = lab.engine.plan("SELECT id, note || 'x' FROM orders WHERE cust = 1 LIMIT 1 OFFSET 1", lab.catalog)
    assert [type(one).__name__ for one in plan.fragments] == ["FirstRows"]
    assert sum(batch.num_rows for batch in plan.fragments[0].open(QueryContext())) == 2
    assert "(left after 2 rows)" in plan.fragments[0].text


def test_where_other_rows_count_nothing_is_left(database: psycopg.Connection) -> None:
    lab = lab_of(database, "inexact")
    for sql in (
        "SELECT id FROM orders WHERE amt > 1 LIMIT 1",  # the filter is applied here
        "SELECT id FROM orders ORDER BY id LIMIT 1",
        "SELECT count(*) FROM orders LIMIT 1",
        "SELECT DISTINCT note FROM orders LIMIT 1",
        "SELECT row_number() OVER () FROM orders LIMIT 1",
        "SELECT generate_series(1, cust) FROM orders LIMIT 1",
        "SELECT a.id FROM orders a JOIN orders b ON a.id = b.cust LIMIT 1",
        "SELECT note FROM orders GROUP BY note LIMIT 1",
    ):
        assert shape(lab, sql)[0] == [], sql


def test_a_fragment_that_is_read_twice_is_read_whole(database: psycopg.Connection) -> None:
    lab = lab_of(database, "scan")
    sql = "SELECT (SELECT count(*) FROM orders) AS n, q.id FROM (SELECT id FROM orders LIMIT 2) q"
    assert len(lab.rows(sql)) == 2
    assert {row[0] for row in lab.rows(sql)} == {"6"}
