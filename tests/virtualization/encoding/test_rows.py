"""Encoded rows against what a real PostgreSQL sends for the same values, byte for byte."""

from __future__ import annotations

import datetime
import decimal
import struct
from collections.abc import Sequence
from decimal import Decimal

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.encoding.raw import data_rows, loaded
from tests.virtualization.stand_ins import memory_table
from virtualization.encoding import binary_rows, few, rows, text_rows
from virtualization.errors import DataError
from virtualization.types import PgType, pg_type, pg_type_of

RANDOM = np.random.default_rng(7)


def batch_of(**columns: tuple[str, Sequence[object]]) -> pa.RecordBatch:
    return memory_table(columns).combine_chunks().to_batches()[0]


def assert_same(server: PostgresqlServer, batch: pa.RecordBatch, timezone: str = "UTC", binary: bool = True) -> None:
    types = [pg_type_of(field) for field in batch.schema]
    with loaded(server, batch) as table:
        table.execute(f"SET timezone = '{timezone}'")
        expected = table.data_rows(binary=False)
        assert_equal_rows(bytes(text_rows(batch, types, timezone)), expected)
        assert_few_and_many(batch, types, timezone, expected)
        if binary:
            assert_equal_rows(bytes(binary_rows(batch, types, [1], timezone)), table.data_rows(binary=True))


def assert_few_and_many(batch: pa.RecordBatch, types: Sequence[PgType], timezone: str, expected: bytes) -> None:
    """Few rows are encoded one by one, many by columns."""
    times = few.FEW_ROWS // max(1, batch.num_rows) + 1
    assert bytes(text_rows(pa.concat_batches([batch] * times), types, timezone)) == expected * times
    for first in range(0, min(batch.num_rows, 1000), few.FEW_ROWS):
        part = rows.row_block(batch.slice(first, few.FEW_ROWS), types, (), timezone)
        assert bytes(part.data) == data_rows(split(expected)[first : first + few.FEW_ROWS])
        each = [bytes(part.part(at, at + 1)) for at in range(len(part.offsets) - 1)]
        assert each == [data_rows([row]) for row in split(bytes(part.data))]


def assert_equal_rows(ours: bytes, theirs: bytes) -> None:
    if ours != theirs:
        ours_rows, their_rows = split(ours), split(theirs)
        for mine, other in zip(ours_rows, their_rows, strict=False):
            assert mine == other
        assert len(ours_rows) == len(their_rows)


def split(stream: bytes) -> list[list[bytes | None]]:
    out, at = [], 0
    while at < len(stream):
        assert stream[at : at + 1] == b"D"
        length, count = struct.unpack_from(">ih", stream, at + 1)
        fields, place = [], at + 7
        for _ in range(count):
            (size,) = struct.unpack_from(">i", stream, place)
            place += 4
            fields.append(None if size < 0 else stream[place : place + size])
            place += max(size, 0)
        assert place == at + 1 + length
        out.append(fields)
        at = place
    return out


DOUBLES = [
    0.0,
    -0.0,
    1.0,
    -1.5,
    1e20,
    1e-5,
    1e-4,
    0.00012345,
    1e14,
    1e15,
    1e16,
    123456789012345.0,
    12345678901.5,
    -98765432109876.62,
    1e23,
    -1e23,
    8.41e21,
    5e-324,
    2.0**54,
    2.0**53,
    9007199254740993.0,
    1e100,
    1.5e-7,
    -1.25e-5,
    99999.99999,
    9999999999.0,
    1e10,
    1.7976931348623157e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    None,
    2.2250738585072014e-308,
    9.5e-7,
    1e-6,
    999999999999999.9,
    9.999999999999999e14,
]


def test_doubles(postgresql: PostgresqlServer) -> None:
    random = np.frombuffer(RANDOM.bytes(8 * 20_000), "f8")
    short = [float(f"{digits}e{power}") for digits in RANDOM.integers(1, 99_999, 2000) for power in RANDOM.integers(-320, 300, 3)]
    large = [float(f"{digits}e{power}") for digits in RANDOM.integers(1, 99_999, 3000) for power in RANDOM.integers(8, 25, 2)]
    powers = [2.0**power for power in range(-1074, 1024)]
    middle = RANDOM.random(5000) * 10.0 ** RANDOM.integers(-8, 20, 5000)
    everything = [*DOUBLES, *random[~np.isnan(random)].tolist(), *short, *large, *powers, *middle.tolist()]
    assert_same(postgresql, batch_of(v=("double precision", everything)))


