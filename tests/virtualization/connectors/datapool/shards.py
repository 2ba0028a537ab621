"""Real shards in this process (the Flight server of ``pools.data`` over a DuckDB file each), loaded as the load protocol has it."""

from __future__ import annotations

import json
import pathlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import flight

from pools.data.flight import ShardServer
from pools.data.settings import ShardSettings
from pools.data.shard import Shard as ShardService
from pools.data.store import Store
from pools.tickets import Signer, make_private_key
from tests.services.data_pool import send
from virtualization.buckets import bucket_numbers
from virtualization.catalog import Column, DataSource, VirtualTable
from virtualization.connectors.datapool import DatapoolConnector, ShardAccess
from virtualization.placement import BUCKETS, DataPlacement, PendingLoad, ReadState, Shard, StoredColumn
from virtualization.plan import QueryContext
from virtualization.types import pg_type, schema_of

SOURCE = DataSource("data_pool", "datapool", "", version="test/1")


@dataclass
class Shards:
    """``version``: the snapshot number; each ``load`` takes the next one."""

    signer: Signer
    servers: list[ShardServer]
    stores: list[Store]
    identity: str = field(default_factory=lambda: str(uuid.uuid4()))
    version: int = 0
    pending: tuple[PendingLoad, ...] = ()

    @property
    def access(self) -> ShardAccess:
        """As the compute pool makes it."""
        locations = {number: f"grpc://127.0.0.1:{server.port}" for number, server in enumerate(self.servers)}
        return ShardAccess(locations, lambda claims: self.signer.sign("data-shard", "read", 300, claims))

    def connector(self, source: DataSource = SOURCE) -> DatapoolConnector:
        """Over these shards."""
        return DatapoolConnector(source, self.access)

    def state(self) -> ReadState:
        """All that is loaded."""
        return ReadState(self.version, self.pending)

    def context(self, **more: Any) -> QueryContext:
        """Of a query that reads ``state``."""
        return QueryContext(read_states=lambda tables: self.state(), **more)

    def table(self, name: str, columns: Sequence[Column], distribution: str = "ROUND_ROBIN", **more: Any) -> VirtualTable:
        """A virtual table; ``distribution`` as in ``bdc.create_data_table``: HASH(a, b), ROUND_ROBIN, REPLICATED."""
        kind, _, inside = distribution.lower().partition("(")
        numbers = range(len(self.servers))
        data = DataPlacement(
            id=str(uuid.uuid4()),
            identity=self.identity,
            schema_version=1,
            columns=tuple(StoredColumn(number, column.name, column.type) for number, column in enumerate(columns, 1)),
            kind=kind,  # type: ignore[arg-type]
            shards=tuple(Shard(number, self.stores[number].shard) for number in numbers),
            distribution_columns=tuple(part.strip() for part in inside.strip(")").split(",")) if kind == "hash" else (),
            buckets=tuple(bucket % len(self.servers) for bucket in range(BUCKETS)) if kind == "hash" else (),
        )
        return VirtualTable("public", name, "data_pool", name, tuple(columns), data=data, **more)

    def load(self, table: VirtualTable, rows: pa.Table, *, publish: bool = True) -> None:
        """Append, as one load."""
        load, self.version = str(uuid.uuid4()), self.version + 1
        for number, part in self._parts(table, rows).items():
            self._put(number, load, table, part)
            winners = [[0, 0, part.num_rows]] if part.num_rows else []
            self._act(
                number, "seal", {"load": load, "tables": [{**_claim(table), "mode": "append", "winners": winners}], "check_key": False}
            )
            if publish:
                self._act(number, "publish", {"loads": [[load, self.version]]})
        if not publish:
            assert table.data is not None
            self.pending = (*self.pending, PendingLoad(load, self.version, (table.data.id,)))

    def _parts(self, table: VirtualTable, rows: pa.Table) -> dict[int, pa.Table]:
        data, numbers = table.data, range(len(self.servers))
        assert data is not None
        if data.kind == "replicated":
            return {number: rows for number in numbers}
        if data.kind == "hash":
            keys = [rows.column(name).combine_chunks() for name in data.distribution_columns]
            types = [column.type for name in data.distribution_columns for column in table.columns if column.name == name]
            shard = np.array(data.buckets)[np.asarray(bucket_numbers(keys, types, 1))]
        else:
            shard = np.arange(rows.num_rows) % len(self.servers)
        return {number: rows.filter(pa.array(shard == number)) for number in numbers}

    def _put(self, number: int, load: str, table: VirtualTable, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        claims = {"db": self.identity, "shard": self.stores[number].shard, "load": load, "mode": "append", "tables": [_claim(table)]}
        ticket = self.signer.sign("data-shard", "put", 300, claims)
        with flight.FlightClient(f"grpc://127.0.0.1:{self.servers[number].port}") as client:
            send(client, {"ticket": ticket, "partition": 0, "attempt": 0}, rows)

    def _act(self, number: int, action: str, body: Mapping[str, Any]) -> list[Any]:
        ticket = self.signer.sign("data-shard", "control", 60, {"db": self.identity, "shard": self.stores[number].shard})
        with flight.FlightClient(f"grpc://127.0.0.1:{self.servers[number].port}") as client:
            results = client.do_action(flight.Action(action, json.dumps({"ticket": ticket, **body}).encode()))
            return [json.loads(result.body.to_pybytes()) for result in results]


def _claim(table: VirtualTable) -> dict[str, Any]:
    assert table.data is not None
    columns = [{"id": c.id, "name": c.name, "type": pg_type(c.type).text, "nullable": c.nullable} for c in table.data.columns]
    return {"id": table.data.id, "generation": 1, "schema_version": 1, "columns": columns, "key": []}


@contextmanager
def shards(folder: pathlib.Path, count: int = 3) -> Iterator[Shards]:
    """Start them on free ports; stop them at the end."""
    signer = Signer(make_private_key())
    with ExitStack() as stack:
        servers, stores = [], []
        for number in range(count):
            home = folder / f"data-{number}"
            home.mkdir()
            settings = ShardSettings(0, number, str(home), signer.public_key)
            store = Store(home, settings.limits)
            stack.callback(store.close)
            server = ShardServer(ShardService(settings, store), "127.0.0.1", 0)
            stack.callback(server.stop, 5)
            servers.append(server)
            stores.append(store)
        yield Shards(signer, servers, stores)


def arrow(columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows of Python values in the Arrow types of the columns."""
    schema = schema_of(columns)
    arrays = [pa.array([row[place] for row in rows], of.type) for place, of in enumerate(schema)]
    return pa.Table.from_arrays(arrays, schema=schema)
