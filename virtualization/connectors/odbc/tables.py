"""The columns of a request's tables as operands: in the form in which they compare, where their remote types allow it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.odbc.capabilities import family
from virtualization.connectors.odbc.constants import text_constant
from virtualization.connectors.odbc.faults import REFRESH
from virtualization.connectors.odbc.metadata import Facts, Metadata, RemoteColumn, fits
from virtualization.connectors.odbc.names import quoted, remote_table
from virtualization.connectors.odbc.rows import Output, output
from virtualization.connectors.odbc.values import Digits, Operand, digits_of
from virtualization.errors import DefinitionError, RemoteObjectError, UnknownColumnError
from virtualization.types import PgType, pg_type

_OPTIONS = ("pushdown",)


class Tables:
    """Of one statement; by alias."""

    def __init__(self, tables: Mapping[str, VirtualTable], metadata: Metadata, source: str) -> None:
        self.facts: Facts = metadata.facts()
        self.known = self.facts.capabilities
        self._tables = tables
        self._metadata = metadata
        self._source = source
        for table in tables.values():
            for name in table.options:
                if name not in _OPTIONS:
                    raise DefinitionError(
                        f'virtual table "{table.schema}.{table.name}": unknown option "{name}"',
                        hint=f"Known options: {', '.join(_OPTIONS)}.",
                    )

    def from_item(self, alias: str) -> str:
        """For FROM."""
        return f"{remote_table(self._tables[alias].location, self.facts.quote)} {self._alias(alias)}"

    def resolve(self, node: exp.Expr) -> Operand | None:
        """A column as an operand; a column without alias is of the only table."""
        if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
            return None
        alias = node.table or (next(iter(self._tables)) if len(self._tables) == 1 else "")
        return self.operand(alias, node.name) if alias in self._tables else None

    def operand(self, alias: str, name: str) -> Operand:
        """UnknownColumnError, or RemoteObjectError where it is gone."""
        column, remote = self._column(alias, name)
        of = pg_type(column.type)
        kind = family(of)
        form, value, plain = self.known.form(kind), self._value(alias, column), self._plain(alias, column)
        exact = form.exact.format(v=value, c=plain)
        return Operand(value, exact, of, kind, form, plain, self._why_not(column, remote), self._digits(of, remote))

    def output(self, alias: str, name: str, shown: str) -> Output:
        """The column in the select list, under the name ``shown``."""
        column, _ = self._column(alias, name)
        return output(shown, pg_type(column.type), self._value(alias, column), self._plain(alias, column), self.known)

    def _digits(self, of: PgType, remote: RemoteColumn) -> Digits | None:
        """None where it is not calculated with: the remote type has rules of its own, or the values may have other digits."""
        digits = digits_of(of)
        if digits is None or remote.type not in self.known.form(family(of)).calculated:
            return None
        return digits if digits.largest is not None or (remote.size, remote.digits) == of.precision_and_scale else None

    def _why_not(self, column: Column, remote: RemoteColumn) -> str | None:
        if fits(remote, column.type, self.known):
            return None
        return f"it is {remote.type} there and {column.type} here: whether both compare alike is not known"

    def _column(self, alias: str, name: str) -> tuple[Column, RemoteColumn]:
        table = self._tables[alias]
        column = next((one for one in table.columns if one.name == name), None)
        if column is None:
            raise UnknownColumnError(f'column "{name}" of virtual table "{table.schema}.{table.name}" does not exist')
        remote = next((one for one in self._metadata.columns(table.location) if one.name == column.remote_name), None)
        if remote is None:
            where = f'data source "{self._source}", table {table.location}'
            raise RemoteObjectError(f'{where} has no column "{column.remote_name}"', hint=REFRESH)
        return column, remote

    def _value(self, alias: str, column: Column) -> str:
        of = pg_type(column.type)
        shape = of.precision_and_scale or (0, 0)
        template = self.known.form(family(of)).value
        return template.format(c=self._plain(alias, column), name=text_constant(f"column {column.name}", self.known), s=shape[1])

    def _plain(self, alias: str, column: Column) -> str:
        return f"{self._alias(alias)}.{quoted(column.remote_name, self.facts.quote)}"

    def _alias(self, alias: str) -> str:
        return quoted(f"t{list(self._tables).index(alias)}", self.facts.quote)
