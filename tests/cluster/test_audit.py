"""The audit trail of a running cluster: what users do by SQL, Flight and the API, found again by one command."""

from __future__ import annotations

import json
import pathlib
import stat
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from pyarrow import flight

from tests.apps.folders import python
from tests.cluster.sources import create_source, create_table, master_connection, pool_connection
from tests.patience import eventually
from tests.services.cluster import Stage
from tests.services.flight_loads import LoadClient
from tests.services.postgresql import PostgresqlServer

CONSTANT = "audited-constant-4711"
SESSION_ID = """
    SELECT to_hex(trunc(extract(epoch FROM backend_start))::bigint) || '.' || to_hex(pid) FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""
"""As PostgreSQL's logs have it (%c)."""


def query(cluster: Stage, *more: str) -> list[dict[str, Any]]:
    found = cluster.bdc("audit", "query", "--limit", "1000", *more)
    assert isinstance(found, list)
    return found


def found(cluster: Stage, what: str, *more: str, least: int = 1) -> list[dict[str, Any]]:
    eventually(lambda: len(query(cluster, *more)) >= least, what)
    return query(cluster, *more)


def naming(cluster: Stage, thing: str, *more: str) -> dict[str, Any]:
    """The newest entry of a shared cluster that names it."""

    def seen() -> list[dict[str, Any]]:
        return [entry for entry in query(cluster, *more) if thing in entry.get("objects", ())]

    eventually(seen, f"an entry that names {thing}")
    return seen()[0]


def files(cluster: Stage) -> list[pathlib.Path]:
    return sorted(cluster.folder.glob("home/clusters/*/workloads/*/data/audit.jsonl*"))


@pytest.fixture(scope="module")
def source(cluster: Stage, postgresql: PostgresqlServer) -> str:
    with postgresql.connect() as server:
        server.execute("CREATE TABLE audited AS SELECT 1 AS id, 'x' AS word")
    with master_connection(cluster) as master:
        location = f"postgresql://127.0.0.1:{postgresql.port}/postgres"
        create_source(master, "audited", location, user=postgresql.user, password=postgresql.password)
        create_table(master, "public.audited", "audited", "public.audited", {"id": "integer", "word": "text"})
    return "audited"


def test_a_query_through_the_master_and_directly(cluster: Stage, source: str) -> None:
    statement = f"SELECT id FROM audited WHERE word = '{CONSTANT}'"
    with master_connection(cluster) as master:
        row = master.execute(SESSION_ID).fetchone()
        session = str(row[0]) if row else ""
        for _ in range(2):
            master.execute(statement.encode()).fetchall()
    through = found(cluster, "the queries through the master", "--session", session, "--action", "sql.query", least=2)
    assert len({entry["statement"] for entry in through}) == 1
    assert {(entry["user"], entry["outcome"], entry["rule"], entry["service"]) for entry in through} == {
        ("admin", "allowed", "grants, checked by the master", "compute-0")
    }
    assert {entry["origin"] for entry in through} == {"127.0.0.1"}, "the master's client, not the master"
    assert through[0]["objects"] == ["audited:public.audited"] and through[0]["rows"] == 0
    logins = ("--user", "admin", "--action", "sql.login")
    before = len(query(cluster, *logins))
    with pool_connection(cluster, "admin", cluster.password) as pool:
        pool.execute(statement.encode()).fetchall()
        pool.execute(statement.replace(CONSTANT, "another").encode()).fetchall()
    direct = found(cluster, "the direct login", *logins, least=before + 1)[0]
    mine = found(cluster, "the direct queries", "--session", str(direct["session"]), "--action", "sql.query", least=2)
    assert direct["origin"] == "127.0.0.1" and len({entry["statement"] for entry in mine}) == 1
    written = b"".join(path.read_bytes() for path in files(cluster))
    assert CONSTANT.encode() not in written and b"SELECT" not in written


