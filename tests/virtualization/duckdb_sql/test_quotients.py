"""The digits of averages and other quotients against PostgreSQL's own, and the texts that are ordered as they are."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from tests.services.postgresql import PostgresqlServer
from virtualization.duckdb_sql.quotients import NO_PLACES, keys, quotient_text

RANDOM = np.random.default_rng(3)
ROWS = 400


def decimals(scale: int, digits: int, *, zero: bool = True) -> list[Decimal]:
    sizes = RANDOM.integers(0 if zero else 1, digits, ROWS).tolist()
    made = [Decimal(int(RANDOM.integers(-(10**size), 10**size + 1))).scaleb(-scale) for size in sizes]
    return made if zero else [one or Decimal(1).scaleb(-scale) for one in made]


@pytest.mark.parametrize("scale", [0, 1, 2, 4, 5, 9])
@pytest.mark.parametrize("divisor_scale", [0, 3, 6])
def test_quotients_have_postgresqls_digits(scale: int, divisor_scale: int, postgresql: PostgresqlServer) -> None:
    sums, divisors = decimals(scale, 18), decimals(divisor_scale, 10, zero=False)
    arrays = [pa.array(sums, pa.decimal128(38, scale)), pa.array(divisors, pa.decimal128(38, divisor_scale))]
    column = pa.StructArray.from_arrays(arrays, names=["s", "n"])
    with postgresql.connect() as connection:
        text = f"""SELECT q::text, round(q, 2)::text, row_number() OVER (ORDER BY q), dense_rank() OVER (ORDER BY round(q, 2)), i
            FROM (SELECT i, s::numeric(38,{scale}) / n::numeric(38,{divisor_scale}) AS q
                  FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY u(s, n, i)) p ORDER BY i"""
        shown = [[f"{one:f}" for one in side] for side in (sums, divisors)]
        rows = connection.execute(text, shown).fetchall()  # type: ignore[call-overload]
    assert quotient_text(column, None).to_pylist() == [row[0] for row in rows]
    assert quotient_text(column, 2).to_pylist() == [row[1] for row in rows]
    texts = [pa.array(side, pa.string()) for side in shown]
    exact = keys(*texts, pa.array([NO_PLACES] * ROWS)).to_pylist()
    by_rank = [exact[row[4] - 1] for row in sorted(rows, key=lambda row: row[2])]
    assert by_rank == sorted(by_rank)
    rounded = keys(*texts, pa.array([2] * ROWS)).to_pylist()
    ranks = {key: rank for rank, key in enumerate(sorted(set(rounded)), 1)}
    assert [ranks[key] for key in rounded] == [row[3] for row in rows]


def test_null_is_null() -> None:
    column = pa.array([{"s": Decimal(1), "n": Decimal(4)}, None], pa.struct({"s": pa.decimal128(38, 0), "n": pa.decimal128(38, 0)}))
    assert quotient_text(column, None).to_pylist() == ["0.25000000000000000000", None]
    assert keys(pa.array([None, "1"]), pa.array(["1", None]), pa.array([-1, -1])).to_pylist() == [None, None]
