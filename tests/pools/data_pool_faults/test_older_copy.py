"""Somebody puts an older copy of a shard's folder in its place, as from a file-level backup: it has the same identity, and lacks loads."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from pyarrow import flight

from tests.pools.compute.loads.rows import ids, make_table, rows, spread
from tests.services.data_pool import Client, DataPool, Service, refusal

READS = 4
"""Each of two shards would be asked several times."""


@contextmanager
def taken_down(shard: Service) -> Iterator[pathlib.Path]:
    """Its folder, while the shard is stopped."""
    shard.stop()
    yield pathlib.Path(shard.folder) / "rows"
    shard.start()


def test_an_older_copy_of_a_shard_is_refused(lossy_pool: DataPool, lossy_client: Client) -> None:
    """Where it can't be read its rows are not left out, and nothing is added to it; the newer folder put back, all is as it was."""
    table, replicated, shard = make_table(lossy_pool), make_table(lossy_pool, "REPLICATED", "id"), lossy_pool.shards[1]
    lossy_client.load(table, spread(1, 2))
    with taken_down(shard) as folder:
        older, newer = folder.with_name("older"), folder.with_name("newer")
        shutil.copytree(folder, older)
    lossy_client.load(table, spread(3, 4))
    lossy_client.load(replicated, {0: rows(1), 1: rows(1)})
    with taken_down(shard):
        folder.rename(newer)
        older.rename(folder)
    try:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="data-1 was replaced by an older copy") as read:
            ids(lossy_pool, table)
        assert "newer folder" in str(read.value.diag.message_hint)
        with pytest.raises(flight.FlightError) as written:
            lossy_client.load(table, spread(5, 6))
        assert refusal(written.value)["sqlstate"] == "55000" and "older copy" in refusal(written.value)["message"]
        assert [ids(lossy_pool, replicated) for _ in range(READS)] == [[1]] * READS
    finally:
        with taken_down(shard):
            shutil.rmtree(folder)
            newer.rename(folder)
    assert ids(lossy_pool, table) == [1, 2, 3, 4] and ids(lossy_pool, replicated) == [1]
