"""CSV: date formats, encodings, what is wrong with a file, and folders whose files differ."""

from __future__ import annotations

import datetime
import gzip
import io
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.virtualization.connectors.conformance import read
from tests.virtualization.connectors.hdfs.local import Lake
from tests.virtualization.connectors.hdfs.rows import detected, fragment, rows, table
from virtualization.errors import DataError, DefinitionError, RemoteObjectError, VirtualizationError

DAY = datetime.date(2024, 2, 1)


@pytest.mark.parametrize(
    ("date_format", "text"),
    [
        ("%d.%m.%Y", "01.02.2024"),
        ("dd.MM.yyyy", "01.02.2024"),
        ("d/M/yyyy", "1/2/2024"),
        ("yyyyMMdd", "20240201"),
        ("dd-MMM-yy", "01-Feb-24"),
        ("yyyy-MM-ddTHH:mm", "2024-02-01T00:00"),
    ],
)
def test_date_formats_in_both_spellings(lake: Lake, date_format: str, text: str) -> None:
    lake.write("/d.csv", f"d\n{text}\n")
    assert rows(lake, table("/d.csv", "d date", DATE_FORMAT=date_format)) == [(DAY,)]
    lake.write("/d.csv", "d\n2024-02-30x\n")
    with pytest.raises(DataError, match=r'column "d" \(date\) in /d\.csv, line 2'):
        rows(lake, table("/d.csv", "d date", date_format=date_format))


def test_timestamp_format(lake: Lake) -> None:
    lake.write("/t.csv", "t\n01.02.2024 13:14:15.123\n")
    of = table("/t.csv", "t timestamp without time zone", timestamp_format="dd.MM.yyyy HH:mm:ss.fff")
    assert rows(lake, of) == [(datetime.datetime(2024, 2, 1, 13, 14, 15, 123000),)]


@pytest.mark.parametrize("date_format", ["yyyy-QQ-dd", "-", "yyyyy"])
def test_unknown_date_format(lake: Lake, date_format: str) -> None:
    with pytest.raises(DefinitionError, match="date_format"):
        rows(lake, table("/t.csv", "t date", date_format=date_format))


@pytest.mark.parametrize(("encoding", "codec"), [("utf-16", "utf-16"), ("latin-1", "latin-1"), ("utf-8", "utf-8-sig")])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings(lake: Lake, encoding: str, codec: str, packed: bool) -> None:
    data = "id,s\r\n1,é ü\r\n".encode(codec)
    path = lake.write("/e.csv" + (".gz" if packed else ""), gzip.compress(data) if packed else data)
    assert rows(lake, table(path, "id bigint; s text", encoding=encoding)) == [(1, "é ü")]


def test_arrays_and_json_as_texts(lake: Lake) -> None:
    lake.write("/a.csv", 'a,j\n"{1,NULL}","{""k"": 1.50}"\n')
    of = table("/a.csv", "a integer[]; j jsonb")
    assert rows(lake, of) == [("{1,NULL}", '{"k": 1.50}')]
    lake.write("/a.csv", "a,j\n1,2\n")
    with pytest.raises(DataError, match='column "a"'):
        rows(lake, of)


LONG = "x" * 40_000
BROKEN = {
    "cut.csv.gz": gzip.compress(("id\n" + "1\n" * 50_000 + LONG).encode())[:-20],
    "cut.csv.zst": pa.compress(("id\n" + "1\n" * 50_000 + LONG).encode(), "zstd", asbytes=True)[:-20],
    "none.csv.gz": b"id\n1\n",
    "binary.csv": b"id\n\xff\xfe\x00\n",
    "quote.csv": b'id\n"1\n2\n',
}


@pytest.mark.parametrize("name", list(BROKEN))
def test_broken_file_is_named(lake: Lake, name: str) -> None:
    lake.write(f"/b/{name}", BROKEN[name])
    with pytest.raises(VirtualizationError) as caught:
        rows(lake, table("/b", "id bigint", format="csv"))
    assert f"/b/{name}" in caught.value.message, caught.value.message


