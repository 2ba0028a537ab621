"""Queries as apps, at a real PostgreSQL: who they are there, what they may not, and what becomes of them when it goes."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import psycopg
import pytest

from apps import templates
from apps.package import pack
from tests.patience import eventually
from tests.pools.app.stand import Stand, stand
from tests.services.postgresql import PostgresqlServer

PASSWORD = "of the query's own user"


@pytest.fixture(scope="module")
def database(postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    with postgresql.connect() as server:
        server.execute("CREATE TABLE shown AS SELECT 7 AS id; CREATE TABLE hidden AS SELECT 8 AS id")
        server.execute(psycopg.sql.SQL("CREATE ROLE asker LOGIN PASSWORD {}").format(PASSWORD))
        server.execute("GRANT SELECT, DELETE ON shown TO asker")
    yield postgresql
    with postgresql.connect() as server:
        server.execute("DROP OWNED BY asker; DROP ROLE asker; DROP TABLE shown, hidden")


@pytest.fixture(scope="module")
def proxy(database: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with stand(pathlib.Path(tmp_path_factory.mktemp("proxy")), sql=f"127.0.0.1:{database.port}/postgres") as found:
        yield found


def query(folder: pathlib.Path, name: str, text: str, more: str = "") -> pathlib.Path:
    templates.init(folder, "sql", name, "v1")
    (folder / "query.sql").write_text(text)
    spec = (folder / "spec.yaml").read_text().partition("inputs:")[0].replace(f"{name}-sql", "asker")
    (folder / "spec.yaml").write_text(f"{spec}inputs: {{}}\noutput: {{rows: list}}\n{more}\n")
    return folder


def served(proxy: Stand, folder: pathlib.Path, name: str, text: str, more: str = "") -> None:
    proxy.call("PUT", f"/api/v1/app-secrets/{name}/PGPASSWORD", json={"value": PASSWORD})
    proxy.create(query(folder, name, text, more))


def test_it_is_its_own_user_and_reads_what_that_one_may(proxy: Stand, tmp_path: pathlib.Path) -> None:
    served(proxy, tmp_path / "a", "who", "SELECT id, session_user::text AS who, current_setting('application_name') AS app FROM shown")
    answer = proxy.run("who", token=proxy.token("app-reader"))
    assert answer.json()["outputParameters"] == {"rows": [{"id": 7, "who": "asker", "app": "who@v1"}]}
    for name, text, said in (
        ("hides", "SELECT id FROM hidden", "permission denied for table hidden"),
        ("writes", "DELETE FROM shown RETURNING id", "read-only transaction"),
        ("turns", "SELECT set_config('transaction_read_only', 'off', true)", "read-write mode"),
        ("two", "ROLLBACK; DELETE FROM shown", "cannot insert multiple commands"),
        ("commits", "COMMIT", ""),
        ("becomes", "SET ROLE postgres", ""),
    ):
        served(proxy, tmp_path / name, name, text)
        for _ in range(2):
            answer = proxy.run(name)
            assert answer.status_code == 500 and said in answer.json()["errorMessage"], answer.text
    assert proxy.run("who").json()["success"] is True


def test_one_that_takes_too_long_ends_at_the_server_too(proxy: Stand, database: PostgresqlServer, tmp_path: pathlib.Path) -> None:
    served(proxy, tmp_path / "a", "slow", "SELECT pg_sleep(3600)::text AS id", "timeout: 0.5")
    assert proxy.run("slow").status_code in (500, 504)
    with database.connect() as server:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slow@v1' AND state = 'active'"
        eventually(lambda: server.execute(asked).fetchone() == (0,), "nothing of it runs")
        server.rollback()


def test_a_connection_that_broke_is_made_anew(proxy: Stand, database: PostgresqlServer, tmp_path: pathlib.Path) -> None:
    served(proxy, tmp_path / "a", "breaks", "SELECT id FROM shown")
    with database.connect() as server:
        server.execute("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'breaks@v1'")
    assert proxy.run("breaks").status_code in (200, 500)
    assert proxy.run("breaks").json()["outputParameters"] == {"rows": [{"id": 7}]}


def test_a_login_that_is_refused_is_the_reason(proxy: Stand, tmp_path: pathlib.Path) -> None:
    proxy.call("PUT", "/api/v1/app-secrets/wrong/PGPASSWORD", json={"value": "not the one at all"})
    found = proxy.create(query(tmp_path / "a", "wrong", "SELECT 1 AS id"), state="Error")
    assert "password authentication failed" in found["reason"] and "not the one" not in found["reason"]
    proxy.call("PUT", "/api/v1/app-secrets/wrong/PGPASSWORD", json={"value": PASSWORD})
    eventually(lambda: proxy.run("wrong").status_code == 200, "it serves with the right one")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("secrets: [PGPASSWORD]", "", "a query needs a login of its own"),
        ("PGUSER: asker", "MODE: x", "a query needs a login of its own"),
        ("PGUSER: asker", "PGUSER: asker\n  PGHOST: elsewhere.example", "PGHOST can't be set"),
        ("PGUSER: asker", "PGUSER: asker\n  PGSERVICEFILE: x", "PGSERVICEFILE can't be set"),
        ("PGUSER: asker", "PGUSER: asker\n  PGPASSWORD: x", "PGPASSWORD is in env too"),
    ],
)
def test_what_can_not_be_served_is_refused(proxy: Stand, tmp_path: pathlib.Path, before: str, after: str, said: str) -> None:
    spec = query(tmp_path / "a", "refused", "SELECT 1 AS id") / "spec.yaml"
    spec.write_text(spec.read_text().replace(before, after))
    answer = proxy.call("POST", "/api/v1/apps", content=pack(spec.parent).archive)
    assert (answer.status_code, said in answer.json()["error"]["message"]) == (400, True), answer.text
