"""T-SQL against golden statements; no server: what is known of the tables' columns is a stand-in for the driver's answers."""

from __future__ import annotations

import pathlib

import pytest
from sqlglot import exp

from virtualization.bind import bind
from virtualization.catalog import Column, DataSource, MemoryCatalog, VirtualTable
from virtualization.connectors.odbc.capabilities import known
from virtualization.connectors.odbc.metadata import Facts, RemoteColumn
from virtualization.connectors.sqlserver import SqlserverConnector
from virtualization.parse import parse
from virtualization.plan import Accepted, FragmentRequest
from virtualization.rules import rewrite

GOLDEN = pathlib.Path(__file__).with_name("golden.sql")
SOURCE = DataSource("src", "sqlserver", "sqlserver://db.example/Shop")
TYPES = {
    "id": ("bigint", "BIGINT"), "n": ("integer", "INT"), "amount": ("numeric(12,2)", "DECIMAL"),
    "paid": ("numeric(19,4)", "MONEY"), "small": ("smallint", "TINYINT"), "code": ("text", "UNIQUEIDENTIFIER"),
    "ratio": ("double precision", "FLOAT"),
    "flag": ("boolean", "BIT"), "name": ("text", "NVARCHAR"), "d": ("date", "DATE"), "at": ("timestamp without time zone", "DATETIME2"),
    "seen": ("timestamp with time zone", "DATETIMEOFFSET"),
}  # fmt: skip
COLUMNS = tuple(Column(name, of) for name, (of, _) in TYPES.items())
CATALOG = MemoryCatalog.of(
    [SOURCE],
    [VirtualTable("public", name, "src", f"dbo.{remote}", COLUMNS) for name, remote in (("t", "Orders"), ("u", "Customers"))],
)


class ToldMetadata:
    """Stands in for what Microsoft's driver tells."""

    def facts(self) -> Facts:
        found = next(one for one in known() if one.name == "sqlserver")
        return Facts("libmsodbcsql-18.6.so.2.1", "Microsoft SQL Server", "16.00.4185", '"', True, found)

    def columns(self, location: str) -> tuple[RemoteColumn, ...]:
        sizes = {"DECIMAL": (12, 2), "MONEY": (19, 4)}
        return tuple(RemoteColumn(name, remote, 0, *sizes.get(remote, (0, 0)), True) for name, (_, remote) in TYPES.items())


def golden() -> list[tuple[str, str]]:
    lines = [line for line in GOLDEN.read_text().splitlines() if line and not line.startswith("--")]
    assert [line.startswith("=> ") for line in lines] == [False, True] * (len(lines) // 2)
    return [(sql, made.removeprefix("=> ")) for sql, made in zip(lines[::2], lines[1::2], strict=True)]


@pytest.fixture(scope="module")
def connector() -> SqlserverConnector:
    made = SqlserverConnector(SOURCE)
    made._metadata = ToldMetadata()  # type: ignore[assignment]
    return made


@pytest.mark.parametrize(("sql", "expected"), golden(), ids=[sql for sql, _ in golden()])
def test_statement(connector: SqlserverConnector, sql: str, expected: str) -> None:
    bound = bind(parse(sql), CATALOG)
    query = rewrite(bound.query)
    tables = {node.alias_or_name: CATALOG.table(None, node.name) for node in query.find_all(exp.Table)}
    answer = connector.push(FragmentRequest(query, tables, SOURCE))
    made = answer.fragment.text if isinstance(answer, Accepted) else f"here: {answer.kept[0].code}"
    assert made == expected
