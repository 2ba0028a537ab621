"""A load over Arrow Flight as docs/architecture/load-protocol.md says it, step by step, so that tests can stop between any two of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyarrow import flight

Winner = tuple[int, int, Mapping[int, int]]


@dataclass
class LoadClient:
    """Logged in at a coordinator's endpoint (``grpc://host:port``) as a user of the master, in one database."""

    address: str
    user: str
    password: str
    database: str = "bdc"
    _options: flight.FlightCallOptions = field(init=False)
    _headers: tuple[tuple[bytes, bytes], ...] = field(init=False)
    _client: flight.FlightClient = field(init=False)

    def __post_init__(self) -> None:
        self._client = flight.FlightClient(self.address)
        database = (b"bdc-database", self.database.encode())
        token = self._client.authenticate_basic_token(self.user, self.password, flight.FlightCallOptions(headers=[database]))  # type: ignore[list-item]  # pyarrow's stubs are wrong
        self._headers = (token, database)  # type: ignore[assignment]  # as above
        self._options = flight.FlightCallOptions(headers=[token, database], timeout=120)  # type: ignore[list-item]

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """What each call sends: the login's bearer first."""
        return self._headers

    def ask(self, action: str, **body: object) -> dict[str, Any]:
        """One action's answer."""
        (answer,) = self._client.do_action(flight.Action(action, json.dumps(body).encode()), self._options)
        found: dict[str, Any] = json.loads(answer.body.to_pybytes())
        return found

    def put(self, shard: Mapping[str, Any], rows: pa.Table, partition: int, attempt: int = 0, relay: bool = False) -> dict[str, Any]:
        """One stream; the shard's answer. ``relay``: through the coordinator."""
        command = {"ticket": shard["ticket"], "partition": partition, "attempt": attempt}
        client = self._client if relay else flight.FlightClient(shard["address"])
        command |= {"shard": shard["number"]} if relay else {}
        descriptor = flight.FlightDescriptor.for_command(json.dumps(command).encode())
        writer, answers = client.do_put(descriptor, rows.schema, self._options if relay else None)
        for batch in rows.to_batches(max_chunksize=1 << 16):
            writer.write_batch(batch)
        writer.write_metadata(json.dumps({"rows": rows.num_rows}).encode())  # type: ignore[arg-type]
        writer.done_writing()
        told = answers.read()  # type: ignore[attr-defined]
        writer.close()  # of a refused stream nothing is told, and this raises
        answer: dict[str, Any] = json.loads(told.to_pybytes())
        return answer

    def put_all(self, load: Mapping[str, Any], parts: Sequence[pa.Table], relay: bool = False) -> list[Winner]:
        """Each part as a partition on the shards in turn; the winners that ``commit`` takes."""
        shards = load["shards"]
        winners: list[Winner] = []
        for number, part in enumerate(parts):
            shard = shards[number % len(shards)]
            answer = self.put(shard, part, number, relay=relay)
            winners.append((number, 0, {shard["number"]: answer["rows"]}))
        return winners

    def load(self, table: str, parts: Sequence[pa.Table], mode: str = "append", relay: bool = False) -> dict[str, Any]:
        """Begin, put, commit; the answer of commit."""
        load = self.ask("begin", table=table, mode=mode, client="test")
        return self.ask("commit", load=load["load"], winners=self.put_all(load, parts, relay))

    def close(self) -> None:
        """End the connection."""
        self._client.close()


def slices(rows: pa.Table, parts: int) -> Iterator[pa.Table]:
    """The rows in so many parts."""
    size = -(-rows.num_rows // parts)
    return (rows.slice(start, size) for start in range(0, rows.num_rows, size))
