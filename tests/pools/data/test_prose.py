"""Long and mostly distinct text is packed by Zstandard, decided by the stream that makes the table; all else by what DuckDB finds best."""

import random
from pathlib import Path

import pyarrow as pa

from pools.data.store import physical_columns
from tests.pools.data.stand import Client, served, table

ROWS = 30_000
LONG = "x" * 5_000_000


def rows(seed: int = 1) -> pa.Table:
    dice = random.Random(seed)
    texts: list[str | None] = [f"furiously {dice.random()} regular {n} 😀" for n in range(ROWS)]
    texts[17], texts[99], texts[20_000] = None, "", LONG
    return pa.table(
        {
            "k": [f"a key, long and distinct {n}" for n in range(ROWS)],
            "mode": [("by rail, as ever", "by ship, as ever")[n % 2] for n in range(ROWS)],
            "note": texts,
            "empty": pa.nulls(ROWS, pa.string()),
        }
    )


COLUMNS = {"k": "text", "mode": "text", "note": "text", "empty": "text"}


def test_columns_are_packed_by_what_they_hold_and_come_back_the_same(tmp_path: Path) -> None:
    of, given = table(COLUMNS, key=("k",)), rows()
    with served(tmp_path / "shard") as (client, shard):
        client.load(of, given, 1)
        with shard.store.cursor() as cursor:
            cursor.execute("CHECKPOINT")
            (physical,) = physical_columns(cursor)
            info = cursor.execute(
                "SELECT column_name, compression FROM pragma_storage_info(?) WHERE segment_type = 'VARCHAR'", [physical]
            ).fetchall()
        assert {column for column, packing in info if packing == "ZSTD"} == {"c3"}
    with served(tmp_path / "shard") as (client, _):
        assert client.read(of, 1, "SELECT * FROM t ORDER BY k").to_pydict() == given.sort_by("k").to_pydict()
        assert client.column(of, 1, "SELECT mode FROM t WHERE note = ''") == ["by ship, as ever"]


def test_few_rows_decide_nothing(client: Client) -> None:
    of = table(COLUMNS)
    client.load(of, rows().slice(0, 100), 1)
    client.load(of, rows(2), 2)
    assert client.column(of, 2, "SELECT count(note) FROM t") == [ROWS + 98]
