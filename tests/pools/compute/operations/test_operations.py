"""Backup, restore, resize, export: rows, counts per shard, files as another reader sees them, refusals."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pytest
from pyarrow import flight

from tests.pools.compute.loads.rows import eventually
from tests.pools.compute.operations.operating import Stage, stage
from tests.pools.data_pool_faults.storm import kill_master
from tests.services.data_pool import refusal
from tests.services.forkserver import Forks
from tests.services.hdfs import HdfsServer

_NUMBERS = itertools.count()
ROWS = 3000


@pytest.fixture(scope="module")
def here(hdfs: HdfsServer, forks: Forks) -> Iterator[Stage]:
    with stage(hdfs, forks) as found:
        yield found


def make(here: Stage, distribution: str = "HASH(id)", rows: int = ROWS) -> str:
    """A table with that many rows."""
    name = f"public.o{next(_NUMBERS)}"
    columns = '[{"name": "id", "type": "bigint", "nullable": false}, {"name": "price", "type": "numeric(12,2)"}, \
                {"name": "at", "type": "timestamptz"}, {"name": "doc", "type": "jsonb"}, {"name": "a.b", "type": "uuid"}]'
    with here.pool.connect("admin") as admin:

        def made() -> bool:
            try:
                admin.execute("CALL bdc.create_data_table(%s, %s::jsonb, %s)", [name, columns, distribution])
            except psycopg.errors.ConnectionFailure:  # a shard that was just started again: the coordinator's channel tries each second
                return False
            return True

        eventually(made)
        admin.execute(
            f"INSERT INTO {name} SELECT i, i / 7.0, '2026-01-01'::timestamptz + i * interval '1 second', jsonb_build_object('n', i), "
            f"('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid FROM generate_series(1, {rows}) AS i"
        )
    return name


def content(here: Stage, table: str) -> list[tuple[object, ...]]:
    return here.rows(f'SELECT id, price, "at", doc, "a.b" FROM {table} ORDER BY id')


def answers(here: Stage, table: str) -> bool:
    """False while a shard that was just started again is taken for one that is away: connections are tried each second."""
    try:
        return bool(content(here, table))
    except psycopg.Error as error:
        if "does not answer" in str(error):
            return False
        raise


@pytest.mark.parametrize("distribution", ["HASH(id)", "ROUND_ROBIN", "REPLICATED"])
def test_resize(here: Stage, distribution: str) -> None:
    table = make(here, distribution)
    before = content(here, table)
    each = ROWS if distribution == "REPLICATED" else None
    for shards in (2, 3, 2):
        assert here.done("resize", shards=shards, tables=[table]) | {"rows": 0} == {"tables": 1, "done": 1, "moved": 1, "rows": 0}
        counts = here.counts(table)
        assert set(counts) == set(range(shards))
        assert all(count == each for count in counts.values()) if each else sum(counts.values()) == ROWS
        assert content(here, table) == before
    assert here.rows(f"SELECT price FROM {table} WHERE id = 77") == [(before[76][1],)]
    assert here.done("resize", shards=2, tables=[table])["moved"] == 0


def test_backup_and_restore(here: Stage) -> None:
    tables = [make(here, how) for how in ("HASH(id)", "ROUND_ROBIN", "REPLICATED")]
    before = {table: content(here, table) for table in tables}
    progress = here.done("backup", folder="hdfs:/backups/first", tables=tables)
    assert progress["folder"] == "/backups/first" and progress["rows"] == 3 * ROWS and progress["bytes"] > 0
    manifest = json.loads(here.read("/backups/first/manifest.json"))
    assert [table["rows"] for table in manifest["tables"]] == [ROWS] * 3 and manifest["rows"] == 3 * ROWS
    assert [len(table["files"]) for table in manifest["tables"]] == [3, 3, 1]
    for file in (file for table in manifest["tables"] for file in table["files"]):
        raw = here.read(f"/backups/first/{file['path']}")
        assert (len(raw), hashlib.sha256(raw).hexdigest()) == (file["bytes"], file["sha256"])
        assert here.parquet(f"/backups/first/{file['path']}").num_rows == file["rows"]
    assert not [name for name in here.names("/backups") if "/._PART_" in name]

    changed = tables[0]
    with here.pool.connect("admin") as admin:
        admin.execute(f"DELETE FROM {changed} WHERE id > 10")
        admin.execute(f"CALL bdc.drop_data_table('{tables[1]}')")
    problem = here.refused("restore", folder="hdfs:/backups/first", tables=[changed])
    assert problem["sqlstate"] == "42P07" and "would be lost: 1" in problem["detail"] and "--overwrite" in problem["hint"]
    assert len(content(here, changed)) == 10
    assert here.done("resize", shards=2, tables=[tables[2]])["moved"] == 1
    progress = here.done("restore", folder="hdfs:/backups/first", overwrite=True)
    assert progress["rows"] == 3 * ROWS and len(progress["lost"]) == 2
    for table in tables:
        assert content(here, table) == before[table]
        assert set(here.counts(table)) == {0, 1, 2}
    progress = here.done("restore", folder="/backups/first", tables=[changed], **{"as": "copy_of_it"})
    assert content(here, "public.copy_of_it") == before[changed] and progress["lost"] == []


def test_export(here: Stage) -> None:
    table = make(here)
    here.done("export", table=table, path="hdfs:/backups/one.parquet")
    rows = here.parquet("/backups/one.parquet").sort_by("id")
    assert rows.num_rows == ROWS and rows.schema.names == ["id", "price", "at", "doc", "a.b"]
    assert rows.column("price").to_pylist() == [row[1] for row in content(here, table)]
    here.done("export", table=table, path="hdfs:/backups/several")
    assert sum(here.parquet(name).num_rows for name in here.names("/backups/several") if name.endswith(".parquet")) == ROWS
    assert here.refused("export", table=table, path="hdfs:/backups/several")["sqlstate"] == "58P02"


def test_refusals(here: Stage) -> None:
    table = make(here, rows=10)
    assert here.refused("backup", folder="/elsewhere/x", tables=[table])["sqlstate"] == "42501"
    assert here.refused("restore", folder="/backups/nothing")["sqlstate"] == "58030"
    assert here.refused("resize", shards=4)["sqlstate"] == "55000"
    assert here.refused("backup", folder="/backups/y", tables=["public.nothing"])["sqlstate"] == "42P01"
    with here.pool.connect("alice") as alice, pytest.raises(Exception, match="only members of bdc_admin"):
        alice.execute("CALL bdc.start_data_operation(gen_random_uuid(), 'backup', '{}')")


def test_damaged_file(here: Stage) -> None:
    table = make(here)
    here.done("backup", folder="/backups/damaged", tables=[table])
    manifest = json.loads(here.read("/backups/damaged/manifest.json"))
    path = f"/backups/damaged/{manifest['tables'][0]['files'][1]['path']}"
    raw = bytearray(here.read(path))
    raw[100] ^= 1
    with here.hdfs.superuser() as client:
        client.delete(path)
    here.hdfs.write(path, bytes(raw))
    problem = here.refused("restore", folder="/backups/damaged", overwrite=True)
    assert problem["sqlstate"] == "58030" and "digest" in problem["message"]
    assert len(content(here, table)) == ROWS


def test_a_transaction_from_before_a_move_is_told(here: Stage) -> None:
    table = make(here, rows=50)
    with here.pool.direct("admin") as connection, here.pool.direct("admin") as other:
        connection.autocommit = False
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (50,)
        assert here.done("resize", shards=2, tables=[table])["moved"] == 1
        assert other.execute(f"SELECT count(*) FROM {table}").fetchone() == (50,)
        with pytest.raises(psycopg.errors.SerializationFailure, match="moved to other shards"):
            connection.execute(f"SELECT count(*) FROM {table}")


def test_a_load_under_way_when_a_move_begins_is_refused(here: Stage) -> None:
    table = make(here, rows=50)
    client = here.pool.client("admin")
    load = client.ask("begin", {"table": table, "mode": "append"})
    winner = client.put(load, {0: pa.table({"id": pa.array([1000], pa.int64())})})
    with here.pool.admin() as admin:
        number = admin.execute("SELECT id FROM bdc.data_tables_view WHERE relation = %s::regclass", [table]).fetchone()
        assert number is not None
        request = {"tables": [str(number[0])], "shards": load_shards(here, table), "load_id": "move", "seconds": 60}
        moving = admin.execute("SELECT bdc.pool_begin_move('admin', %s::jsonb)", [json.dumps(request)]).fetchone()
        with pytest.raises(flight.FlightError) as refused:
            client.ask("commit", {"load": load["load"], "winners": [winner]})
        assert refusal(refused.value)["sqlstate"] == "40001" and "bdc data resize" in refusal(refused.value)["message"]
        assert moving is not None
        admin.execute("SELECT bdc.pool_abort_load(%s, 'enough')", [moving[0]["load"]])
    with here.pool.connect("admin") as writer:
        writer.execute(f"INSERT INTO {table} (id) VALUES (51)")
    client.close()
    assert len(content(here, table)) == 51


def load_shards(here: Stage, table: str) -> object:
    """As the master has them."""
    with here.pool.admin() as admin:
        found = admin.execute(
            "SELECT d.shards FROM bdc.data_tables AS d JOIN bdc.data_tables_view AS v ON v.id = d.table_id WHERE v.relation = %s::regclass",
            [table],
        ).fetchone()
    assert found is not None
    return found[0]


def test_a_cancelled_backup_leaves_nothing(here: Stage) -> None:
    table = make(here, rows=50)
    here.pool.shards[2].stop()
    try:
        operation = here.begin("backup", folder="/backups/half", tables=[table])
        eventually(lambda: "waiting" in here.look(operation)["progress"], 60)
        with here.pool.connect("admin") as admin:
            admin.execute("CALL bdc.cancel_data_operation(%s::uuid)", [operation])
        assert here.end(operation)["problem"]["sqlstate"] == "57014"
    finally:
        here.pool.shards[2].start()
    eventually(lambda: not [name for name in here.names("/backups") if "half" in name])
    assert here.refused("restore", folder="/backups/half")["sqlstate"] == "58030"


def test_a_lost_shard(here: Stage) -> None:
    table, other = make(here), make(here)
    before = content(here, table)
    here.done("resize", shards=2, tables=[other])
    here.done("backup", folder="/backups/before_the_loss", tables=[table])
    lost = here.pool.shards[2]
    lost.stop()
    shutil.rmtree(lost.folder / "rows")
    lost.start()
    with pytest.raises(psycopg.Error, match=r"data-2 is not the shard .*\n(.*\n)*.*bdc data restore"):
        eventually(lambda: answers(here, table))
    assert len(content(here, other)) == ROWS
    here.done("restore", folder="/backups/before_the_loss", tables=[table], overwrite=True)
    assert content(here, table) == before
    assert set(here.counts(table)) == {0, 1, 2}


@pytest.mark.full
@pytest.mark.parametrize("victim", ["coordinator", "shard", "master"])
def test_moves_go_on_after_a_kill(here: Stage, victim: str) -> None:
    """Of whom they need; the rows are all there at any time afterwards, once."""
    table = make(here, rows=200_000)
    before = here.rows(f"SELECT count(*), sum(id), sum(price) FROM {table}")
    for shards in (2, 3):
        operation = here.begin("resize", shards=shards, tables=[table])
        eventually(lambda: here.look(operation)["progress"].get("rows", 0) > 0 or here.look(operation)["state"] == "done")  # noqa: B023
        if victim == "master":
            kill_master(here.pool)
            here.pool.start_master()
        else:
            killed = here.pool.shards[1] if victim == "shard" else here.pool.replicas[0]
            killed.kill()
            killed.start()
        assert here.end(operation)["state"] == "done"
        assert here.rows(f"SELECT count(*), sum(id), sum(price) FROM {table}") == before
        assert set(here.counts(table)) == set(range(shards))