def test_refusals(cluster: Stage, source: str) -> None:
    cluster.bdc("user", "add", "audited.user", "--password-stdin", output=None, secret="Users-pass-4321\n")
    eventually(lambda: _logs_in(cluster), "the new user logs in")
    with pool_connection(cluster, "audited.user", "Users-pass-4321") as pool, pytest.raises(psycopg.errors.InsufficientPrivilege):
        pool.execute("SELECT id FROM audited")
    for name, password in (("audited.user", "wrong"), ("nobody-has-this-name", "wrong")):
        with pytest.raises(psycopg.OperationalError):
            pool_connection(cluster, name, password)
    refused = found(cluster, "the refused query", "--user", "audited.user", "--action", "sql.query")[0]
    assert (refused["outcome"], refused["why"]) == ("refused", "42501")
    wrong = ("--action", "sql.login", "--outcome", "refused")  # of other tests too
    eventually(lambda: {entry.get("user") for entry in query(cluster, *wrong)} >= {"audited.user", None}, "the refused logins")
    cluster.bdc("user", "remove", "audited.user", "--yes", output=None)
    removal = ("admin", "control", ["name=audited.user"])
    removed = [(one["user"], one["service"], one["objects"]) for one in found(cluster, "the removal", "--action", "users.remove")]
    assert removed.count(removal) == 1
    assert b"nobody-has-this-name" not in b"".join(path.read_bytes() for path in files(cluster))


def _logs_in(cluster: Stage) -> bool:
    try:
        pool_connection(cluster, "audited.user", "Users-pass-4321").close()
    except psycopg.OperationalError:
        return False
    return True


def test_loads(cluster: Stage) -> None:
    with pytest.raises(flight.FlightError):
        LoadClient(cluster.endpoint("data-pool"), "admin", "wrong")
    cluster.bdc("data", "create", "audited_pool", "--column", "id bigint not null", output=None)
    loads = LoadClient(cluster.endpoint("data-pool"), "admin", cluster.password)
    loads.load("public.audited_pool", [pa.table({"id": [1, 2]})])
    loads.close()
    begun = naming(cluster, "table=public.audited_pool", "--action", "flight.begin")
    load = next(one for one in begun["objects"] if one.startswith("load="))
    assert begun["origin"] and naming(cluster, load, "--action", "flight.commit")["rows"] == 2
    logins = found(cluster, "the Flight logins", "--user", "admin", "--action", "flight.login", least=2)
    assert {entry["outcome"] for entry in logins} == {"allowed", "refused"}
    cluster.bdc("data", "drop", "audited_pool", "--yes", output=None)


def test_an_app_by_rest_and_in_sql(cluster: Stage, tmp_path: pathlib.Path) -> None:
    """One login, seen by the controller and the app proxy under the same name; a call in SQL under the user's."""
    folder = python(tmp_path / "a", "def run(x):\n    return x\n", "{x: float}", "{result: float}")
    (folder / "spec.yaml").write_text((folder / "spec.yaml").read_text().replace("name: t\n", "name: audited-app\n"))
    cluster.bdc("app", "create", str(folder))
    try:
        cluster.bdc("app", "run", "audited-app@v1", "--inputs", "x=1.5")
        ran = naming(cluster, "audited-app@v1", "--action", "apps.run")
        assert (ran["service"], ran["user"], ran["outcome"], ran["rule"]) == ("app-proxy", "admin", "allowed", "app-reader")
        together = {(entry["service"], entry["action"]) for entry in query(cluster, "--session", ran["session"])}
        assert together >= {("control", "apps.create"), ("control", "apps.token"), ("app-proxy", "apps.create"), ("app-proxy", "apps.run")}
        with pool_connection(cluster, "admin", cluster.password) as pool:
            assert pool.execute("SELECT predict('audited-app@v1', 2.5)").fetchone() == (2.5,)

        def by_ticket() -> list[dict[str, Any]]:
            calls = query(cluster, "--action", "apps.run")
            return [one for one in calls if "audited-app@v1" in one["objects"] and one["rule"] == "ticket of the compute pool"]

        eventually(by_ticket, "the call in SQL")
        assert by_ticket()[0]["user"] == "admin"
    finally:
        cluster.bdc("app", "delete", "audited-app@v1", "--yes", "--live")


def test_files_are_their_owners_alone_and_hold_whole_lines(cluster: Stage) -> None:
    query(cluster)
    assert {path.parent.parent.name for path in files(cluster)} >= {"control", "compute-0"}
    for path in files(cluster):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        numbers = [json.loads(line)["n"] for line in path.read_text().splitlines()]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
