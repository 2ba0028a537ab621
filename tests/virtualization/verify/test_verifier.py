"""The verifier over three PostgreSQL sources full of edge values: it finds what is planted, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import psycopg
import pytest
from sqlglot import exp

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.verify.checking import check, limits
from tests.virtualization.verify.edges import TABLES
from tests.virtualization.verify.world import World
from virtualization.catalog import Credential, MemoryCatalog
from virtualization.connectors.postgresql import PostgresqlConnector
from virtualization.errors import DefinitionError
from virtualization.plan import Accepted, Declined, FragmentRequest
from virtualization.verify.__main__ import main
from virtualization.verify.verifier import Bounds, verification, verify, with_tables

pytestmark = pytest.mark.service


@pytest.fixture
def lab(everything: World) -> World:
    return dataclasses.replace(everything, catalog=with_tables(everything.catalog, ["east", "west", "south"]))


def plant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong rule: whatever is pushed to PostgreSQL has ``<`` where ``<=`` was."""
    right = PostgresqlConnector.push

    def wrong(self: PostgresqlConnector, request: FragmentRequest) -> Accepted | Declined:
        query = request.query.transform(lambda node: exp.LT(**node.args) if isinstance(node, exp.LTE) else node)
        return right(self, dataclasses.replace(request, query=query))

    monkeypatch.setattr(PostgresqlConnector, "push", wrong)


def test_a_planted_rule_is_found_and_shrunk(lab: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    catalog = with_tables(lab.catalog, ["south"])
    report = verify(lab.engine, catalog, lab.scratch, dataclasses.replace(limits(3, 300), findings=1))
    assert report.differences, report.text()
    found = report.findings[0]
    assert found.side in ("pushdown on", "pushdown forced")
    assert "<=" in found.small and len(found.small) < 160, found.small
    again = verify(lab.engine, catalog, lab.scratch, dataclasses.replace(limits(3, 1), first=found.number, shrink_seconds=0))
    assert [finding.sql for finding in again.findings] == [found.sql], "seed and number repeat it"
    assert found.small in report.text()


def test_a_large_table_takes_part_with_the_same_rows_everywhere(lab: World) -> None:
    small = dataclasses.replace(limits(5, 20), rows=20)
    report = check(lab.engine, with_tables(lab.catalog, ["south"]), lab.scratch, small)
    assert report.tables['"sales"'] == 20
    assert any('"sales" is too large' in note or "sales is too large" in note for note in report.notes)


def test_a_table_that_changes_meanwhile_is_named(lab: World, postgresql: PostgresqlServer) -> None:
    catalog = with_tables(lab.catalog, ["south"])
    with verification(lab.engine, catalog, lab.scratch, limits(1, 200)) as prepared, postgresql.connect("world_south") as south:
        south.execute("INSERT INTO sales (id, item) VALUES (999, 1)")
        try:
            with pytest.raises(DefinitionError, match=r"sales.* changed"):
                prepared.run(limits(1, 200))
        finally:
            south.execute("DELETE FROM sales WHERE id = 999")


def test_a_login_that_may_only_select_is_enough(lab: World, postgresql: PostgresqlServer) -> None:
    with postgresql.connect("world_west") as west:
        west.execute("CREATE ROLE only_reads LOGIN PASSWORD 'reads'")
        west.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO only_reads")
        west.execute("ALTER ROLE only_reads SET default_transaction_read_only = on")
    reader = dataclasses.replace(lab.catalog.sources["west"], name="reader", credential=Credential("only_reads", "reads"))
    tables = [dataclasses.replace(table, source="reader") for table in lab.catalog.tables() if table.source == "west"]
    check(lab.engine, MemoryCatalog.of([reader], tables), lab.scratch, limits(2, 15))


def test_nothing_to_verify_is_an_error(lab: World) -> None:
    with pytest.raises(DefinitionError, match="no table to verify"):
        verify(lab.engine, MemoryCatalog.of([], []), lab.scratch, Bounds(1))


def test_as_a_program(
    lab: World, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EAST_PASSWORD", postgresql.password)
    tables = [{"name": name, "source": "east", "location": f'public."{name}"'} for name in ("numbers", "texts")]
    source = {"name": "east", "connector": "postgresql", "location": lab.catalog.sources["east"].location,
              "user": postgresql.user, "password_variable": "EAST_PASSWORD"}  # fmt: skip
    (tmp_path / "catalog.json").write_text(json.dumps({"sources": [source], "tables": tables}))
    arguments = [str(tmp_path / "catalog.json"), "--scratch", lab.scratch, "--queries", "30", "--seed", "1", "--query-seconds", "120"]
    assert main([*arguments, "--json"]) == 0
    out = capsys.readouterr()
    report = json.loads(out.out)
    assert (report["queries"], report["differences"], report["seed"]) == (30, 0, 1)
    assert "seed 1" in out.err and postgresql.password not in out.out + out.err
    plant(monkeypatch)
    assert main([*arguments[:4], "300", *arguments[5:], "--findings", "1"]) == 1
    assert "DIFFERENT, number" in capsys.readouterr().out
    assert main([str(tmp_path / "none.json"), "--scratch", lab.scratch]) == 2


def test_the_tables_hold_what_they_should(lab: World, postgresql: PostgresqlServer) -> None:
    for name, (source, _, rows) in TABLES.items():
        with psycopg.connect(postgresql.dsn(f"world_{source}")) as connection:
            found = connection.execute(f'SELECT count(*) FROM "{name}"'.encode()).fetchone()
            assert found == (len(rows),)
