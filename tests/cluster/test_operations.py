"""Plan, apply and scale of a whole cluster: rows intact, a killed controller goes on, two at once, a hand edit that would lose rows."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.spec.edit import set_value
from tests.cluster.life import connect, green, home_of, pids, until
from tests.services.cluster import Row, Stage

pytestmark = pytest.mark.service
ROWS = 20_000


@pytest.fixture
def table(cluster: Stage) -> Iterator[str]:
    name = f"ops{secrets.token_hex(4)}"
    with connect(cluster) as master:
        master.execute("CALL bdc.create_data_table(%s, %s, 'ROUND_ROBIN')", (name, '[{"name": "id", "type": "bigint"}]'))
        master.execute(f"INSERT INTO {name} SELECT * FROM generate_series(1, {ROWS})".encode())
    yield name
    with connect(cluster) as master:
        master.execute("CALL bdc.drop_data_table(%s)", (name,))


def rows(cluster: Stage, table: str) -> Row | None:
    with connect(cluster) as master:
        return master.execute(f"SELECT count(*), sum(id) FROM {table}".encode()).fetchone()


def begun(stage: Stage, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "azdata_like_cli", *words]
    return subprocess.Popen(command, env=stage.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def changed(stage: Stage, path: str, value: str) -> str:
    """A file with the cluster's spec, one field changed."""
    file = stage.folder / f"{secrets.token_hex(4)}.yaml"
    file.write_text(set_value(home_of(stage).spec.read_text(), path, value))
    return str(file)


def test_scaling_the_data_pool_keeps_rows_also_with_a_killed_controller(cluster: Stage, table: str) -> None:
    home, whole = home_of(cluster), (ROWS, ROWS * (ROWS + 1) // 2)
    cluster.bdc("scale", "data", "3", "--yes")
    assert rows(cluster, table) == whole
    with connect(cluster) as master:
        stats = master.execute("SELECT shard, rows FROM bdc.data_stats(%s)", (table,)).fetchall()
    assert {shard for shard, _ in stats} == {0, 1, 2}

    mine = home.spec.read_text()
    try:  # by hand, past every plan: the loop does not accept what would lose rows
        home.spec.write_text(set_value(mine, "spec.pools.data.shards", "2"))
        until(lambda: "bdc scale data 2" in str((home.store.read("status.json") or {}).get("details")), "the hand edit is refused")
        assert rows(cluster, table) == whole
    finally:
        home.spec.write_text(mine)
    until(lambda: green(home), "the spec is valid again")

    process = begun(cluster, "scale", "data", "2", "--yes", "-o", "json")
    until(lambda: any(one.get("state") == "running" for one in home.store.read("operations.json") or ()), "the scaling has begun")
    os.kill(pids(home)["control"], signal.SIGKILL)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert rows(cluster, table) == whole and "data-2" not in pids(home)
    assert cluster.bdc("plan", "-o", "json", output=None) and green(home)


def test_two_applies_at_once_and_a_plan_that_is_outdated(cluster: Stage) -> None:
    first, second = (changed(cluster, "spec.pools.compute.historyQueries", str(count)) for count in (900, 901))
    plan = begun(cluster, "plan", "-f", first, "-o", "json")
    out, _ = plan.communicate(timeout=60)
    assert plan.returncode == 2 and '"compute-0"' in out
    apply = begun(cluster, "apply", "-f", first, "--yes")
    until(lambda: any(one.get("state") == "running" for one in home_of(cluster).store.read("operations.json") or ()), "the first has begun")
    late = begun(cluster, "apply", "-f", second, "--yes")
    _, err = late.communicate(timeout=60)
    # or it planned before the first one wrote, and came after it had
    told = ("apply by admin is under way" in err and "bdc operation follow" in err) or "plan again: bdc plan" in err
    assert late.returncode == 1 and told, err
    _, err = apply.communicate(timeout=240)
    assert apply.returncode == 0, err
    again = begun(cluster, "plan", "-f", first)
    assert again.communicate(timeout=60)[0].strip().endswith("nothing would change.") and again.returncode == 0


def test_what_the_machine_decides_is_refused_with_the_way(cluster: Stage) -> None:
    refused = begun(cluster, "apply", "-f", changed(cluster, "spec.pools.master.postgresql.bin", "/usr/lib/postgresql/18/bin"), "--yes")
    _, err = refused.communicate(timeout=60)
    assert refused.returncode == 1 and "changed there only" in err and str(home_of(cluster).spec) in err


def test_a_port_that_is_taken_is_told_and_the_spec_stays(cluster: Stage) -> None:
    import socket

    home = home_of(cluster)
    before = home.spec.read_text()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        file = changed(cluster, "spec.ports.flight", str(taken.getsockname()[1]))
        late = begun(cluster, "apply", "-f", file, "--yes")
        _, err = late.communicate(timeout=120)
    assert late.returncode == 1 and "is taken by pid" in err, err
    assert home.spec.read_text() == before and Path(file).exists()
