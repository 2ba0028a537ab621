"""Logins that must fail, and what ends when a user goes: at the master, at the compute pool and at the controller's API."""

from __future__ import annotations

import base64
import dataclasses
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import psycopg
import pytest

from pools.master.workloads import REFUSED_MILLISECONDS
from tests.cluster.sources import address, create_postgresql_source, create_table, eventually, master_connection, pool_connection
from tests.patience import PATIENCE, SOON
from tests.services.cluster import Row, Stage
from tests.services.postgresql import PostgresqlServer

PASSWORD = "Users-pass-4321"


@pytest.fixture(scope="module")
def users(cluster: Stage) -> Iterator[Callable[[str], str]]:
    made: list[str] = []

    def add(name: str) -> str:
        cluster.bdc("user", "add", name, "--password-stdin", output=None, secret=PASSWORD + "\n")
        made.append(name)
        found, _ = eventually(lambda: _can_log_in(cluster, name), PATIENCE)
        assert found
        return name

    yield add
    present = {str(row["name"]) for row in cluster.bdc("user", "list")}  # type: ignore[attr-defined]
    for name in present & set(made):
        cluster.bdc("user", "remove", name, "--yes", output=None)


def _can_log_in(cluster: Stage, name: str) -> bool:
    try:
        as_user(cluster, name).close()
    except psycopg.OperationalError:
        return False
    return True


def as_user(cluster: Stage, name: str, password: str = PASSWORD, database: str = "bdc") -> psycopg.Connection[Row]:
    host, port = address(cluster, "sql-server-master")
    return psycopg.connect(host=host, port=port, user=name, password=password, dbname=database, autocommit=True)


def api(cluster: Stage, path: str, token: str | None = None, body: object = None) -> tuple[int, dict[str, object]]:
    host, port = address(cluster, "controller")
    request = urllib.request.Request(f"http://{host}:{port}{path}", data=None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"{}")


def token_of(cluster: Stage, name: str, password: str = PASSWORD) -> str:
    status, answer = api(cluster, "/api/v1/token", body={"username": name, "password": password})
    assert status == 200
    return str(answer["access_token"])


@pytest.fixture(scope="module")
def table(cluster: Stage, postgresql: PostgresqlServer) -> Iterator[str]:
    with postgresql.connect() as server:
        server.execute("CREATE TABLE login_rows AS SELECT i AS id FROM generate_series(1, 3) AS i")
    with master_connection(cluster) as master:
        master.execute("CREATE SCHEMA login")
        create_postgresql_source(master, "login", postgresql, "postgres")
        create_table(master, "login.rows", "login", "public.login_rows")
        yield "login.rows"
        master.execute("DROP SCHEMA login CASCADE")
        master.execute("CALL bdc.drop_data_source('login', true)")


@pytest.mark.parametrize("user", ["admin", "nobody_at_all"])
def test_guesses_at_the_master_are_answered_no_sooner(cluster: Stage, user: str) -> None:
    begun = time.monotonic()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        as_user(cluster, user, "a guess")
    assert time.monotonic() - begun >= REFUSED_MILLISECONDS / 1000


def test_a_wrong_password_and_an_unknown_user_are_told_alike(cluster: Stage) -> None:
    for connect in (
        lambda user: as_user(cluster, user, "Wrong-password"),
        lambda user: pool_connection(cluster, user, "Wrong-password"),
    ):
        said = []
        for user in ("admin", "nobody_at_all"):
            with pytest.raises(psycopg.OperationalError) as caught:
                connect(user)
            said.append(str(caught.value).replace(user, "X"))
            assert "Wrong-password" not in said[-1]
        assert said[0] == said[1]
    answers = [api(cluster, "/api/v1/token", body={"username": user, "password": "Wrong-password"}) for user in ("admin", "nobody_at_all")]
    assert [status for status, _ in answers] == [401, 401]
    assert answers[0][1]["error"] == answers[1][1]["error"]
    wrong = dataclasses.replace(cluster, password="Wrong-password")
    with pytest.raises(RuntimeError, match="ended with 4") as refused:
        wrong.bdc("login", cluster.cluster, "--name", "wrong", output=None)
    assert "Wrong-password" not in str(refused.value)


def test_an_expired_role_can_log_in_nowhere(cluster: Stage, users: Callable[[str], str], table: str) -> None:
    users("login_expired")
    with master_connection(cluster) as master:
        master.execute(f"GRANT USAGE ON SCHEMA login TO login_expired; GRANT SELECT ON {table} TO login_expired")
    with pool_connection(cluster, "login_expired", PASSWORD) as pool:
        assert pool.execute(f"SELECT count(*) FROM {table}").fetchone() == (3,)
        _as_superuser(cluster, "ALTER ROLE login_expired VALID UNTIL 'yesterday'")
        with pytest.raises(psycopg.OperationalError):
            as_user(cluster, "login_expired")
        with pytest.raises(psycopg.OperationalError):
            pool_connection(cluster, "login_expired", PASSWORD)
        assert eventually(lambda: _ended(pool), SOON)[0]


