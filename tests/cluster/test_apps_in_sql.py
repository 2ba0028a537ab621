"""Apps in SQL in a whole cluster: its own keys, roles and processes; a role that is given counts, one that is taken back no longer does."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from tests.patience import eventually
from tests.services.cluster import Stage

HOUSE = pathlib.Path(__file__).parents[2] / "examples" / "apps" / "house"
FIRST = json.loads((HOUSE / "first.json").read_text())
ROW = "SELECT " + ", ".join(f"{value}::float8 AS {name.lower()}" for name, value in FIRST.items())
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def house(cluster: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("app")
    (folder / "model.onnx").write_bytes((HOUSE / "model.onnx").read_bytes())
    (folder / "spec.yaml").write_text((HOUSE / "spec.yaml").read_text().replace("name: house", "name: sql-house"))
    cluster.bdc("app", "create", "-s", str(folder))
    yield "sql-house"
    cluster.bdc("app", "delete", "-n", "sql-house", "-v", "v1", "--yes")


def pool(cluster: Stage, **login: object) -> psycopg.Connection[tuple[object, ...]]:
    host, _, port = cluster.endpoint("compute-0").rpartition("//")[2].partition("/")[0].rpartition(":")
    return cluster.sql(host=host, port=int(port), **login)


def test_by_an_admin_on_both_sides(cluster: Stage, house: str) -> None:
    told = cluster.bdc("app", "run", "-n", house, "-v", "v1", "--inputs", f"@{HOUSE / 'first.json'}")
    assert isinstance(told, dict)
    wanted = pytest.approx(told["outputParameters"]["prediction"], rel=1e-6)
    with cluster.sql() as master:
        row = master.execute("SELECT * FROM bdc.score(%s, %s)", [house, ROW]).fetchone()
        assert row is not None
        assert row[0]["prediction"] == wanted  # type: ignore[index]
    with pool(cluster) as direct:
        values = ", ".join(f"{value}::float8" for value in FIRST.values())
        assert direct.execute(f"SELECT predict('{house}', {values})").fetchone() == (wanted,)


def test_a_role_given_and_taken_back(cluster: Stage, house: str) -> None:
    cluster.bdc("user", "add", "sql-caller", "--password-stdin", secret=f"{PASSWORD}\n")

    def score() -> bool:
        with cluster.sql(user="sql-caller", password=PASSWORD) as master:
            try:
                return len(master.execute("SELECT * FROM bdc.score(%s, %s)", [house, ROW]).fetchall()) == 1
            except errors.InsufficientPrivilege as error:
                assert "the role app-reader is missing" in str(error)
                return False

    try:
        assert not score()
        cluster.bdc("user", "grant", "sql-caller", "app-reader")
        eventually(score, "the role counts in SQL")
        cluster.bdc("user", "revoke", "sql-caller", "app-reader")
        eventually(lambda: not score(), "the lost role no longer counts")
    finally:
        cluster.bdc("user", "remove", "sql-caller", "--yes")


def test_after_the_ticket_keys_were_replaced(cluster: Stage, house: str) -> None:
    cluster.bdc("key", "rotate", "tickets")
    with cluster.sql() as master:
        assert len(master.execute("SELECT * FROM bdc.score(%s, %s)", [house, ROW]).fetchall()) == 1