def test_nothing_to_read(lake: Lake) -> None:
    (lake.folder / "empty").mkdir()
    assert rows(lake, table("/empty", "id bigint", format="csv")) == []
    lake.write("/zero/a.csv", "")
    lake.write("/zero/_SUCCESS", "x")
    lake.write("/zero/.crc/b.csv", "x")
    assert rows(lake, table("/zero", "id bigint", format="csv")) == []
    with pytest.raises(RemoteObjectError, match="no file with content"):
        detected(lake, "/zero")


def test_file_removed_between_listing_and_reading(lake: Lake) -> None:
    path = lake.write("/r/a.csv", "id\n1\n")
    of = fragment(lake, table("/r", "id bigint", format="csv"))
    list(of.reader.layouts.of(of.files(), of.shape))
    listed = of.reader.client.files("/r")
    (lake.folder / path.lstrip("/")).unlink()
    of.reader.client.files = lambda _location: listed  # type: ignore[method-assign]
    with pytest.raises(RemoteObjectError, match=r"/r/a\.csv does not exist"):
        read(of)


def test_files_that_differ(lake: Lake) -> None:
    lake.write("/m/1.csv", "id,old\n1,x\n")
    lake.write("/m/2.csv", "new,id\n2.5,2\n")
    of = table("/m", "id bigint; old text; new numeric(5,1)", format="csv")
    assert sorted((row[0], row[1], str(row[2])) for row in rows(lake, of)) == [(1, "x", "None"), (2, None, "2.5")]
    with pytest.raises(RemoteObjectError, match=r'no file of /m has a column "typo"') as caught:
        rows(lake, table("/m", "id bigint; typo text", format="csv"))
    assert caught.value.hint is not None and "id, old" in caught.value.hint


def test_a_column_of_other_folders_only(lake: Lake) -> None:
    """Pruned files answer for the column: what is asked never decides whether it exists."""
    for year, extra in ((2023, {}), (2024, {"extra": ["x"]})):
        out = io.BytesIO()
        pq.write_table(pa.table({"id": [year], **extra}), out)
        lake.write(f"/p/year={year}/a.parquet", out.getvalue())
    of = table("/p", "id bigint; extra text; year integer", format="parquet", partitions="year")
    assert rows(lake, of, '"year" = 2023') == [(2023, None, 2023)]
    assert rows(lake, of, '"id" = 2023', columns=["extra"]) == [(None,)]


def test_types_that_conflict(lake: Lake) -> None:
    for name, values in (("a", [1]), ("b", ["x"])):
        out = io.BytesIO()
        pq.write_table(pa.table({"id": values}), out)
        lake.write(f"/c/{name}.parquet", out.getvalue())
    with pytest.raises(RemoteObjectError, match=r'/c/b\.parquet: column "id" is string, which is not read as the declared bigint'):
        rows(lake, table("/c", "id bigint", format="parquet"))


@pytest.mark.parametrize("path", ["/long.csv", "/long.json"])
def test_a_value_too_long_for_a_line(lake: Lake, path: str) -> None:
    value = "x" * 5_000_000
    lake.write(path, f'id\n"{value}"\n' if path.endswith("csv") else f'{{"id": "{value}"}}\n')
    with pytest.raises(VirtualizationError, match=rf"{path}.*[Mm]aximum line size"):
        rows(lake, table(path, "id text"))


@pytest.mark.full
def test_a_gigabyte_in_one_value(lake: Lake, tmp_path: pathlib.Path) -> None:
    """Refused within the memory of the query, whoever reads."""
    import duckdb

    values = pa.table({"s": pa.array(["x" * (1 << 30)], pa.large_string())})
    pq.write_table(values, tmp_path / "big.parquet", compression="zstd", write_statistics=False)
    of = fragment(lake, table("/big.parquet", "s text"))
    with duckdb.connect(config={"memory_limit": "256MB"}) as connection:
        of.prepare_duckdb(connection)
        with pytest.raises(duckdb.Error) as caught:
            connection.sql(f"SELECT length(s) FROM ({of.duckdb_sql()})").fetchall()
    assert "emory" in str(caught.value)