def _as_superuser(cluster: Stage, statement: str) -> None:
    password = (cluster.folder / "home" / "clusters" / cluster.cluster / "secrets" / "master-superuser").read_text().strip()
    with as_user(cluster, "bdc_controller", password, "postgres") as connection:
        connection.execute(statement.encode())


def _ended(connection: psycopg.Connection[Row]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def _forged(token: str, **changes: object) -> str:
    """The token with other claims and the old signature."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))) | changes
    return ".".join([head, base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("="), signature])


def test_tokens_that_are_forged_or_missing_are_refused(cluster: Stage) -> None:
    token = token_of(cluster, "admin", cluster.password)
    assert api(cluster, "/api/v1/whoami", token)[0] == 200
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    bad: list[str | None] = [
        None,
        "",
        "garbage",
        f"{head}.{token.split('.')[1]}.",
        _forged(token, sub="somebody"),
        _forged(token, roles=["admin"], exp=4102444800),
        token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB"),
    ]
    for given in bad:
        status, answer = api(cluster, "/api/v1/whoami", given)
        assert status == 401, given
        error = answer["error"]
        assert isinstance(error, dict) and error["message"] and error["hint"]


def test_a_removed_user_is_out_everywhere_in_time_and_the_objects_stay(cluster: Stage, users: Callable[[str], str], table: str) -> None:
    users("login_leaver")
    token = token_of(cluster, "login_leaver")
    with master_connection(cluster) as master:
        master.execute(f"GRANT USAGE, CREATE ON SCHEMA login TO login_leaver; GRANT SELECT ON {table} TO login_leaver")
        with as_user(cluster, "login_leaver") as session, pool_connection(cluster, "login_leaver", PASSWORD) as pool:
            session.execute("CREATE TABLE login.kept AS SELECT 42 AS answer")
            session.execute(f"CREATE VIEW login.seen AS SELECT * FROM {table}")
            assert session.execute(f"SELECT count(*) FROM {table}").fetchone() == (3,)
            assert pool.execute(f"SELECT count(*) FROM {table}").fetchone() == (3,)
            cluster.bdc("user", "remove", "login_leaver", "--yes", output=None)
            assert eventually(lambda: _ended(session), SOON)[0]
            assert eventually(lambda: _ended(pool), SOON)[0]
            assert eventually(lambda: api(cluster, "/api/v1/whoami", token)[0] == 401, SOON)[0]
        with pytest.raises(psycopg.OperationalError):
            as_user(cluster, "login_leaver")
        assert master.execute("SELECT answer FROM login.kept").fetchone() == (42,)
        assert master.execute("SELECT count(*) FROM login.seen").fetchone() == (3,)
        owner = master.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'kept' AND schemaname = 'login'").fetchone()
        assert owner == ("bdc_admin",)


def test_rights_decide_at_the_pool_as_at_the_master(cluster: Stage, users: Callable[[str], str], table: str) -> None:
    users("login_reader")
    with master_connection(cluster) as master:
        for connect in (lambda: as_user(cluster, "login_reader"), lambda: pool_connection(cluster, "login_reader", PASSWORD)):
            with connect() as client, pytest.raises(psycopg.errors.InsufficientPrivilege):
                client.execute(f"SELECT * FROM {table}")
        master.execute(f"GRANT USAGE ON SCHEMA login TO login_reader; GRANT SELECT ON {table} TO login_reader")
        for connect in (lambda: as_user(cluster, "login_reader"), lambda: pool_connection(cluster, "login_reader", PASSWORD)):
            with connect() as client:
                assert client.execute(f"SELECT count(*) FROM {table}").fetchone() == (3,)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT umoptions FROM pg_user_mapping",
        "SELECT credential FROM bdc.source_definitions",
        "SELECT * FROM bdc.mapping_verifiers",
        "SELECT rolpassword FROM pg_authid",
        'SELECT * FROM bdc.compute_request WHERE request = \'{"action": "queries"}\'',
        "SELECT bdc.pool_catalog()",
        "SELECT bdc.pool_version()",
        "SELECT * FROM bdc.pool_verifiers('admin')",
        "SELECT bdc.request('admin', '{\"action\": \"queries\"}')",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER compute_pool OPTIONS (user 'fdw:admin', password 'x')",
        "ALTER SERVER compute_pool OPTIONS (SET dbname 'postgres')",
    ],
)
def test_a_user_reads_no_secrets_and_speaks_for_nobody(cluster: Stage, users: Callable[[str], str], statement: str) -> None:
    if not _can_log_in(cluster, "login_curious"):
        users("login_curious")
    with as_user(cluster, "login_curious") as client, pytest.raises(psycopg.Error) as caught:
        client.execute(statement.encode())
    assert caught.value.sqlstate in ("42501", "42704")


def test_mappings_show_no_passwords(cluster: Stage, users: Callable[[str], str]) -> None:
    if not _can_log_in(cluster, "login_curious"):
        users("login_curious")
    with as_user(cluster, "login_curious") as client:
        rows = client.execute("SELECT umoptions::text FROM pg_user_mappings WHERE usename <> 'login_curious'").fetchall()
        assert all("password" not in str(options) for (options,) in rows)
