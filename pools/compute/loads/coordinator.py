"""The steps of a load: begin, commit (seal, decide, publish), abort, renew, status. Any replica may take any step of any load.

Errors are ``StatementError``s. 40003 means that the outcome is not known: the load's state tells when the master is back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.loads import claims
from pools.compute.loads.ledger import Ledgers
from pools.compute.loads.publisher import Decided, Publisher
from pools.compute.loads.shards import SEAL_SECONDS, ShardAwayError, Shards
from pools.compute.loads.standing import Standings
from pools.compute.master import MasterAway
from virtualization.placement import BEHIND, BEHIND_HINT, Standing

log = structlog.get_logger()

T = TypeVar("T")

DECIDE_SECONDS = 15.0
"""How long a decision whose answer was lost is asked for again before its outcome is said to be unknown."""

ABORT_SECONDS = 5.0
"""How long shards are waited for when a load was aborted: that stands without them."""

RESTART_SECONDS = 5.0
"""A shard that does not answer is asked again for so long: one that was killed is back in a second or two."""

AGAIN_SECONDS = 0.5

Winners = Mapping[str, Sequence[claims.Winner]]
"""Table id → the streams whose rows count."""


@dataclass(frozen=True)
class Load:
    """A load as the master has it. ``expires_in``: seconds."""

    id: str
    state: str
    identity: str
    tables: tuple[claims.Table, ...]
    version: int | None = None
    expires_in: float = 0.0
    created: bool = False
    user: str = ""
    reason: str | None = None
    rows: int | None = None
    server: str = ""
    """Which start of the master told it."""

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> Load:
        """From the JSON of the master's functions."""
        return cls(
            id=str(answer.get("load") or ""),
            state=answer["state"],
            identity=str(answer.get("identity") or ""),
            tables=tuple(answer.get("tables") or ()),
            version=answer.get("version"),
            expires_in=float(answer.get("expires_in") or 0.0),
            created=bool(answer.get("created")),
            user=str(answer.get("user") or ""),
            reason=answer.get("reason"),
            rows=answer.get("rows"),
            server=str(answer.get("server") or ""),
        )


@dataclass(frozen=True)
class Committed:
    """``version`` is None while a transaction of the master decides (``prepared``)."""

    version: int | None
    rows: int


