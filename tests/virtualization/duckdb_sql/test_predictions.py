"""``predict`` in DuckDB: once a row, never twice, and refused where it would not be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from virtualization.catalog import MemoryCatalog
from virtualization.engine import Engine
from virtualization.errors import DataError, PredictionError, UnsupportedError
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.parse import parse
from virtualization.plan import QueryContext
from virtualization.predictions import Call, Columns, Model, with_models

MODEL = Model("m@v1:y:1", "m@v1", (("a", "double precision"), ("b", "bigint")), "double precision", "it runs here")
ROWS = "(SELECT 1 AS x, 2 AS y UNION ALL SELECT 3, 4 UNION ALL SELECT 5, NULL::integer) AS g"


class Sums:
    """A stand-in for ``Models``: a + b; counts rows."""

    def __init__(self) -> None:
        self.rows = 0

    def model(self, key: str) -> Model | None:
        return MODEL if key == MODEL.key else None

    def call(self, key: str, context: QueryContext) -> Call:
        def called(columns: Columns) -> Any:
            if columns[1].null_count:
                raise DataError("b is NULL")
            self.rows += len(columns[0])
            return pc.add(columns[0].combine_chunks(), columns[1].combine_chunks().cast(pa.float64()))

        return called


class Desk:
    def __init__(self, folder: str) -> None:
        self.models = Sums()
        self.engine = Engine([DuckDbExecutor(1 << 28, folder, 2, self.models)], models=self.models)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        plan = self.engine.plan(with_models(parse(sql), lambda name: MODEL), MemoryCatalog({}, {}))
        result = self.engine.run(plan, QueryContext())
        return [tuple(row.values()) for batch in result for row in batch.to_pylist()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(str(tmp_path_factory.mktemp("spill")))
    yield made
    made.engine.close()


@pytest.mark.parametrize(
    ("sql", "answer", "called"),
    [
        ("SELECT predict('m', 1, 2)", [(3.0,)], 1),
        ("SELECT predict('m', '1.5', 2)", [(3.5,)], 1),
        (f"SELECT x, predict('m', x, y), predict('m', x, y) * 2 FROM {ROWS} WHERE predict('m', x, y) > 4 AND y > 0", [(3, 7.0, 14.0)], 2),
        (f"SELECT avg(predict('m', x, y)) FROM {ROWS} WHERE y IS NOT NULL", [(5.0,)], 2),
        (
            f"SELECT y > 2, sum(predict('m', x, y)) FROM {ROWS} WHERE y > 0 GROUP BY 1 HAVING sum(predict('m', x, y)) > 3 ORDER BY 1",
            [(True, 7.0)],
            2,
        ),
        (f"SELECT sum(p) FROM (SELECT predict('m', x, y) AS p FROM {ROWS} WHERE y > 0) AS q WHERE p > 4", [(7.0,)], 2),
        (f"WITH q AS (SELECT predict('m', x, 1) AS p FROM {ROWS}) SELECT count(*) FROM q AS a JOIN q AS b ON a.p = b.p", [(3,)], 3),
        (f"SELECT round(predict('m', x, 1)) FROM {ROWS} ORDER BY predict('m', x, 1) DESC LIMIT 1", [(6.0,)], 3),
        (f"SELECT coalesce(predict('m', x, 1), 0) FROM {ROWS} WHERE x = 1", [(2.0,)], 1),
        (f"SELECT x, row_number() OVER (ORDER BY predict('m', x, 1) DESC) FROM {ROWS} ORDER BY 1 LIMIT 1", [(1, 3)], 3),
        (f"SELECT count(*) FROM {ROWS} JOIN (SELECT 1 AS k) AS h ON g.x = h.k WHERE predict('m', x, k) > 1", [(1,)], 1),
        (f"SELECT predict('m', g.x, h.x) FROM {ROWS} LEFT JOIN (SELECT 1 AS x, 2 AS z) AS h ON g.x = h.x WHERE h.z = 2", [(2.0,)], 1),
        ("SELECT predict('m', x, 1) FROM (SELECT 1 AS x) AS g WHERE x > 5", [], 0),
        (f"SELECT x FROM {ROWS} WHERE x IN (SELECT k FROM (SELECT 3 AS k) AS h WHERE predict('m', k, 1) > 3)", [(3,)], 1),
        (f"SELECT x FROM {ROWS} WHERE x > 1 AND x NOT IN (SELECT k FROM (SELECT 3 AS k) AS h WHERE predict('m', k, 1) > 3)", [(5,)], 1),
        (f"SELECT x FROM {ROWS} WHERE predict('m', x, 1) > (SELECT max(predict('m', k, 1)) FROM (SELECT 3 AS k) AS h)", [(5,)], 4),
        (
            f"SELECT predict('m', g.x, 1), (SELECT max(k) FROM (SELECT 3 AS k) AS h WHERE h.k = g.x) FROM {ROWS} WHERE g.x > 1 ORDER BY 1",
            [(4.0, 3), (6.0, None)],
            2,
        ),
        (
            f"SELECT x FROM {ROWS} WHERE EXISTS (SELECT 1 FROM (SELECT 3 AS k) AS h WHERE h.k = g.x AND predict('m', h.k, g.x) > 1)",
            [(3,)],
            None,
        ),
        ("SELECT CASE WHEN (SELECT predict('m', 1, 1)) > 1 THEN 'yes' END", [("yes",)], 1),
    ],
)
def test_once_for_each_row_that_reaches_it(desk: Desk, sql: str, answer: list[tuple[object, ...]], called: int | None) -> None:
    desk.models.rows = 0
    assert desk.rows(sql) == answer
    assert called in (desk.models.rows, None)


@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("SELECT predict('m', 1)", PredictionError, "takes 2 inputs, there are 1"),
        ("SELECT predict('m', 'a', 2)", PredictionError, "input a of m@v1 is double precision, this is a constant"),
        ("SELECT predict('m', true, 2)", PredictionError, "this is boolean"),
        ("SELECT predict('m', 1, 2.5)", PredictionError, "input b of m@v1 is bigint"),
        (f"SELECT predict('m', avg(x), 2) FROM {ROWS}", UnsupportedError, "aggregates, windows or other predictions"),
        ("SELECT predict('m', predict('m', 1, 2), 2)", UnsupportedError, "other predictions"),
        (f"SELECT CASE WHEN y > 0 THEN predict('m', x, y) END FROM {ROWS}", UnsupportedError, "CASE"),
        (f"SELECT coalesce(x, predict('m', x, y)) FROM {ROWS}", UnsupportedError, "COALESCE"),
        (f"SELECT 1 FROM {ROWS} LEFT JOIN (SELECT 1 AS k) AS h ON predict('m', x, k) > 1", UnsupportedError, "condition of an outer join"),
        (f"SELECT predict('m', x, y) FROM {ROWS}", DataError, "b is NULL"),
    ],
)
def test_what_is_refused(desk: Desk, sql: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message.replace("(", r"\(")):
        desk.rows(sql)


def test_without_models_it_is_no_function(tmp_path_factory: pytest.TempPathFactory) -> None:
    engine = Engine([DuckDbExecutor(1 << 28, str(tmp_path_factory.mktemp("spill")), 1)])
    with pytest.raises(UnsupportedError, match="predict is not on DuckDB's allow list"):
        engine.plan("SELECT predict('m', 1, 2)", MemoryCatalog({}, {}))
    engine.close()


def test_functions_are_gone_when_the_query_is_over(desk: Desk) -> None:
    desk.rows("SELECT predict('m', 1, 2)")
    executor = desk.engine.executors[0]
    found = executor._connection.execute("SELECT function_name FROM duckdb_functions() WHERE function_name LIKE 'bdc_predict_%'")  # type: ignore[attr-defined]
    assert all(str(name).startswith("bdc_predict_like_") for (name,) in found.fetchall())
