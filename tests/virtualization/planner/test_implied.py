"""Equalities that follow from others join tables of one source there."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from virtualization.binding.datatypes import data_type
from virtualization.catalog import VirtualTable
from virtualization.planner.implied import implied
from virtualization.planner.properties import conjuncts

TYPES = {"k": "integer", "j": "bigint", "t": "text", "f": "double precision"}


def table(name: str, rows: float | None) -> VirtualTable:
    return VirtualTable("public", name, "shop", f"public.{name}", (), {}, rows)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("c.k = s.k AND s.k = n.k", ["c.k = n.k"]),
        ("c.k = s.j AND s.j = n.k", ["c.k = n.k"]),
        ("c.t = s.t AND s.t = n.t AND c.k = n.k", []),  # joined already
        ("c.f = s.f AND s.f = n.f", []),  # NaN and -0
        ("c.k = s.k AND s.j = n.k", []),
        ("c.k = s.k AND s.k > n.k", []),
        ("c.k = s.k AND s.k = o.k", []),  # two big tables: their join may have more rows than both
    ],
)
def test_what_follows(condition: str, expected: list[str]) -> None:
    where = sqlglot.parse_one(f"SELECT 1 WHERE {condition}", dialect="postgres").args["where"].this
    for column in where.find_all(exp.Column):
        column.type = data_type(TYPES[column.name])
    tables = {"c": table("customer", 1e6), "n": table("nation", 25), "o": table("orders", 1e6)}
    assert [one.sql("postgres") for one in implied(conjuncts(where), tables)] == expected


def test_nothing_follows_where_sizes_are_not_known() -> None:
    where = sqlglot.parse_one("SELECT 1 WHERE c.k = s.k AND s.k = n.k", dialect="postgres").args["where"].this
    for column in where.find_all(exp.Column):
        column.type = data_type("integer")
    assert implied(conjuncts(where), {"c": table("customer", None), "n": table("nation", None)}) == []
