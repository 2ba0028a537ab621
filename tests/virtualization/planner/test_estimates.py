"""How many rows are expected, from what is known of columns."""

from __future__ import annotations

import pytest
import sqlglot

from virtualization.catalog import Column, ColumnFacts, VirtualTable
from virtualization.planner.estimates import known_of, query_rows, rows_by_alias

COLUMNS = tuple(Column(name, "integer") for name in "kxdn")
FACTS = {
    "k": ColumnFacts(-1, 0, 4, "1", "1000000"),
    "x": ColumnFacts(100, 0.1, 4, "0", "1000"),
    "d": ColumnFacts(365, 0, 4, "2024-01-01", "2024-12-31"),
}
TABLES = {
    "a": VirtualTable("public", "a", "one", "", COLUMNS, {}, 1e6, facts=FACTS),
    "b": VirtualTable("public", "b", "two", "", COLUMNS, {}, 1e3, facts={"k": ColumnFacts(-1)}),
    "u": VirtualTable("public", "u", "two", "", COLUMNS, {}, 1e4),
}


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 1 FROM public.a AS a WHERE a.x = 7", 9_000),
        ("SELECT 1 FROM public.a AS a WHERE a.x <> 7", 891_000),
        ("SELECT 1 FROM public.a AS a WHERE a.x IN (1, 2, 3)", 27_000),
        ("SELECT 1 FROM public.a AS a WHERE a.x IS NULL", 100_000),
        ("SELECT 1 FROM public.a AS a WHERE NOT a.x IS NULL", 900_000),
        ("SELECT 1 FROM public.a AS a WHERE a.x < 100", 90_000),
        ("SELECT 1 FROM public.a AS a WHERE a.x BETWEEN 100 AND 200", 90_000),
        ("SELECT 1 FROM public.a AS a WHERE a.k >= 100000 AND a.k < 200000", 100_000),
        ("SELECT 1 FROM public.a AS a WHERE a.k > 5000000", 1_000),  # outside of what was seen: a few at least
        ("SELECT 1 FROM public.a AS a WHERE a.d >= CAST('2024-07-01' AS DATE)", 501_000),
        ("SELECT 1 FROM public.u AS u WHERE u.x = 7", 50),  # nothing is known
        ("SELECT 1 FROM public.a AS a JOIN public.b AS b ON a.k = b.k", 1_000),
        ("SELECT 1 FROM public.a AS a JOIN public.b AS b ON a.x = b.k", 1_000_000),
        ("SELECT 1 FROM public.a AS a JOIN public.u AS u ON a.x = u.x", 1_000_000),  # taken for a key of the smaller one
        ("SELECT 1 FROM public.a AS a CROSS JOIN public.b AS b WHERE a.k = b.k AND a.x = b.x", 1_000),
        ("SELECT 1 FROM public.a AS a CROSS JOIN public.b AS b", 1e9),
        ("SELECT a.x FROM public.a AS a GROUP BY a.x", 101),
        ("SELECT a.x, a.d FROM public.a AS a GROUP BY 1, 2", 36_865),
        ("SELECT a.k FROM public.a AS a GROUP BY a.k", 1_000_000),
        ("SELECT a.k FROM public.a AS a WHERE a.x = 7 GROUP BY a.k", 9_000),
        ("SELECT u.x FROM public.u AS u GROUP BY u.x", 1_000),
        ("SELECT count(*) FROM public.a AS a", 1),
        ("SELECT a.x FROM public.a AS a LIMIT 10", 10),
    ],
)
def test_rows(sql: str, rows: float) -> None:
    query = sqlglot.parse_one(sql, dialect="postgres")
    assert query_rows(query, rows_by_alias(query, TABLES), known_of(TABLES)) == pytest.approx(rows, rel=0.01)
