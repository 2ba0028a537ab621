"""The digits of averages against PostgreSQL's own."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from tests.services.postgresql import PostgresqlServer
from virtualization.executors.duckdb.averages import average_text

RANDOM = np.random.default_rng(3)


@pytest.mark.parametrize("scale", [0, 1, 2, 4, 5, 9])
def test_quotients_have_postgresqls_digits(scale: int, postgresql: PostgresqlServer) -> None:
    sizes = RANDOM.integers(0, 18, 400)
    sums = [Decimal(int(RANDOM.integers(-(10**size), 10**size + 1))).scaleb(-scale) for size in sizes.tolist()]
    counts = [int(RANDOM.integers(1, 10**power)) for power in RANDOM.integers(1, 10, 400).tolist()]
    column = pa.StructArray.from_arrays(
        [pa.array([*sums, None], pa.decimal128(38, scale)), pa.array([*counts, 0], pa.int64())], names=["s", "n"]
    )
    with postgresql.connect() as connection:
        text = f"SELECT (s::numeric(38,{scale}) / n::numeric)::text FROM unnest(%s::text[], %s::bigint[]) u(s, n)"
        rows = connection.execute(text, ([str(total) for total in sums], counts)).fetchall()  # type: ignore[call-overload]
    assert average_text(column, scale).to_pylist() == [*(row[0] for row in rows), None]
