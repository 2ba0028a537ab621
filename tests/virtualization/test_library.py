"""The library in a plain process: the example of its docstring runs, and errors say what is wrong and what to pass."""

from __future__ import annotations

import textwrap

import pytest

import virtualization
from tests.services.postgresql import PostgresqlServer
from virtualization.catalog import Column, DataSource, MemoryCatalog, VirtualTable
from virtualization.errors import DefinitionError, UnknownTableError, UnsupportedError

pytestmark = pytest.mark.service


def example() -> str:
    """The indented lines of the docstring."""
    lines = (virtualization.__doc__ or "").splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    ") or not line).strip("\n"))


def test_the_example_of_the_docstring_runs(postgresql: PostgresqlServer, capsys: pytest.CaptureFixture[str]) -> None:
    with postgresql.connect() as server:
        server.execute("CREATE DATABASE library")
    with postgresql.connect("library") as connection:
        connection.execute("CREATE TABLE orders (id integer, amount numeric(12,2))")
        connection.execute("INSERT INTO orders VALUES (1, 5), (2, 10.50), (3, 4.25)")
    text = example().replace("db.example:5432/shop", f"127.0.0.1:{postgresql.port}/library").replace('"reader"', '"postgres"')
    names: dict[str, object] = {"password": postgresql.password}
    exec(text, names)
    table = names["table"]
    assert [list(column) for column in table.to_pydict().values()] == [[2], ["14.75"]]  # type: ignore[attr-defined]
    assert "Whole query at one source" in capsys.readouterr().out


def catalog(source: str = "shop", connector: str = "postgresql") -> MemoryCatalog:
    shop = DataSource("shop", connector, "postgresql://127.0.0.1:1/none")
    return MemoryCatalog.of([shop], [VirtualTable("public", "orders", source, "public.orders", (Column("id", "integer"),))])


def test_errors_name_what_is_wrong_in_the_catalog() -> None:
    with pytest.raises(UnknownTableError, match='"nothing" does not exist'):
        virtualization.query("SELECT * FROM nothing", catalog())
    with pytest.raises(DefinitionError, match='data source "gone" does not exist'):
        virtualization.query("SELECT * FROM orders", catalog(source="gone"))
    with pytest.raises(DefinitionError, match='connector "oracle9" does not exist'):
        virtualization.query("SELECT * FROM orders", catalog(connector="oracle9"))


def test_without_a_scratch_server_the_error_says_what_to_pass() -> None:
    with pytest.raises(UnsupportedError, match="duckdb: upper") as caught:
        virtualization.query("SELECT upper('a')", catalog())
    assert "scratch_dsn" in (caught.value.hint or "")
