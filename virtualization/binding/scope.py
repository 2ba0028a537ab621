"""Which names a query block can see, by PostgreSQL's rules: the sources of its FROM, merged USING columns, the blocks around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from virtualization.binding.datatypes import data_type
from virtualization.catalog import VirtualTable
from virtualization.errors import AmbiguousColumnError, SqlError, UnknownColumnError, UnknownTableError

# Words that PostgreSQL reads as function calls where sqlglot sees a column.
_KEYWORD_CALLS = frozenset({"user", "current_role", "current_catalog", "current_schema", "current_user", "session_user", "system_user"})


@dataclass(frozen=True)
class BoundColumn:
    """A column as its source shows it: the name seen, the name it has inside (alias lists rename), its PostgreSQL type if known."""

    name: str
    inner: str
    type: str | None = None

    def reference(self, alias: str) -> exp.Column:
        """A qualified, typed reference."""
        column = exp.Column(this=exp.to_identifier(self.inner, quoted=True), table=exp.to_identifier(alias, quoted=True))
        if self.type is not None:
            column.type = data_type(self.type)
        return column


@dataclass(frozen=True)
class Source:
    """One item of FROM. ``name``: as written; ``alias``: unique in the statement. ``open``: a function whose columns nobody knows."""

    name: str
    alias: str
    columns: tuple[BoundColumn, ...]
    table: VirtualTable | None = None
    open: bool = False

    def find(self, name: str) -> list[BoundColumn]:
        """Columns of that name (a derived table may have several)."""
        return [column for column in self.columns if column.name == name]


@dataclass(frozen=True)
class Visible:
    """A column that may be named without its table; ``make`` gives a fresh reference."""

    name: str
    make: Callable[[], exp.Expr]
    type: str | None = None


def visible_of(source: Source) -> list[Visible]:
    """The unqualified columns of one source."""
    return [Visible(c.name, lambda c=c: c.reference(source.alias), c.type) for c in source.columns]  # type: ignore[misc]


@dataclass
class Scope:
    """One level of names; ``parent``: the block around a sub-query (correlation), or the left side of a LATERAL item."""

    parent: Scope | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    visible: list[Visible] = field(default_factory=list)

    def add(self, source: Source) -> None:
        """A further item of FROM; SqlError when its name is taken."""
        if source.name in self.sources:
            raise SqlError(f'table name "{source.name}" specified more than once', hint="Give one of them an alias.")
        self.sources[source.name] = source

    def source(self, name: str, schema: str | None = None) -> Source | None:
        """The nearest source of that name, here or further out."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.sources.get(name)
            if found is not None and (schema is None or (found.table is not None and found.table.schema == schema)):
                return found
            scope = scope.parent
        return None

    def resolve(self, column: exp.Column) -> exp.Expr:
        """The bound form of a reference: a qualified column, a merged USING column, or a whole row (``alias.*``)."""
        return self._qualified(column) if column.table else self._unqualified(column)

    def _qualified(self, column: exp.Column) -> exp.Expr:
        source = self.source(column.table, column.db or None)
        if source is None:
            raise UnknownTableError(f'missing FROM-clause entry for table "{column.table}"')
        if isinstance(column.this, exp.Star):
            return whole_row(source)
        found = source.find(column.name)
        if len(found) == 1:
            return found[0].reference(source.alias)
        if found:
            raise AmbiguousColumnError(f'column reference "{column.table}.{column.name}" is ambiguous')
        if source.open:
            return BoundColumn(column.name, column.name).reference(source.alias)
        raise _unknown(f"{column.table}.{column.name}", [source])

    def _unqualified(self, column: exp.Column) -> exp.Expr:
        name = column.name
        scope: Scope | None = self
        while scope is not None:
            found = [visible for visible in scope.visible if visible.name == name]
            if len(found) > 1:
                holders = ", ".join(sorted(source.name for source in scope.sources.values() if source.find(name)))
                raise AmbiguousColumnError(f'column reference "{name}" is ambiguous', detail=f"It is a column of: {holders}.")
            if found:
                return found[0].make()
            opened = [source for source in scope.sources.values() if source.open]
            if len(opened) == 1 and name not in scope.sources:
                return BoundColumn(name, name).reference(opened[0].alias)
            scope = scope.parent
        source = self.source(name)
        if source is not None:
            return whole_row(source)
        if name in _KEYWORD_CALLS and not column.this.args.get("quoted"):
            return exp.Anonymous(this=name.upper(), expressions=[]) if name == "current_schema" else exp.Var(this=name.upper())
        raise _unknown(name, list(self.sources.values()))


def whole_row(source: Source) -> exp.Column:
    """The row itself, written so that it can't be taken for a column of the same name."""
    return exp.Column(this=exp.Star(), table=exp.to_identifier(source.alias, quoted=True))


def _unknown(shown: str, sources: list[Source]) -> UnknownColumnError:
    known = "; ".join(f"{source.name}: {', '.join(column.name for column in source.columns[:40])}" for source in sources[:10])
    return UnknownColumnError(f'column "{shown}" does not exist', hint=f"Columns in sight: {known}." if known else None)
