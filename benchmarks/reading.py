"""A table of the data pool as Arrow, straight from its shards: a stream per shard, side by side, as the load protocol's ``read`` says."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
from pyarrow import flight

from tests.services.flight_loads import LoadClient


def _stream(part: dict[str, object]) -> Iterator[pa.RecordBatch]:
    with flight.FlightClient(str(part["address"])) as client:
        for chunk in client.do_get(flight.Ticket(str(part["ticket"]).encode())):
            if chunk.data is not None:
                yield chunk.data


def table_of(client: LoadClient, name: str) -> pa.Table:
    """All rows."""
    parts = client.ask("read", table=name)["parts"]
    with ThreadPoolExecutor(len(parts)) as threads:
        found = list(threads.map(lambda part: list(_stream(part)), parts))
    return pa.Table.from_batches([batch for batches in found for batch in batches])


def count_of(client: LoadClient, name: str) -> int:
    """Rows received; nothing of them is kept."""
    parts = client.ask("read", table=name)["parts"]
    with ThreadPoolExecutor(len(parts)) as threads:
        return sum(threads.map(lambda part: sum(batch.num_rows for batch in _stream(part)), parts))
