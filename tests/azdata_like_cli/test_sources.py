"""Sources and tables against a real master with the real extension; the compute pool behind it is tests/pools/master's stand-in."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from pools.master.roles import drop_role, ensure_role
from pools.master.scram import scram_verifier
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import StandinController
from tests.pools.master.conftest import Master, database, master

__all__ = ["database", "master"]  # fixtures

pytestmark = pytest.mark.service
VECTOR = json.loads((Path(__file__).parents[1] / "bdc" / "sealing_vector.json").read_text(encoding="utf-8"))
USER = "o\"dd 'name; DROP"


@pytest.fixture
def admin(
    bdc: Run, master: Master, database: str, controller: StandinController, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], psycopg.Connection]]:
    """The CLI is logged in as an administrator whose name needs quoting."""
    password = secrets.token_urlsafe(12)
    ensure_role(master.dsn, USER, scram_verifier(password), ("user", "admin"))
    master.pool.learn(master.superuser())
    with master.superuser(database) as connection:  # that folder's key is a text; sealing needs a real one
        connection.execute(
            f"CREATE OR REPLACE FUNCTION bdc.sealing_key() RETURNS text LANGUAGE sql AS $$ SELECT '{VECTOR['recipient_public_key']}' $$"
        )
    controller.endpoints["sql-server-master"] = f"postgresql://127.0.0.1:{master.settings.port}/bdc"
    controller.database = database
    monkeypatch.setattr("tests.azdata_like_cli.standin_controller.PASSWORD", password)
    with monkeypatch.context() as patch:
        patch.setenv("BDC_PASSWORD", password)
        assert bdc("login", "-e", controller.url, "-u", USER).code == 0
    yield lambda: master.superuser(database)
    drop_role(master.dsn, USER)


def test_a_source_with_a_sealed_password(bdc: Run, admin: Callable[[], psycopg.Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    name = 'crm"; DROP TABLE x; -- ü'
    monkeypatch.setenv("BDC_SOURCE_PASSWORD", "planted-secret")
    made = bdc("source", "create", name, "-l", "postgresql://crm:5432/crm", "--user", "reader", "--option", "timeout=3", "--debug")
    assert made.code == 0, made.err
    with admin() as connection:
        row = connection.execute("SELECT connector, options, credential, owner FROM bdc.source_definitions").fetchone()
    assert row is not None
    assert (row[0], row[2]["user"], row[3]) == ("postgresql", "reader", USER)
    assert row[2]["sealed"].startswith("sealed:v2:")
    assert "planted-secret" not in str(row) + made.out + made.err
    assert [entry["name"] for entry in bdc("source", "list", "-o", "json").json] == [name]
    assert bdc("source", "describe", name, "-o", "json").json["connector"] == "postgresql"
    assert bdc("source", "create", name, "-l", "postgresql://crm:5432/crm").code == 1
    assert bdc("source", "drop", name, stdin="n\n").code == 1
    assert bdc("source", "drop", name, stdin="y\n").code == 0
    assert bdc("source", "describe", name).code == 1


def test_a_password_from_standard_input(bdc: Run, admin: Callable[[], psycopg.Connection]) -> None:
    words = ("source", "create", "s", "-l", "postgresql://crm:5432/crm")
    assert bdc(*words, "--password-stdin").code == 2
    assert bdc(*words, "--user", "u", "--password-stdin", stdin="").code == 1
    assert bdc(*words, "--user", "u").code == 4  # nobody to ask
    assert bdc(*words, "--user", "u", "--password-stdin", stdin="pw\n").code == 0


def test_hdfs_is_the_clusters_own_unless_said(bdc: Run, admin: Callable[[], psycopg.Connection], controller: StandinController) -> None:
    assert bdc("source", "create", "lake", "--connector", "hdfs").code == 2  # this cluster has none
    assert bdc("source", "create", "lake", "-l", "ftp://x").code == 2
    assert bdc("source", "create", "lake", "-l", "hdfs://nn:8020").code == 0


def test_tables_with_given_columns(bdc: Run, admin: Callable[[], psycopg.Connection]) -> None:
    assert bdc("source", "create", "s", "-l", "postgresql://crm:5432/crm").code == 0
    name = 'public."Odd ""Name"""'
    made = bdc(
        "table", "create", name, "-s", "s", "-l", "public.t", "--column", "id bigint not null", "--column", '"p q" text', "-o", "json"
    )
    assert made.code == 0, made.err
    assert [(column["name"], column["nullable"]) for column in made.json["columns"]] == [("id", False), ("p q", True)]
    assert bdc("table", "list", "-o", "json", "-q", "[].table_name").json == ['Odd "Name"']
    assert bdc("table", "list", "--source", "other", "-o", "json").json == []
    assert "p q" in bdc("table", "describe", name).out
    assert [entry["table_name"] for entry in bdc("source", "describe", "s", "-o", "json").json["tables"]] == ['Odd "Name"']
    kept = bdc("source", "drop", "s", "--yes")
    assert kept.code == 1
    assert bdc("table", "drop", name, "--yes").code == 0
    assert bdc("table", "describe", name).code == 1
    assert bdc("table", "create", "x", "-s", "nope", "-l", "y", "--column", "a int").code == 1


def test_explain_of_a_local_table(bdc: Run, admin: Callable[[], psycopg.Connection]) -> None:
    outcome = bdc("sql", "explain", "SELECT 1")
    assert outcome.code == 0, outcome.err
    assert "Result" in outcome.out
    assert json.loads(bdc("sql", "explain", "SELECT 1", "--format", "json").out)