class Coordinator:
    """Of one replica; lives on the event loop."""

    def __init__(self, ledgers: Ledgers, shards: Shards) -> None:
        self.ledgers = ledgers
        self.shards = shards
        self.publisher = Publisher(ledgers, shards)
        self.standings = Standings(shards)
        self.counted: Callable[[str, int], None] = lambda step, rows: None
        """Told of each load that was begun, committed (with its rows) or aborted."""

        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, who: Identity, request: Mapping[str, Any]) -> Load:
        """``request`` as ``pool_begin_load`` takes it. Where the answer was lost and the client gave no ``load_id``, 08006."""
        ledger = self.ledgers.of(who.database)
        again = "load_id" in request or "load" in request
        try:
            answer = await (_patiently(lambda: ledger.begin(who.user, request)) if again else ledger.begin(who.user, request))
        except MasterAway as away:
            raise StatementError(
                "08006", "the load was not begun: the master is away", detail=str(away), hint="Try again, with the same load_id."
            ) from None
        load = self._read(answer)
        if load.state == "ignored":  # the table is there: nothing was begun, so there is nothing to compare
            return load
        try:
            await self._compare(who, load)
        except StatementError as error:
            await self.give_up(who, load, error.message)
            raise
        self.counted("begun", 0)
        return load

    async def _compare(self, who: Identity, load: Load) -> Standing:
        try:
            return await self._compared(who.database, {"identity": load.identity, "server": load.server})
        except MasterAway as away:
            raise StatementError("57P03", "the master is away", detail=str(away), hint="Try again.") from None

    async def _surely(self, who: Identity, load: Load) -> None:
        if unsure := (await self._compare(who, load)).unsure:
            raise ShardAwayError(min(unsure), "it did not when the master, which was started anew, was to be compared with it")

    async def refuse_behind(self, database: str) -> None:
        """55000 where the master is older than the shards; MasterAway."""
        await self._compared(database, await self.ledgers.of(database).snapshot())

    async def _compared(self, database: str, state: Mapping[str, Any]) -> Standing:
        standing = await self.standings.of(state, self.ledgers.of(database).snapshot)
        if standing.behind:
            raise StatementError("55000", BEHIND, detail=standing.behind, hint=BEHIND_HINT)
        return standing

    def _read(self, answer: Mapping[str, Any]) -> Load:
        self.shards.signer.know(answer.get("marks") or {})
        return Load.read(answer)

    def put_tickets(self, load: Load) -> dict[int, str]:
        """Shard number → ticket, of the load's only table."""
        return claims.put_tickets(self.shards.signer, load.id, load.identity, load.tables[0], load.expires_in)

    async def load(self, who: Identity, number: str) -> Load:
        """As the master has it; 42704 when it does not know it, 42501 when it is another user's."""
        try:
            answer = await _patiently(lambda: self.ledgers.of(who.database).load(number))
        except MasterAway as away:
            raise _unknown_outcome(number, away) from None
        if answer is None:
            raise StatementError("42704", f"load {number} does not exist", hint="SELECT * FROM bdc.loads lists them.")
        load = self._read(answer)
        if load.user != who.user:
            raise StatementError("42501", f"load {number} is another user's")
        return load

    async def commit(
        self,
        who: Identity,
        number: str,
        winners: Winners | Sequence[claims.Winner],
        session: str | None = None,
        xid: str | None = None,
    ) -> Committed:
        """Seal, decide, publish. ``winners`` without tables are those of the load's only table. ``session``: the master's
        session (``%c``) whose transaction this belongs to; ``xid``: that transaction itself. Safe to repeat."""
        load = await self.load(who, number)
        named = winners if isinstance(winners, Mapping) else _of_only_table(load, winners)
        rows = sum(claims.rows_of(table, named.get(table["id"], ())) for table in load.tables)
        if load.state == "committed":
            self._publish(who.database, load, load.version)
            return Committed(load.version, load.rows if load.rows is not None else rows)
        if load.state == "aborted":
            raise _aborted(load)
        if load.state == "open":
            try:
                await self.steadily(lambda: self._surely(who, load))
                await self._sealed(who, load, named)
            except StatementError as error:
                await self.give_up(who, load, error.message)
                raise
        return await self._decide(who, load, rows, session, xid)

    async def _sealed(self, who: Identity, load: Load, winners: Winners) -> None:
        """A conflict with a load that has ended meanwhile is none: see ``settle``."""
        try:
            await self._seal(load, winners)
        except StatementError as error:
            if error.code != "40001" or not await self.settle(who.database, {table["id"] for table in load.tables}):
                raise
            await self._seal(load, winners)

    async def settle(self, database: str, tables: Set[str]) -> int:
        """Tell the shards at once of all decided loads of these tables that they may not know of: so many. Master's transactions decide
        theirs without a word to us, and the sweep comes every 20 s only."""
        try:
            unapplied = (await self.ledgers.of(database).sweep()).get("unapplied") or []
        except MasterAway:
            return 0
        loads = [Load.read(one) for one in unapplied if any(table["id"] in tables for table in one["tables"])]
        decided = [Decided(database, load.identity, load.id, load.version, load.tables) for load in loads if load.version is not None]
        if decided:
            await self.publisher.published(database, decided)
        await asyncio.gather(*(self._abort_on_shards(load, load.reason or "aborted") for load in loads if load.state == "aborted"))
        return len(loads)

    async def _seal(self, load: Load, winners: Winners) -> None:
        if any("columns" not in table for table in load.tables):
            raise StatementError("42P01", f"a table of load {load.id} was dropped during the load")
        bodies = claims.seal_tables(load.tables, winners)
        shards = claims.shards_of(load.tables)
        missing = {number for of in winners.values() for _, _, rows in of for number in rows} - shards.keys()
        if missing:
            raise StatementError("22023", f"the winners name shards that the table is not on: {', '.join(map(str, sorted(missing)))}")
        if any(claims.one_sided(table, winners.get(table["id"], ())) for table in load.tables):
            raise StatementError("22023", "the winners must bring the same rows to each shard of a REPLICATED table")

        async def seal(number: int) -> None:
            body = {"load": load.id, "tables": bodies[number], "check_key": any(table["key"] for table in bodies[number])}
            await self.steadily(lambda: self.shards.act(shards[number], load.identity, "seal", body, SEAL_SECONDS))

        results = await asyncio.gather(*(seal(number) for number in sorted(bodies)), return_exceptions=True)
        for error in results:
            if isinstance(error, BaseException):
                raise error

    async def steadily(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Again when a shard did not answer: all that is asked so is repeatable."""
        deadline = time.monotonic() + RESTART_SECONDS
        while True:
            try:
                return await ask()
            except ShardAwayError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(AGAIN_SECONDS)

    async def broken_stream(self, away: ShardAwayError) -> StatementError:
        """What a stream that ended half-way means to the transaction: 40001 where the shard is back, and only the rows sent are gone."""
        try:
            await self.steadily(lambda: self.shards.hello(away.number))
        except StatementError:
            return away
        message = f"shard {away.number} of the data pool was restarted during the transaction: the rows sent to it are lost"
        return StatementError("40001", message, detail=away.detail, hint="Run the transaction again.")

    async def _decide(self, who: Identity, load: Load, rows: int, session: str | None = None, xid: str | None = None) -> Committed:
        ledger = self.ledgers.of(who.database)
        marks = self.shards.signer.marks(shard["id"] for shard in claims.shards_of(load.tables).values())

        async def decide() -> dict[str, Any]:
            if session is None:
                return await ledger.decide(load.id, xid, rows, marks)
            transaction = await ledger.transaction_of(session, load.id)
            if transaction is None:  # nobody waits for the answer, and what the master's transaction wrote of its own is lost
                return await ledger.abort(load.id, "the master's transaction has ended before its COMMIT")
            return await ledger.decide(load.id, transaction["xid"], rows, marks)

        try:
            answer = await _patiently(decide)
        except MasterAway as away:
            log.error("the outcome of a load is not known", load=load.id, database=who.database, why=str(away))
            raise _unknown_outcome(load.id, away) from None
        if answer["state"] == "aborted":
            self.counted("aborted", 0)
            await self._briefly(self._abort_on_shards(load, "the decision was refused"))
            refused = answer.get("error") or {}
            raise StatementError(
                refused.get("sqlstate", "40000"), refused.get("message", f"load {load.id} was aborted"),
                detail=refused.get("detail"), hint=refused.get("hint"),
            )  # fmt: skip
        if answer["state"] == "committed":
            self._publish(who.database, load, answer["version"])
        self.counted("committed", rows)
        return Committed(answer.get("version"), rows)

    def _publish(self, database: str, load: Load, version: int | None) -> None:
        if version is not None:
            self.publisher.publish(Decided(database, load.identity, load.id, version, load.tables))

    async def abort(self, who: Identity, number: str, reason: str) -> str:
        """The state that stands afterwards: ``aborted``, or ``committed`` where it came too late."""
        load = await self.load(who, number)
        try:
            return await self._aborted(who, load, reason)
        except MasterAway as away:
            raise _unknown_outcome(number, away) from None

    async def give_up(self, who: Identity, load: Load, reason: str) -> None:
        """Abort because of an error that is already on its way to the user: one more is only logged."""
        try:
            await self._aborted(who, load, reason)
        except (MasterAway, StatementError) as error:
            log.warning("a load could not be aborted: it expires", load=load.id, database=who.database, why=str(error))

    async def _aborted(self, who: Identity, load: Load, reason: str) -> str:
        answer = await _patiently(lambda: self.ledgers.of(who.database).abort(load.id, reason[:1000]))
        if answer["state"] == "aborted":
            self.counted("aborted", 0)
            await self._briefly(self._abort_on_shards(load, reason))
        return str(answer["state"])

    async def _abort_on_shards(self, load: Load, reason: str) -> None:
        async def abort(shard: Mapping[str, Any]) -> None:
            try:
                await self.shards.act(shard, load.identity, "abort", {"load": load.id, "reason": reason[:1000]})
            except StatementError as error:
                log.warning("a shard did not drop an aborted load: the sweep will", shard=shard["number"], load=load.id, why=error.message)

        await asyncio.gather(*(abort(shard) for shard in claims.shards_of(load.tables).values()))

    async def renew(self, who: Identity, number: str, seconds: int) -> Load:
        """Keep it open for ``seconds`` from now; 25000 when it is not open any more."""
        load = await self.load(who, number)
        try:
            answer = await _patiently(lambda: self.ledgers.of(who.database).renew(number, seconds))
        except MasterAway as away:
            raise StatementError(
                "08006", f"load {number} was not renewed: the master is away", detail=str(away), hint="Try again."
            ) from None
        if answer["state"] != "open":
            raise StatementError("25000", f"load {number} is {answer['state']} and can't be renewed", detail=answer.get("reason"))
        return Load.read({"load": number, "identity": load.identity, "tables": load.tables, **answer})

    async def segments(self, database: str, identity: str, shards: Sequence[Mapping[str, Any]], seconds: float = 0) -> list[dict[str, Any]]:
        """What lies unpublished on these shards: the rows of their ``segments``, each with its ``shard``. Shards that are away are
        left out and logged."""

        async def ask(shard: Mapping[str, Any]) -> list[dict[str, Any]]:
            try:
                found = await self.shards.act(shard, identity, "segments", {"older_than_seconds": seconds})
            except StatementError as error:
                log.warning("a shard does not tell its segments", shard=shard["number"], database=database, why=error.message)
                return []
            return [row | {"shard": shard["number"]} for row in found]

        return [row for rows in await asyncio.gather(*(ask(shard) for shard in shards)) for row in rows]

    async def _briefly(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for it, so that a client that tries again at once meets nothing of its own; a slow shard is left to it in the background."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=ABORT_SECONDS)

    async def close(self) -> None:
        """Finish what follows decisions, briefly."""
        await self.publisher.close()
        if self._tasks:
            _, late = await asyncio.wait(set(self._tasks), timeout=1.0)
            for task in late:
                task.cancel()
        self.shards.close()


def _of_only_table(load: Load, winners: Sequence[claims.Winner]) -> Winners:
    if len(load.tables) != 1:
        raise StatementError("22023", f"load {load.id} is over {len(load.tables)} tables: winners must name theirs")
    return {load.tables[0]["id"]: winners}


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Again while the master is away, for DECIDE_SECONDS; then MasterAway."""
    deadline = time.monotonic() + DECIDE_SECONDS
    while True:
        try:
            return await ask()
        except MasterAway:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(AGAIN_SECONDS)


def _unknown_outcome(number: str, away: Exception) -> StatementError:
    return StatementError(
        "40003", f"the outcome of load {number} is not known: the master is away", detail=str(away),
        hint="Commit again with the same load, or look with `bdc data loads`: it is there whole or not at all.",
    )  # fmt: skip


def _aborted(load: Load) -> StatementError:
    hint = "Begin a new load; one that takes long asks for more seconds, or renews."
    return StatementError("40000", f"load {load.id} was aborted", detail=load.reason, hint=hint)
