"""A disk that is really full: one shard's folder lies on a small file system, and nothing is kept in reserve that would refuse sooner."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest
from pyarrow import flight

from tests.pools.compute.loads.rows import SCHEMA, ids, make_table, rows, spread
from tests.pools.data_pool_faults.stage import patiently
from tests.services.data_pool import Client, DataPool, Service, refusal

ROWS = 2_000_000
"""16 MB that can't be compressed: more than what is free, and what the shard's file may have free inside of itself."""

FREE_MB = 4
MORE_MB = 128


@contextmanager
def small_disk(shard: Service) -> Iterator[Callable[[], object]]:
    """The shard, on a file system with ``FREE_MB`` free; the function makes it bigger. Afterwards it is as it was, with what it has now."""
    folder, aside, settings = pathlib.Path(shard.folder) / "rows", pathlib.Path(shard.folder) / "aside", shard.settings
    shard.stop()
    size = (sum(path.stat().st_size for path in folder.rglob("*")) >> 20) + 1 + FREE_MB
    folder.rename(aside)
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", folder], check=False, capture_output=True).returncode:
        folder.rmdir()
        aside.rename(folder)
        shard.start()
        pytest.skip("no file system can be mounted here")
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        content = json.loads(settings)
        shard.settings = json.dumps(content | {"limits": content["limits"] | {"reserve_mb": 0}})
        shard.start()
        yield lambda: subprocess.run(["mount", "-o", f"remount,size={size + MORE_MB}m", folder], check=True)
    finally:
        shard.end()
        shutil.rmtree(aside)
        shutil.copytree(folder, aside)
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()
        aside.rename(folder)
        shard.settings = settings
        shard.start()


def test_a_load_fills_the_disk_of_one_shard(lossy_pool: DataPool, lossy_client: Client) -> None:
    table, other = make_table(lossy_pool), make_table(lossy_pool)
    for one in (table, other):
        lossy_client.load(one, spread(2, 3))
    noise = pa.Array.from_buffers(pa.int64(), ROWS, [None, pa.py_buffer(os.urandom(8 * ROWS))])
    much = pa.table([noise, pa.nulls(ROWS, pa.string())], schema=SCHEMA)
    begin = {"table": table, "load_id": f"full disk {table}"}
    with small_disk(lossy_pool.shards[1]) as grow:
        patiently(lambda: ids(lossy_pool, table))
        load = lossy_client.ask("begin", begin)
        with pytest.raises(flight.FlightError) as refused:
            lossy_client.put(load, {0: rows(4), 1: much})
        assert refusal(refused.value)["sqlstate"] == "53100" and refusal(refused.value)["message"] == "the shard's disk is full"
        assert lossy_client.ask("abort", {"load": load["load"]}) == {"state": "aborted"}
        lossy_client.load(other, {0: rows(4)})
        lossy_pool.shards[1].kill()  # a full disk does not keep it from starting
        lossy_pool.shards[1].start()
        patiently(lambda: ids(lossy_pool, table))
        assert (ids(lossy_pool, table), ids(lossy_pool, other)) == ([2, 3], [2, 3, 4])
        grow()
        load = lossy_client.ask("begin", begin)
        winner = lossy_client.put(load, {0: rows(4), 1: much})
        assert lossy_client.ask("commit", {"load": load["load"], "winners": [winner]})["rows"] == ROWS + 1
        with lossy_pool.connect("alice") as alice:
            counted = alice.execute(f"SELECT count(*), count(DISTINCT id) FROM {table}".encode()).fetchone()
        assert counted == (ROWS + 3, len(noise.unique()) + 3)
    patiently(lambda: ids(lossy_pool, other))
