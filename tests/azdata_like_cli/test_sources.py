"""Sources and tables against a real master with the real extension; the compute pool behind it is tests/pools/master's stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable

import psycopg
import pytest

from tests.azdata_like_cli.administrator import USER, admin
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import StandinController
from tests.pools.master.conftest import database, master

__all__ = ["admin", "database", "master"]  # fixtures

pytestmark = pytest.mark.service


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


def test_a_source_is_changed_under_its_tables(bdc: Run, admin: Callable[[], psycopg.Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_SOURCE_PASSWORD", "planted-before")
    words = ("-l", "postgresql://crm:5432/crm", "--user", "reader", "--option", "fetch_size=10", "--option", "pushdown=off")
    assert bdc("source", "create", "altered", *words).code == 0
    assert bdc("table", "create", "of_altered", "-s", "altered", "-l", "public.t", "--column", "id bigint").code == 0
    monkeypatch.delenv("BDC_SOURCE_PASSWORD")

    def now() -> tuple[object, ...]:
        with admin() as connection:
            found = connection.execute("SELECT location, options, credential FROM bdc.source_definitions WHERE name = 'altered'").fetchone()
        assert found is not None
        return found

    before = now()
    done = bdc("source", "alter", "altered", "--password-stdin", "--debug", stdin="planted-after\n")
    assert done.code == 0 and "planted" not in done.out + done.err, done.err
    location, options, credential = now()
    assert (location, options) == before[:2] and credential != before[2], "only the password is another one"
    assert isinstance(credential, dict) and credential["user"] == "reader" and credential["sealed"].startswith("sealed:v2:")
    assert bdc("source", "alter", "altered", "--option", "fetch_size=20", "--unset", "pushdown").code == 0
    assert now() == (location, {"fetch_size": "20"}, credential)
    elsewhere = ("source", "alter", "altered", "-l", "postgresql://other:5432/crm")
    assert bdc(*elsewhere).code == 4, "a secret is sealed for its server: nobody to ask for it"
    assert bdc(*elsewhere, "--password-stdin", stdin="planted-after\n").code == 0
    assert now()[0] == "postgresql://other:5432/crm" and now()[2] != credential
    assert bdc("source", "alter", "altered", "-l", "postgresql://other:5432/more").code == 0, "the same server"
    assert "no option 'nope'" in bdc("source", "alter", "altered", "--unset", "nope").err
    assert "no data source 'nobody'" in bdc("source", "alter", "nobody", "--unset", "x").err
    assert bdc("source", "create", "open", "-l", "hdfs://nn:8020").code == 0
    assert bdc("source", "alter", "open").code == 2, "it has no user, and nothing is said"
    assert bdc("source", "drop", "altered", "--cascade", "--yes").code == 0


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