def test_singles(postgresql: PostgresqlServer) -> None:
    random = np.frombuffer(RANDOM.bytes(4 * 20_000), "f4")
    powers = (2.0 ** np.arange(-149, 128)).astype("f4")
    middle = (RANDOM.random(5000) * 10.0 ** RANDOM.integers(-8, 20, 5000)).astype("f4")
    short = np.array([float(f"{digits}e{power}") for digits in RANDOM.integers(1, 999, 3000) for power in RANDOM.integers(-9, 30, 3)], "f4")
    everything = np.concatenate([random[~np.isnan(random)], powers, middle, short])
    values = [0.0, -0.0, 1e6, 999999.0, 100000.5, 1e-4, 1e-5, float("nan"), float("inf"), None, *everything.tolist()]
    assert_same(postgresql, batch_of(v=("real", values)))


MOMENTS = [
    0,
    1,
    -1,
    500_000,
    946_684_800_000_000,
    253_402_300_799_999_999,
    253_402_300_800_000_000,
    -62_135_596_800_000_000,
    -62_135_596_800_000_001,
    2**63 - 1,
    -(2**63) + 1,
    None,
    1_700_000_000_123_400,
    4_102_444_800_000_000,
    -2_208_988_800_000_000,
]


def test_dates_and_times(postgresql: PostgresqlServer) -> None:
    days = pa.array(
        [0, 1, -1, None, 2_932_896, 2_932_897, -719_162, -719_163, 2**31 - 1, -(2**31) + 1, 19_782, -2_440_588, 2_145_031_948], pa.int32()
    )
    moments = pa.array(MOMENTS[: len(days)], pa.int64())
    times = pa.array([0, 1, 86_400_000_000, None, 43_200_500_000, *range(8)], pa.int64())
    schema = memory_table({"d": ("date", []), "t": ("timestamp", []), "z": ("timestamptz", []), "h": ("time", [])}).schema
    arrays = [days, moments, moments, times]
    batch = pa.RecordBatch.from_arrays([array.cast(field.type) for array, field in zip(arrays, schema, strict=True)], schema=schema)
    assert_same(postgresql, batch)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_time_zones(postgresql: PostgresqlServer, zone: str) -> None:
    recent = RANDOM.integers(-4_000_000_000_000_000, 12_000_000_000_000_000, 3000)
    near_changes = [1_711_846_800_000_000 + step for step in (-1, 0, 1, 3_600_000_000)]
    moments = pa.array([*MOMENTS, *recent.tolist(), *near_changes], pa.int64())
    schema = memory_table({"z": ("timestamptz", [])}).schema
    assert_same(postgresql, pa.RecordBatch.from_arrays([moments.cast(schema.field(0).type)], schema=schema), zone)


@pytest.mark.parametrize(("precision", "scale"), [(12, 2), (18, 0), (5, 5), (38, 0), (38, 10), (38, 38), (20, 9), (7, 7), (1, 0), (37, 3)])
def test_decimals(postgresql: PostgresqlServer, precision: int, scale: int) -> None:
    top = 10**precision - 1
    whole = [
        0,
        1,
        -1,
        9,
        10,
        -10,
        9999,
        10_000,
        10_001,
        top,
        -top,
        top // 3,
        10 ** (precision - 1),
        *(10**power for power in range(precision)),
    ]
    whole += [int(RANDOM.integers(0, 2**62)) * int(RANDOM.integers(0, 2**62)) % top * int(RANDOM.choice([-1, 1])) for _ in range(500)]
    with decimal.localcontext(prec=50):
        values = [None, *(Decimal(number).scaleb(-scale) for number in whole if abs(number) <= top and len(str(abs(number))) <= precision)]
        assert_same(postgresql, batch_of(n=(f"numeric({precision},{scale})", values)))


UNCONSTRAINED = [
    "0",
    "1",
    "-1",
    "0.00",
    "1.50",
    "12345678901234567890123456789012345678901234567890.123",
    "0.00000001",
    "NaN",
    "Infinity",
    "-Infinity",
    None,
    "10000",
    "100000000",
    "-0.0001",
    "9999.9999",
]


