"""One SQL transaction as one load: over several tables, with savepoints, decided at COMMIT.

Rows of INSERTs are gathered and sent in the background, so that small statements answer at once and large ones stream; what goes wrong
with them is said by the next statement, at the latest by COMMIT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.loads import claims
from pools.compute.loads.coordinator import Committed, Coordinator, Load
from pools.compute.loads.renewal import repeat
from pools.compute.loads.shards import ShardAwayError
from pools.compute.writes import conversion
from pools.compute.writes.streams import TableWriter
from virtualization.placement import ReadState

SECONDS = 3600
RENEW_SECONDS = 600.0
"""A load is renewed as long as its transaction lives; where this process dies it expires after ``SECONDS``."""

MODIFY_SECONDS = 1800.0
FLUSH_ROWS = 32_768
FLUSH_BYTES = 4 << 20


@dataclass(frozen=True)
class _Rows:
    """What waits to be sent: ``text``: PostgreSQL's text of each value, else the columns' own types."""

    names: tuple[str, ...]
    text: bool
    rows: pa.Table


@dataclass
class _Written:
    """Of one table: the open streams, what waits for them, and the streams that have ended, each with its savepoint."""

    table: claims.Table
    tickets: dict[int, str]
    writer: TableWriter | None = None
    waiting: list[_Rows] = field(default_factory=list)
    waiting_rows: int = 0
    waiting_bytes: int = 0
    winners: list[tuple[int, claims.Winner]] = field(default_factory=list)


class LoadTransaction:
    """``session``: the master's (``%c``), when the master is the client; its rights are checked by the master then."""

    def __init__(self, coordinator: Coordinator, who: Identity, session: str | None) -> None:
        self._coordinator = coordinator
        self._who = who
        self._session = session
        self._load: Load | None = None
        self._written: dict[str, _Written] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._partitions = 0
        self._savepoint = 0
        self._replaced_at: int | None = None
        self._sending: asyncio.Future[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "load")

    @property
    def tables(self) -> frozenset[str]:
        """Ids of those written so far."""
        return frozenset(self._written)

    async def insert(self, schema: str, name: str, columns: Sequence[str], rows: pa.Table, *, as_text: bool) -> None:
        """Take rows, columns in the order of ``columns`` (none: all of the table's); ``as_text``: PostgreSQL's text of each value."""
        written = await self._into(schema, name, "append")
        types = {column["name"]: column["type"] for column in written.table["columns"]}
        names = tuple(columns) or tuple(types)[: rows.num_columns]
        _check_columns(names, types, rows.num_columns, name)
        written.waiting.append(_Rows(names, as_text, rows.rename_columns(list(names))))
        written.waiting_rows += rows.num_rows
        written.waiting_bytes += rows.nbytes
        if written.waiting_rows >= FLUSH_ROWS or written.waiting_bytes >= FLUSH_BYTES:
            await self._sent()
            self._sending = asyncio.get_running_loop().run_in_executor(self._thread, self._send, written, types)

    async def truncate(self, schema: str, name: str) -> None:
        """Nothing that was there before is there afterwards."""
        await self._finish()
        written = await self._into(schema, name, "overwrite")
        written.winners.clear()
        self._replaced_at = self._savepoint

    async def modify(self, schema: str, name: str, new: Mapping[str, str] | None, where: str, state: ReadState) -> int:
        """UPDATE (``new``: column → DuckDB's SQL) or DELETE of the rows where ``where`` holds, as of ``state`` and with what this load
        has done before; how many."""
        await self._finish()
        written = await self._into(schema, name, "modify")
        assert self._load is not None
        load, table = self._load, written.table
        if table["mode"] != "modify":
            raise StatementError("0A000", f'"{name}" was truncated in this transaction: its rows can\'t be changed before COMMIT')
        if int(table.get("placed") or 0) > state.snapshot:
            raise StatementError("40001", f'"{name}" was moved to other shards since this transaction began', hint="Run it again.")
        self._partitions += 1
        body = {
            "load": load.id,
            "table": claims.table_claim(table),
            "snapshot": state.snapshot,
            "pending": [[one.load, one.version] for one in state.pending if table["id"] in one.tables],
            "set": None if new is None else dict(new),
            "where": where,
            "savepoint": self._savepoint,
            "statement": self._partitions,
        }
        try:
            counts = await self._modified(load, table, body)
        except StatementError as error:
            if error.code != "40001" or not await self._coordinator.settle(self._who.database, {table["id"]}):
                raise
            counts = await self._modified(load, table, body)
        return max(counts, default=0) if table["distribution"]["kind"] == "replicated" else sum(counts)

    async def _modified(self, load: Load, table: claims.Table, body: Mapping[str, Any]) -> list[int]:
        """Rows on each shard; all have answered when this returns or raises, so that it can be asked again."""

        async def ask(shard: Mapping[str, Any]) -> list[dict[str, Any]]:
            shards = self._coordinator.shards
            return await self._coordinator.steadily(lambda: shards.act(shard, load.identity, "modify", body, MODIFY_SECONDS))

        answers = await asyncio.gather(*(ask(shard) for shard in table["shards"]), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [int(answer[0]["rows"]) for answer in answers if not isinstance(answer, BaseException)]

    async def _into(self, schema: str, name: str, mode: str) -> _Written:
        """The table as part of the load, which is begun with the first."""
        key = self._names.get((schema, name))
        if key is not None and (mode == "append" or self._written[key].table["mode"] == mode):
            return self._written[key]
        request: dict[str, Any] = {"schema": schema, "table": name, "mode": mode, "seconds": SECONDS, "client": "sql"}
        if self._who.mapping:
            request |= {"checked": True, "session": self._session}
        if self._load is not None:
            request["load"] = self._load.id
        self._load = await self._coordinator.begin(self._who, request)
        if self._renewing is None:
            self._renewing = asyncio.create_task(repeat(RENEW_SECONDS, self._renew))
        for table in self._load.tables:
            known = self._written.get(table["id"])
            if known is None or known.table["mode"] != table["mode"]:
                signer, load = self._coordinator.shards.signer, self._load
                tickets = claims.put_tickets(signer, load.id, load.identity, table, load.expires_in)
                self._written[table["id"]] = _Written(table, tickets, winners=known.winners if known is not None else [])
            self._names[table["schema"], table["name"]] = table["id"]
        key = self._names.get((schema, name)) or self._load.tables[-1]["id"]
        self._names[schema, name] = key
        return self._written[key]

    async def _renew(self) -> None:
        if self._load is not None:
            load = await self._coordinator.renew(self._who, self._load.id, SECONDS)
            for written in self._written.values():
                tickets = claims.put_tickets(self._coordinator.shards.signer, load.id, load.identity, written.table, load.expires_in)
                written.tickets.update(tickets)  # in place: the streams' writer looks there, too

    def _send(self, written: _Written, types: dict[str, str]) -> None:
        """On the thread: what waits goes to the shards."""
        waiting, written.waiting = written.waiting, []
        written.waiting_rows = written.waiting_bytes = 0
        for some in _together(waiting):
            if written.writer is not None and written.writer.names != some.names:
                self._end_streams(written)
            if written.writer is None:
                self._partitions += 1
                place = (self._partitions, self._savepoint)
                written.writer = TableWriter(self._coordinator.shards, written.table, written.tickets, some.names, place)
            rows = conversion.typed(some.names, [types[name] for name in some.names], some.rows) if some.text else some.rows
            written.writer.write(rows)

    @staticmethod
    def _end_streams(written: _Written) -> None:
        writer, written.writer = written.writer, None
        if writer is not None:
            written.winners.append((writer.savepoint, writer.finish()))

    async def _sent(self) -> None:
        """What was sent in the background has arrived; its error, if there was one."""
        sending, self._sending = self._sending, None
        if sending is not None:
            await self._arrived(sending)

    async def _arrived(self, sending: asyncio.Future[None]) -> None:
        try:
            await sending
        except ShardAwayError as away:
            raise await self._coordinator.broken_stream(away) from None

    async def _finish(self) -> None:
        """All rows are staged, all streams have ended."""
        await self._sent()

        def finish() -> None:
            for written in self._written.values():
                self._send(written, {column["name"]: column["type"] for column in written.table["columns"]})
                self._end_streams(written)

        if self._written:
            await self._arrived(asyncio.get_running_loop().run_in_executor(self._thread, finish))

    # Savepoints

    async def savepoint(self) -> int:
        """The number of a new one: what is written from here on belongs to it."""
        await self._finish()
        self._savepoint += 1
        return self._savepoint

    async def roll_back_to(self, number: int) -> None:
        """Nothing is left of what was written since savepoint ``number``."""
        if self._replaced_at is not None and self._replaced_at >= number:
            raise StatementError(
                "0A000", "ROLLBACK TO SAVEPOINT can't take a TRUNCATE of a data-pool table back", hint="Roll the whole transaction back."
            )
        try:
            await self._finish()
        except StatementError:
            self._forget_streams()
        if self._load is None:
            return
        load = self._load
        for written in self._written.values():
            written.winners = [one for one in written.winners if one[0] < number]
        body = {"load": load.id, "savepoint": number, "statement": self._partitions, "reason": "rolled back to a savepoint"}
        shards = claims.shards_of(load.tables)
        await asyncio.gather(*(self._coordinator.shards.act(shard, load.identity, "abort", body) for shard in shards.values()))

    def _forget_streams(self) -> None:
        for written in self._written.values():
            written.writer = None
            written.waiting.clear()
            written.waiting_rows = written.waiting_bytes = 0

    # The end

    async def commit(self) -> Committed | None:
        """All or nothing of it; None: nothing was written."""
        try:
            await self._finish()
            if self._load is None:
                return None
            winners = {key: [winner for _, winner in written.winners] for key, written in self._written.items()}
            return await self._coordinator.commit(self._who, self._load.id, winners, self._session)
        except StatementError as error:
            if error.code != "40003":
                await self.roll_back(error.message)
            raise
        finally:
            self._end()

    def _end(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._renewing is not None:
            self._renewing.cancel()

    async def roll_back(self, reason: str = "rolled back") -> None:
        """Nothing of it."""
        self._forget_streams()
        if self._sending is not None:
            self._sending.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._end()
        load, self._load = self._load, None
        if load is not None:
            await self._coordinator.give_up(self._who, load, reason)


def _together(waiting: list[_Rows]) -> list[_Rows]:
    """Rows of the same columns in one."""
    found: dict[tuple[tuple[str, ...], bool, pa.Schema], list[pa.Table]] = {}
    for one in waiting:
        found.setdefault((one.names, one.text, one.rows.schema), []).append(one.rows)
    return [_Rows(names, text, pa.concat_tables(tables)) for (names, text, _), tables in found.items()]


def _check_columns(names: Sequence[str], types: dict[str, str], width: int, table: str) -> None:
    unknown = [name for name in names if name not in types]
    if unknown:
        raise StatementError("42703", f'column "{unknown[0]}" of relation "{table}" does not exist')
    if len(set(names)) < len(names):
        raise StatementError("42701", "a column is named twice")
    if len(names) != width:
        more = "expressions than target columns" if width > len(names) else "target columns than expressions"
        raise StatementError("42601", f"INSERT has more {more}")
