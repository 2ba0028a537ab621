"""The connectors' suite over shards: by hash and in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from sqlglot import exp

from tests.virtualization.connectors.conformance import BIG_ROWS, COLUMNS, ROWS, ConnectorConformance
from tests.virtualization.connectors.datapool.shards import Shards, arrow
from virtualization.catalog import Column, DataSource, VirtualTable
from virtualization.connectors.datapool import DatapoolConnector, ShardAccess
from virtualization.plan import Batches, Connector, Fragment, QueryContext, Scanned


@dataclass
class Snapshotted:
    """A connector whose fragments read all that is loaded: the suite's contexts know no data pool."""

    inner: DatapoolConnector
    pool: Shards

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        scanned = self.inner.scan(table, columns, predicates)
        return Scanned(Opened(scanned.fragment, self.pool), scanned.left, scanned.kept)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass
class Opened:
    inner: Fragment
    pool: Shards

    def open(self, context: QueryContext) -> Batches:
        context.read_states = lambda tables: self.pool.state()
        return self.inner.open(context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture(scope="module")
def connector(pool: Shards) -> Iterator[Snapshotted]:
    made = pool.connector(DataSource("src", "datapool", "", version="test/1"))
    yield Snapshotted(made, pool)
    made.close()


@pytest.fixture
def broken() -> list[Connector]:
    return [DatapoolConnector(DataSource("src", "datapool", ""), ShardAccess({0: "grpc://127.0.0.1:1"}, lambda claims: "planted-secret"))]


def _tables(pool: Shards, distribution: str) -> dict[str, VirtualTable]:
    big = pool.table("big", [Column("id", "bigint")], distribution)
    made = {"rows": pool.table("t", COLUMNS, distribution), "empty": pool.table("t", COLUMNS, distribution), "big": big}
    pool.load(made["rows"], arrow(COLUMNS, ROWS))
    pool.load(big, pa.table({"id": pa.array(range(BIG_ROWS), pa.int64())}))
    return made


@pytest.fixture(scope="module")
def made(pool: Shards) -> dict[str, dict[str, VirtualTable]]:
    return {distribution: _tables(pool, distribution) for distribution in ("HASH(id)", "ROUND_ROBIN")}


class Over(ConnectorConformance):
    """Gaps of both."""

    @pytest.mark.xfail(strict=True, reason="never, because a table that was never loaded has no rows on a shard, which is no error")
    def test_missing_object(self, connector: Any, tables: dict[str, VirtualTable]) -> None:
        super().test_missing_object(connector, tables)

    @pytest.mark.xfail(strict=True, reason="never, because columns are the catalog's: one that is new there has no values yet")
    def test_missing_remote_column(self, connector: Any, tables: dict[str, VirtualTable]) -> None:
        super().test_missing_remote_column(connector, tables)

    @pytest.mark.xfail(strict=True, reason="never, because tables of the data pool are made, not found")
    def test_detect(self, connector: Any, tables: dict[str, VirtualTable]) -> None:
        super().test_detect(connector, tables)

    @pytest.mark.xfail(strict=True, reason="never, because tables of the data pool are made, not found")
    def test_detect_of_nothing(self, connector: Any, tables: dict[str, VirtualTable]) -> None:
        super().test_detect_of_nothing(connector, tables)

    @pytest.mark.xfail(strict=True, reason="never, because there is one data pool: messages name the shard")
    def test_errors_never_show_the_credential(self, broken: list[Connector]) -> None:
        super().test_errors_never_show_the_credential(broken)


class TestHashed(Over):
    @pytest.fixture
    def tables(self, made: dict[str, dict[str, VirtualTable]]) -> dict[str, VirtualTable]:
        return made["HASH(id)"]


class TestInTurn(Over):
    @pytest.fixture
    def tables(self, made: dict[str, dict[str, VirtualTable]]) -> dict[str, VirtualTable]:
        return made["ROUND_ROBIN"]
