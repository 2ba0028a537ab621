"""Delta tables. The one in ``data/sales`` was written by deltalake: 7 versions, a checkpoint, deletes, a column added later."""

from __future__ import annotations

import datetime
import io
import json
import pathlib
import shutil
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.virtualization.connectors.hdfs.local import Lake
from tests.virtualization.connectors.hdfs.rows import detected, fragment, rows, table
from virtualization.errors import DataError, RemoteObjectError, UnsupportedError

DATA = pathlib.Path(__file__).parent / "data" / "sales"


@pytest.fixture
def sales(lake: Lake) -> Lake:
    shutil.copytree(DATA, lake.folder / "sales")
    return lake


def test_newest_version(sales: Lake) -> None:
    found = detected(sales, "/sales")
    assert [(c.name, c.type) for c in found.columns] == [
        ("id", "bigint"),
        ("price", "numeric(12,2)"),
        ("day", "date"),
        ("at", "timestamp without time zone"),
        ("note", "text"),
        ("region", "text"),
        ("extra", "text[]"),
    ]
    assert found.options == {"format": "delta", "partitions": "region"} and found.rows == 39
    assert sorted(row[0] for row in rows(sales, found)) == [*range(5), *range(6, 10), *range(20, 50)]
    assert rows(sales, found, '"id" = 31') == [
        (31, Decimal("7.75"), datetime.date(2024, 3, 31), datetime.datetime(2024, 3, 1, 19, 0, 0, 123456), "note 31", "a b", "{x}")
    ]
    assert rows(sales, found, '"id" = 1', columns=["extra"]) == [(None,)]


@pytest.mark.parametrize(("version", "count"), [(0, 10), (1, 20), (2, 30), (3, 29), (4, 39), (5, 49), (6, 39)])
def test_each_version(sales: Lake, version: int, count: int) -> None:
    assert len(rows(sales, detected(sales, "/sales", version=str(version)), columns=["id"])) == count


def test_files_are_skipped_before_they_are_opened(sales: Lake) -> None:
    of = detected(sales, "/sales")
    for predicate, ids in [
        ("\"region\" = 'c'", list(range(40, 50))),
        ('"region" IS NULL', list(range(20, 30))),
        ('"id" = 44', [44]),
        ('"id" BETWEEN 27 AND 28', [27, 28]),
        ("\"at\" > '2024-03-02 13:00:00.123455'", [49]),
        ('"price" >= 12.25', [49]),
        ("\"day\" IN ('2024-04-18')", [49]),
        ("\"note\" > 'note 48'", [7, 9, 49]),
    ]:
        sales.native.opened.clear()
        assert sorted(row[0] for row in rows(sales, of, predicate, columns=["id"])) == sorted(ids)
        opened = {path for path in sales.native.opened if path.endswith(".parquet") and "_delta_log" not in path}
        assert len(opened) <= (1 if "note" not in predicate else 2), predicate


def test_what_is_wrong_with_a_table(sales: Lake) -> None:
    with pytest.raises(RemoteObjectError, match="has no version 7") as caught:
        detected(sales, "/sales", version="7")
    assert caught.value.hint is not None and "0 to 6" in caught.value.hint
    log = sales.folder / "sales" / "_delta_log"
    (log / f"{2:020}.json").unlink()
    assert len(rows(sales, detected(sales, "/sales"), columns=["id"])) == 39  # by the checkpoint
    with pytest.raises(UnsupportedError, match="commit 2 of its log is gone"):
        detected(sales, "/sales", version="3")
    checkpoint = log / f"{4:020}.checkpoint.parquet"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    with pytest.raises(DataError, match="checkpoint"):
        detected(Lake(sales.folder), "/sales")
    with pytest.raises(RemoteObjectError, match="not a Delta table"):
        rows(sales, table("/", "id bigint", format="delta"))


def test_a_file_that_is_gone_is_named(sales: Lake) -> None:
    of = detected(sales, "/sales")
    next((sales.folder / "sales").glob("region=c/*")).unlink()
    with pytest.raises(RemoteObjectError, match=r"/sales/region=c/.*does not exist"):
        rows(sales, of)


def commit(lake: Lake, add: dict[str, Any] | None = None, configuration: dict[str, str] | None = None, **protocol: Any) -> None:
    schema = {
        "type": "struct",
        "fields": [{"name": "id", "type": "long", "nullable": True, "metadata": {"delta.columnMapping.physicalName": "col-1"}}],
    }
    about = {"schemaString": json.dumps(schema), "partitionColumns": [], "configuration": configuration or {}}
    actions = [{"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **protocol}}, {"metaData": about}]
    actions += [{"add": {"path": "x.parquet", "partitionValues": {}, "size": 0, **add}}] if add else []
    lake.write(f"/t/_delta_log/{0:020}.json", "\n".join(map(json.dumps, actions)))


def test_columns_mapped_by_name(lake: Lake) -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"col-1": [7]}), out)
    lake.write("/t/x.parquet", out.getvalue())
    commit(lake, {"size": len(out.getvalue())}, {"delta.columnMapping.mode": "name"}, readerFeatures=["columnMapping"])
    found = detected(lake, "/t")
    assert found.columns[0].remote_name == "col-1" and rows(lake, found, '"id" = 7') == [(7,)]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"readerFeatures": ["liquid"]}, "reader features liquid"),
    ({"minReaderVersion": 4}, "reader features 4"),
    ({"configuration": {"delta.columnMapping.mode": "id"}}, "mapped by id"),
    ({"add": {"deletionVector": {"storageType": "u"}}}, "deletion vectors"),
    ({"add": {"path": "hdfs://other/x.parquet"}}, "outside of its folder"),
    ({"add": {"path": "%2E%2E/x.parquet"}}, "outside of its folder"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_refused_by_name(lake: Lake, given: dict[str, Any], said: str) -> None:
    commit(lake, **given)
    with pytest.raises(UnsupportedError, match=said):
        rows(lake, table("/t", "id bigint", format="delta"))


@pytest.mark.parametrize("text", ["{", "[]", '{"add": {}}'])
def test_broken_log(lake: Lake, text: str) -> None:
    lake.write(f"/t/_delta_log/{0:020}.json", text)
    with pytest.raises(DataError, match="/t"):
        rows(lake, table("/t", "id bigint", format="delta"))


def test_empty_table(lake: Lake) -> None:
    commit(lake)
    of = table("/t", "id bigint", format="delta")
    assert rows(lake, of) == [] and fragment(lake, of).files() == []
    lake.write("/p/x.txt", "x")
    assert lake.connector.objects("/")[0].location == "/p"


def test_files_are_skipped_by_keys(sales: Lake) -> None:
    of = fragment(sales, detected(sales, "/sales"), columns=["id", "day"])
    assert len(of.files()) == 4
    for column, keys in (("id", pa.array([44, 48])), ("day", pa.array([datetime.date(2024, 4, 18)])), ("id", pa.array([Decimal("44")]))):
        assert ["region=c" in file.path for file in of.with_keys(column, keys).files()] == [True]
