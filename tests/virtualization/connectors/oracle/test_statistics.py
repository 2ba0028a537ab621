"""What the optimizer of the source knows of columns, taken over when a table is made or refreshed."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.services.oracle import StandIn, encodings
from virtualization.catalog import Column
from virtualization.connectors.oracle import OracleConnector
from virtualization.connectors.oracle.column_statistics import column_statistics, moment, number


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=6))
def test_numbers_are_read_as_they_are_stored(value: Decimal) -> None:
    assert number(encodings.number(str(value))) == value


@given(st.datetimes(min_value=datetime.datetime(1, 1, 1)))
def test_moments_are_read_as_they_are_stored(value: datetime.datetime) -> None:
    assert moment(encodings.timestamp(value)) == value
    assert moment(encodings.date(value)) == value.replace(microsecond=0)


def test_by_type() -> None:
    told = [
        {"column_name": name, "num_distinct": 10, "num_nulls": 25, "avg_col_len": 4, "low": low.hex(), "high": high.hex()}
        for name, low, high in (
            ("N", encodings.number("1"), encodings.number("101")),
            ("P", encodings.number("0.5"), encodings.number("2")),
            ("D", encodings.date(datetime.datetime(2024, 1, 1)), encodings.date(datetime.datetime(2024, 4, 10))),
            ("T", b"a", b"z"),
            ("L", b"a" * 32, b"b" * 32),
            ("X", b"\xff", b"\xff"),
            ("ONE", encodings.number("7"), encodings.number("7")),
        )
    ]
    types = {
        "n": "integer",
        "p": "numeric(8,2)",
        "d": "timestamp without time zone",
        "t": "text",
        "l": "text",
        "x": "text",
        "one": "bigint",
    }
    columns = [Column(name, of, True, name.upper()) for name, of in types.items()]
    found = column_statistics(told, columns, 100.0)
    assert set(found) == {"n", "p", "d", "t", "one"}, "nothing certain is known of bounds that may be cut off, or are no UTF-8"
    assert (found["n"].null_frac, found["n"].avg_width, found["n"].n_distinct) == (0.25, 4, 10.0)
    bounds = (found["n"].histogram_bounds or "").strip("{}").split(",")
    assert (bounds[0], bounds[-1], len(bounds)) == ('"1"', '"101"', 101)
    assert (found["p"].histogram_bounds or "").startswith('{"0.50","0.51"')
    assert (found["d"].histogram_bounds or "").startswith('{"2024-01-01 00:00:00","2024-01-02 00:00:00"')
    assert (found["t"].histogram_bounds, found["one"].most_common_vals) == ('{"a","z"}', '{"7"}')
    assert column_statistics(told, columns, None) == {} == column_statistics([], columns, 100.0)


@pytest.mark.service
def test_they_come_with_the_detected_columns(stand_in: StandIn) -> None:
    stand_in.database.create("KNOWN", [("ID", "NUMBER(9,0)"), ("NOTE", "VARCHAR2(20)")], [(n, None) for n in range(1, 101)])
    low, high = (encodings.number(text).hex() for text in ("1", "100"))
    stand_in.database.change(
        f"INSERT INTO all_tab_col_statistics VALUES ('SHOP', 'KNOWN', 'ID', 100, '\\x{low}', '\\x{high}', 0, 3), "
        "('SHOP', 'KNOWN', 'NOTE', 0, NULL, NULL, 100, 0)"
    )
    connector = OracleConnector(stand_in.source())
    try:
        found = connector.detect("SHOP.KNOWN", {})
        assert found.rows == 100 and set(found.statistics) == {"id"}
        assert found.statistics["id"].n_distinct == -1.0 and (found.statistics["id"].histogram_bounds or "").endswith('"100"}')
    finally:
        connector.close()
