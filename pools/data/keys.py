"""PRIMARY KEY at seal: by joins with the rows that are there, never by an index (its memory grows with the table).

A row *is there* for a load that is being sealed, if its segment is published, base, or sealed (its load may be decided at any time), and
no published segment and no segment of this load has ended it. The caller holds the table's ``sealing`` lock.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pools.data.errors import ShardError
from pools.data.ledger import Ledger, Segment
from pools.data.tables import TableSpec, quoted


@dataclass(frozen=True)
class Sealing:
    """One table of a load that is being sealed."""

    table: TableSpec
    generation: int
    load: str
    winners: tuple[Segment, ...]

    @property
    def physical(self) -> str:
        """The physical table."""
        return self.table.physical(self.generation)

    @property
    def keys(self) -> str:
        """The key's physical columns."""
        return ", ".join(column.physical for column in self.table.key_columns)


def check(cursor: duckdb.DuckDBPyConnection, ledger: Ledger, sealing: Sealing) -> None:
    """23505 with the first key that is there twice, 40001 when only an undecided load has it."""
    _twice(cursor, sealing, "23505")
    undecided = _numbers(_undecided(ledger, sealing))
    found = cursor.execute(
        f"SELECT {_shown(sealing, 'older')}, older.seg IN ({undecided}) OR older.dead IN ({undecided}) "
        f"FROM {_joined(ledger, sealing)} ORDER BY ALL LIMIT 1"
    ).fetchone()
    if found is None:
        return
    if found[-1]:
        raise _conflict()
    raise _duplicate(sealing, found[:-1], "23505", "is there already")


def replace(cursor: duckdb.DuckDBPyConnection, ledger: Ledger, sealing: Sealing) -> int:
    """Upsert: the older rows of the winners' keys end; how many. 21000 for a key that the load has twice, 40001 for a row that an
    undecided load made or ended."""
    if not sealing.winners:
        return 0
    _twice(cursor, sealing, "21000")
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE ending AS SELECT older.rowid AS place, older.seg, older.dead FROM {_joined(ledger, sealing)}"
    )
    undecided = _numbers(_undecided(ledger, sealing))
    row = cursor.execute(f"SELECT count(*) FILTER (seg IN ({undecided}) OR dead IN ({undecided})), count(*) FROM ending").fetchone()
    assert row is not None
    if row[0]:
        raise _conflict()
    if row[1]:
        number = sealing.winners[0].number
        cursor.execute(f"UPDATE {sealing.physical} SET dead = {number} WHERE rowid IN (SELECT place FROM ending)")
    cursor.execute("DROP TABLE ending")
    return int(row[1])


def _twice(cursor: duckdb.DuckDBPyConnection, sealing: Sealing, code: str) -> None:
    own = _numbers(sealing.winners)
    found = cursor.execute(
        f"SELECT {_shown(sealing)} FROM {sealing.physical} WHERE seg IN ({own}) AND dead NOT IN ({own}) "
        f"GROUP BY {sealing.keys} HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    ).fetchone()
    if found is not None:
        raise _duplicate(sealing, found, code, "is in the load more than once")


def _joined(ledger: Ledger, sealing: Sealing) -> str:
    """The rows that are there (``older``) and have a key of the winners."""
    own = _numbers(sealing.winners)
    with ledger.lock:
        others = [one for one in ledger.table((sealing.table.db, sealing.table.id)).segments.values() if one.load != sealing.load]
        mine = ledger.of_load((sealing.table.db, sealing.load), sealing.table.id)
    absent = _numbers([*(one for one in others if one.state not in ("published", "sealed")), *mine])
    still = [one for one in others if one.state != "published" and one.marks]
    won = {one.number for one in sealing.winners}
    losers = [one for one in mine if one.marks and one.number not in won]
    alive = f"dead = 0 OR dead IN ({_numbers([*still, *losers])})"
    same = " AND ".join(f"older.{column.physical} = newer.{column.physical}" for column in sealing.table.key_columns)
    older = f"(SELECT rowid, seg, dead, {sealing.keys} FROM {sealing.physical} WHERE seg NOT IN ({absent}) AND ({alive})) older"
    newer = f"(SELECT {sealing.keys} FROM {sealing.physical} WHERE seg IN ({own}) AND dead NOT IN ({own})) newer"
    return f"{older} SEMI JOIN {newer} ON {same}"


def _undecided(ledger: Ledger, sealing: Sealing) -> list[Segment]:
    with ledger.lock:
        every = ledger.table((sealing.table.db, sealing.table.id)).segments.values()
        return [
            one
            for one in every
            if one.load != sealing.load and one.state in ("sealed", "staged", "staging") and (one.state == "sealed" or one.marks)
        ]


def _numbers(segments: object) -> str:
    """For ``IN``: 0 is no segment."""
    numbers = [str(one.number) for one in segments]  # type: ignore[attr-defined]
    return ", ".join(numbers or ("4294967295",))


def _shown(sealing: Sealing, relation: str | None = None) -> str:
    prefix = "" if relation is None else f"{relation}."
    return ", ".join(f"{prefix}{column.physical}::VARCHAR" for column in sealing.table.key_columns)


def _duplicate(sealing: Sealing, values: tuple[object, ...], code: str, what: str) -> ShardError:
    names = ", ".join(quoted(name) for name in sealing.table.key)
    shown = ", ".join(str(value) for value in values)
    return ShardError(code, f"duplicate key: ({names}) = ({shown}) {what}", detail=f"Key ({names})=({shown}).")


def _conflict() -> ShardError:
    return ShardError("40001", "another load that is not decided yet changes rows of the same keys", hint="Try again.")
