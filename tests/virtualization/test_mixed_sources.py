"""Analysts' queries over two PostgreSQL sources and files in HDFS: types and rows are those of one PostgreSQL that holds it all."""

from __future__ import annotations

import pathlib
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

import virtualization
from tests.services.hdfs import HdfsServer
from tests.services.postgresql import PostgresqlServer, free_port
from tests.virtualization.mixed import Mixed, mixed
from tests.virtualization.verify.checking import check, limits
from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog, VirtualTable
from virtualization.errors import SourceUnreachableError

pytestmark = pytest.mark.service

QUERIES = pathlib.Path(__file__).with_name("mixed_queries.sql")
"""One query a line."""


def queries() -> list[str]:
    return [line for line in QUERIES.read_text().splitlines() if line]


@pytest.fixture(scope="module")
def lab(postgresql: PostgresqlServer, hdfs: HdfsServer) -> Iterator[Mixed]:
    with mixed(postgresql, hdfs) as made:
        yield made
    hdfs.empty()


def test_every_query_answers_as_one_postgresql(lab: Mixed) -> None:
    wrong = [problem for sql in queries() if (problem := lab.difference(sql))]
    assert not wrong, "\n".join(wrong)


def test_random_queries(lab: Mixed) -> None:
    check(virtualization.default_engine(lab.scratch_dsn), lab.catalog, lab.scratch_dsn, limits(secrets.randbelow(10**9), 40))


def forced(lab: Mixed) -> MemoryCatalog:
    """Keys are sent wherever they may be, whatever is expected of it."""
    tables = {key: replace(table, options={**table.options, "pushdown": "forced"}) for key, table in lab.catalog.virtual_tables.items()}
    return replace(lab.catalog, virtual_tables=tables)


def test_keys_arrive_at_the_other_source_in_both_directions(lab: Mixed, postgresql: PostgresqlServer) -> None:
    to_postgresql = "SELECT o_id FROM orders WHERE o_id IN (SELECT l_order FROM lineitem WHERE l_part = 7)"
    to_files = "SELECT count(*) FROM lineitem JOIN supplier ON s_id = l_supplier WHERE s_nation = 3"
    computed = "SELECT o_id FROM orders WHERE o_id IN (SELECT l_order FROM lineitem GROUP BY l_order HAVING count(*) > 4)"
    for sql, taker in ((to_postgresql, "o_id"), (to_files, "l_supplier"), (computed, "o_id")):
        assert lab.difference(sql) is None
        explained = virtualization.explain(sql, forced(lab), scratch_dsn=lab.scratch_dsn, analyze=True)
        assert [line for fragment in explained.fragments for line in fragment.keys if line.startswith(f"{taker} from")], explained.text()
        assert explained.actual is not None and explained.actual.answered.rows == len(lab.plain(sql)[1])
    assert re.search(r"o_id.*= ANY \('\{[0-9,]+\}'::bigint\[\]\)", postgresql.log)


def test_a_source_that_is_down_is_named(lab: Mixed) -> None:
    down = {name: source for name, source in lab.catalog.sources.items()}
    down["erp"] = DataSource("erp", "postgresql", f"postgresql://127.0.0.1:{free_port()}/x", {}, Credential("a", "b"))
    broken = MemoryCatalog(down, lab.catalog.virtual_tables)
    sql = "SELECT c_name, n_name FROM customer JOIN nation ON n_id = c_nation"
    with pytest.raises(SourceUnreachableError, match='"erp"'):
        virtualization.query(sql, broken, scratch_dsn=lab.scratch_dsn)
    assert virtualization.query("SELECT count(*) FROM customer", broken, scratch_dsn=lab.scratch_dsn).num_rows == 1


def test_ordinary_questions_about_files_run_on_duckdb(lab: Mixed) -> None:
    for sql in (
        "SELECT count(*) FROM event WHERE e_value > 2",
        "SELECT count(*) FROM event WHERE e_value > 2::numeric",
        "SELECT e_ok, count(*), avg(e_value), sum(e_value) FROM event WHERE e_kind = 'buy'::text GROUP BY 1",
        "SELECT p_size, count(*), avg(p_retail) FROM part GROUP BY 1",
        "SELECT sum(l_price * (1 - l_discount) * (1 + l_discount)) FROM lineitem WHERE l_shipped > '2024-03-01'::date",
        "SELECT p_retail * 1.19 AS gross FROM part",
    ):
        explained = lab.explain(sql)
        assert explained.executor == "duckdb", explained.text()
        assert explained.refusals == ()
    filtered = lab.explain("SELECT count(*) FROM event WHERE e_value > 2::numeric")
    assert '"e_value" > 2' in filtered.fragments[0].text
    assert "WHERE" not in (filtered.residual or "")


def test_long_lists_and_many_columns_plan_quickly(lab: Mixed) -> None:
    keys = ", ".join(map(str, range(20_000)))
    wide = VirtualTable(
        "public", "wide", "lake", "/mixed/wide", tuple(Column(f"c{n}", "integer") for n in range(500)), {"format": "parquet"}
    )
    catalog = MemoryCatalog(lab.catalog.sources, {**lab.catalog.virtual_tables, wide.key: wide})
    engine = virtualization.default_engine(lab.scratch_dsn)
    for sql in (f"SELECT e_id FROM event WHERE e_customer IN ({keys})", f"SELECT o_id FROM orders WHERE o_customer IN ({keys})",
                "SELECT * FROM wide WHERE c7 = 1", "SELECT a.*, b.* FROM wide a JOIN wide b ON a.c1 = b.c2"):  # fmt: skip
        begin = time.process_time()
        engine.plan(sql, catalog)
        assert time.process_time() - begin < 30, sql[:60]  # below 1 s on an idle machine; what is quadratic takes minutes
