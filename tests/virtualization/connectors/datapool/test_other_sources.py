"""Tables of the data pool beside tables of another source, in one query."""

from __future__ import annotations

import dataclasses

import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.datapool.lab import COMPANY, Lab, columns_of
from virtualization.catalog import Credential, DataSource, MemoryCatalog, VirtualTable

REMOTE = ("customer", "part")


@pytest.fixture(scope="module", params=["hashed", "round"])
def lab(request: pytest.FixtureRequest, every_lab: dict[str, Lab], postgresql: PostgresqlServer) -> Lab:
    """``customer`` and ``part`` lie in a PostgreSQL, all else on the shards."""
    company = every_lab[f"company-{request.param}"]
    login = Credential(postgresql.user, postgresql.password)
    shop = DataSource("shop", "postgresql", f"postgresql://127.0.0.1:{postgresql.port}/datapool_company", {}, login, "shop/1")
    remote = [VirtualTable("public", name, "shop", f"public.{name}", columns_of(COMPANY[name])) for name in REMOTE]
    tables = {**company.catalog.virtual_tables, **{table.key: table for table in remote}}
    return dataclasses.replace(company, catalog=MemoryCatalog({**company.catalog.sources, "shop": shop}, tables))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT c_name, sum(o_total) FROM customer JOIN orders ON c_id = o_customer GROUP BY c_name",
        "SELECT p_brand, count(*), avg(l_price) FROM lineitem JOIN part ON l_part = p_id WHERE l_flag = 'A' GROUP BY 1",
        "SELECT n_name, c_name FROM nation LEFT JOIN customer ON c_nation = n_id",
        "SELECT c_id FROM customer WHERE EXISTS (SELECT 1 FROM orders WHERE o_customer = c_id AND o_total > 1000)",
        "SELECT o_id FROM orders WHERE o_customer IN (SELECT c_id FROM customer WHERE c_balance > 500)",
        "SELECT o_id FROM orders WHERE o_customer NOT IN (SELECT c_id FROM customer WHERE c_id IS NOT NULL)",
        "SELECT x.k, c_name FROM (SELECT o_customer AS k, max(o_date) AS d FROM orders GROUP BY 1) x JOIN customer ON c_id = x.k",
        "SELECT c_id FROM customer UNION SELECT o_customer FROM orders",
        "SELECT l_order, p_name FROM orders JOIN lineitem ON o_id = l_order JOIN part ON p_id = l_part WHERE o_id < 20",
    ],
)
def test_same_answer(lab: Lab, sql: str) -> None:
    assert {fragment.source for fragment in lab.plan(sql).fragments} == {"data_pool", "shop"}
    assert lab.difference(sql) is None, lab.difference(sql)