def test_types_carried_as_text(postgresql: PostgresqlServer) -> None:
    size = len(UNCONSTRAINED)
    assert_same(
        postgresql,
        batch_of(
            n=("numeric", UNCONSTRAINED),
            u=("uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None] + ["00000000-0000-0000-0000-00000000000f"] * (size - 2)),
            j=("json", ['{"a": 1}', None] + ["[]"] * (size - 2)),
            b=("jsonb", ['{"a": 1}', None] + ["[]"] * (size - 2)),
        ),
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.integers(-(2**31), 2**31 - 1),
            st.none() | st.integers(-(2**15), 2**15 - 1),
            st.none() | st.booleans(),
            st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
            st.none() | st.binary(),
            st.none() | st.floats(allow_nan=False),
            st.none() | st.floats(width=32, allow_nan=False),
            st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**13), max_value=10**13),
            st.none() | st.dates(),
            st.none() | st.datetimes(),
            st.none() | st.datetimes(timezones=st.just(datetime.UTC)),
            st.none() | st.times(),
        ),
        min_size=1,
    ),
    st.data(),
)
def test_any_rows(postgresql: PostgresqlServer, table: list[tuple[object, ...]], data: st.DataObject) -> None:
    types = [
        "bigint",
        "integer",
        "smallint",
        "boolean",
        "text",
        "bytea",
        "double precision",
        "real",
        "numeric(20,4)",
        "date",
        "timestamp",
        "timestamptz",
        "time",
    ]
    columns = {f"c{at}": (of, list(values)) for at, (of, values) in enumerate(zip(types, zip(*table, strict=True), strict=True))}
    batch = batch_of(**columns)
    start = data.draw(st.integers(0, len(table) - 1))
    part = batch.slice(start, data.draw(st.integers(1, len(table) - start)))
    assert_same(postgresql, part)


def test_formats_are_mixed_per_column() -> None:
    batch = batch_of(a=("integer", [7]), b=("integer", [7]), c=("interval", ["1 day"]))
    types = [pg_type_of(field) for field in batch.schema]
    assert bytes(binary_rows(batch, types, [0, 1, 1])) == data_rows([[b"7", struct.pack(">i", 7), b"1 day"]])
    assert bytes(binary_rows(batch, types, [])) == bytes(text_rows(batch, types))
    assert rows.column_formats(types, [1]) == (1, 1, 0)


def test_no_rows_and_no_columns() -> None:
    empty = batch_of(a=("integer", [7])).slice(0, 0)
    assert text_rows(empty, [pg_type("integer")]) == b""
    nothing = pa.RecordBatch.from_struct_array(pa.array([{}] * 2, pa.struct([])))
    assert bytes(text_rows(nothing, [])) == data_rows([[], []])


def test_large_batches_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of(a=("text", ["x" * size for size in range(300)]), b=("bytea", [b"y" * size for size in range(300)]))
    types = [pg_type_of(field) for field in batch.schema]
    whole = bytes(text_rows(batch, types))
    monkeypatch.setattr(rows, "MAX_BLOCK", 5000)
    assert bytes(text_rows(batch, types)) == whole


def test_a_narrower_arrow_type_is_widened_and_a_wrong_one_refused() -> None:
    batch = pa.record_batch({"a": pa.array([1], pa.int32())})
    assert bytes(text_rows(batch, [pg_type("bigint")])) == data_rows([[b"1"]])
    with pytest.raises(DataError, match="smallint"):
        text_rows(pa.record_batch({"a": pa.array([100_000], pa.int32())}), [pg_type("smallint")])


@pytest.mark.parametrize(("of", "value"), [("date", -2_440_589), ("timestamp", -210_866_803_200_000_001), ("time", 86_400_000_001)])
def test_values_outside_postgresqls_range_are_refused(of: str, value: int) -> None:
    numbers = pa.array([value], pa.int32() if of == "date" else pa.int64())
    with pytest.raises(DataError, match="range"):
        text_rows(pa.record_batch({"a": numbers.cast(pg_type(of).arrow)}), [pg_type(of)])


def test_an_unknown_time_zone_is_named() -> None:
    batch = batch_of(z=("timestamptz", [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)]))
    with pytest.raises(DataError, match="Mars/Base"):
        text_rows(batch, [pg_type("timestamptz")], "Mars/Base")


@pytest.mark.parametrize("values", [["ab", "cd", "ef"], ["ab", "c", None], ["", "", ""], ["x" * 41] * 3, [None, None, None]])
def test_values_of_one_length(values: list[str | None]) -> None:
    """However a column lies in the rows: alone, between others, from the middle of a batch."""
    codes = pa.array(["zz", *values], pa.string())
    numbers = pa.array([0, 1, 22, 333], pa.int64())
    batch = pa.record_batch([codes, numbers, codes], ["a", "b", "c"]).slice(1)
    expected = b""
    for value, number in zip(values, ("1", "22", "333"), strict=True):
        body = b"".join(b"\xff" * 4 if v is None else struct.pack(">i", len(v)) + v.encode() for v in (value, number, value))
        expected += b"D" + struct.pack(">ih", 6 + len(body), 3) + body
    types = [pg_type("text"), pg_type("bigint"), pg_type("text")]
    assert bytes(text_rows(batch, types)) == expected
