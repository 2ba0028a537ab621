"""Apps in SQL in a whole cluster: its own keys, roles and processes; a role that is given counts, one that is taken back no longer does."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

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
    (folder / "spec.yaml").write_text(
        (HOUSE / "spec.yaml").read_text().replace("name: house", "name: sql-house").replace("timeout: 5", "timeout: 60")
    )
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


def test_over_a_file_that_the_engine_reads_itself(cluster: Stage, house: str, tmp_path: pathlib.Path) -> None:
    """Columns that detection makes numeric(18,5): the nearest doubles, on both sides."""
    file = tmp_path / "houses.csv"
    file.write_text("\n".join([",".join(FIRST), *(",".join(str(value * (1 + row / 8)) for value in FIRST.values()) for row in range(20))]))
    cluster.bdc("hdfs", "mkdir", "hdfs:/apps_in_sql", output=None)
    cluster.bdc("hdfs", "cp", str(file), "hdfs:/apps_in_sql/houses.csv", output=None)
    names = ", ".join(f'"{name}"' for name in FIRST)
    try:
        with cluster.sql() as master:
            master.execute("CALL bdc.create_virtual_table('public.apps_in_sql', 'hdfs', '/apps_in_sql/houses.csv')")
            rows: list[Any] = master.execute("SELECT * FROM bdc.score(%s, 'SELECT * FROM apps_in_sql')", [house]).fetchall()
            scored = [row["prediction"] for (row,) in rows]
        with pool(cluster) as direct:
            predicted = [price for (price,) in direct.execute(f"SELECT predict('{house}', {names}) FROM apps_in_sql WHERE \"RM\" > 0")]
        assert len(scored) == 20
        assert predicted == scored
    finally:
        with cluster.sql() as master:
            master.execute("CALL bdc.drop_virtual_table('public.apps_in_sql')")
        cluster.bdc("hdfs", "rm", "-r", "hdfs:/apps_in_sql", output=None)


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
