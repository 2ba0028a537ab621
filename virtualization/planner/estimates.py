"""About how many rows a query gives, from the row counts of its tables and what is known of their columns.

Where nothing is known, shares are PostgreSQL's own guesses. The estimate only decides what is tried first: whoever reads by it has a limit
and a way back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from virtualization.catalog import ColumnFacts, VirtualTable
from virtualization.planner.properties import conjuncts, is_base_table, used_aliases
from virtualization.planner.ranges import LEAST, upper_end, within

UNKNOWN_ROWS = 100_000.0
"""Of a table of which nobody knows."""

_EQUAL = 0.005
_BETWEEN = 0.1
_OTHER = 1 / 3
_GROUPED = 0.1
_SHARES: Mapping[type[exp.Expr], float] = {exp.EQ: _EQUAL, exp.NEQ: 1.0, exp.Between: _BETWEEN, exp.Like: 0.1, exp.Is: 0.1}


@dataclass(frozen=True)
class Values:
    """Of one column: what is known, and in how many rows."""

    facts: ColumnFacts
    rows: float

    @property
    def distinct(self) -> float:
        """How many values differ."""
        known = self.facts.distinct
        return max(1.0, known if known >= 0 else -known * self.rows)

    def among(self, rows: float) -> float:
        """How many of them so many rows have, drawn from the table at random: PostgreSQL's own formula (Yao's, simplified)."""
        left_out = max(0.0, 1 - rows / self.rows)
        drawn: float = 1 - left_out ** (self.rows / self.distinct)
        return max(1.0, self.distinct * drawn)


Known = Callable[[exp.Column], Values | None]
"""None: of this column nothing is known."""


def nothing_known(column: exp.Column) -> None:
    """A ``Known``."""


def known_of(tables: Mapping[str, VirtualTable]) -> Known:
    """By alias."""

    def known(column: exp.Column) -> Values | None:
        table = tables.get(column.table)
        facts = table.facts.get(column.name) if table is not None else None
        return Values(facts, table_rows(table)) if facts is not None and table is not None else None

    return known


def table_rows(table: VirtualTable) -> float:
    """Of a whole table."""
    return UNKNOWN_ROWS if table.rows is None else max(1.0, table.rows)


def share(condition: exp.Expr, known: Known = nothing_known) -> float:
    """The share of rows that a condition about one table lets through."""
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        return share(condition.this, known) * share(condition.expression, known)
    if isinstance(condition, exp.Or):
        return min(1.0, share(condition.this, known) + share(condition.expression, known))
    if isinstance(condition, exp.Not):
        return 1.0 - share(condition.this, known)
    if isinstance(condition, exp.EQ) and isinstance(condition.this, exp.Column) and isinstance(condition.expression, exp.Column):
        return 1.0 if condition.this.table != condition.expression.table else _OTHER
    values = known(condition.this) if isinstance(condition.this, exp.Column) else None
    if isinstance(condition, exp.In) and condition.expressions:
        return min(0.5 if values is None else 1.0, _equal(values) * len(condition.expressions))
    return _known_share(condition, values) if values is not None else _SHARES.get(type(condition), _OTHER)


def shares(conditions: Iterable[exp.Expr], known: Known = nothing_known) -> float:
    """The share of rows that meet all of them. The two ends of a range belong together: most rows meet each of them alone."""
    ends: dict[tuple[str, bool], float] = {}
    others = 1.0
    for condition in conditions:
        side = upper_end(condition)
        if side is None or not isinstance(condition.this, exp.Column) or known(condition.this) is None:
            others *= share(condition, known)
        else:
            key = (condition.this.sql(), side)
            ends[key] = min(ends.get(key, 1.0), share(condition, known))
    for column in {column for column, _ in ends}:
        upper, lower = ends.get((column, True), 1.0), ends.get((column, False), 1.0)
        others *= max(LEAST, upper + lower - 1.0)
    return others


def _equal(values: Values | None) -> float:
    return _EQUAL if values is None else (1 - values.facts.nulls) / values.distinct


def _known_share(condition: exp.Expr, values: Values) -> float:
    """Of a condition whose left side is a column of which something is known."""
    present = 1 - values.facts.nulls
    if isinstance(condition, exp.EQ):
        return _equal(values)
    if isinstance(condition, exp.NEQ):
        return max(0.0, present - _equal(values))
    if isinstance(condition, exp.Is) and isinstance(condition.expression, exp.Null):
        return values.facts.nulls
    found = within(condition, values.facts)
    return _SHARES.get(type(condition), _OTHER) if found is None else found * present


def scanned_rows(table: VirtualTable, predicates: list[exp.Expr]) -> float:
    """Rows of one table that meet all ``predicates`` (over unqualified columns)."""
    return max(1.0, table_rows(table) * shares(predicates, known_of({"": table})))


def query_rows(query: exp.Expr, rows_of: Mapping[str, float], known: Known = nothing_known) -> float:
    """Rows of a query; ``rows_of``: of the items of FROM by alias (others count as one row)."""
    if isinstance(query, exp.SetOperation):
        return query_rows(query.this, rows_of, known) + query_rows(query.expression, rows_of, known)
    if isinstance(query, exp.Subquery):
        return query_rows(query.this, rows_of, known)
    if not isinstance(query, exp.Select):
        return 1.0
    return max(1.0, _limited(query, _grouped(query, joined_rows(query, rows_of, known), known)))


def joined_rows(query: exp.Select, rows_of: Mapping[str, float], known: Known = nothing_known) -> float:
    """Rows of FROM and WHERE."""
    sources = [query.args["from_"].this] if query.args.get("from_") else []
    sources += [join.this for join in query.args.get("joins") or []]
    sizes = {source.alias_or_name: _source_rows(source, rows_of, known) for source in sources}
    outer = any(join.side for join in query.args.get("joins") or [])
    where = query.args.get("where")
    conditions = [part for join in query.args.get("joins") or [] if not join.side for part in conjuncts(join.args.get("on"))]
    conditions += conjuncts(where.this if where is not None else None)
    if outer or not sizes:
        return max(sizes.values(), default=1.0) * shares(conditions, known)
    return _inner_rows(sizes, conditions, known)


def _inner_rows(sizes: Mapping[str, float], conditions: list[exp.Expr], known: Known) -> float:
    """Filters first, then equalities between two tables; of several between the same two only the most selective one counts, as they
    mostly are one key."""
    filters: dict[str, list[exp.Expr]] = {}
    ties: dict[frozenset[str], float] = {}
    others = 1.0
    for condition in conditions:
        names = frozenset(used_aliases(condition) & set(sizes))
        if len(names) == 1:
            filters.setdefault(next(iter(names)), []).append(condition)
        elif len(names) == 2 and _is_tie(condition):
            ties[names] = min(ties.get(names, 1.0), _tie(condition, sizes, known))
        else:
            others *= share(condition, known)
    rows = others
    for name, size in sizes.items():
        rows *= max(1.0, size * shares(filters.get(name, ()), known))
    return _tied(rows, ties)


def _tied(rows: float, ties: Mapping[frozenset[str], float]) -> float:
    """A third equality around a ring of tables says nothing new: it follows from the others."""
    joined: list[set[str]] = []
    for names, part in sorted(ties.items(), key=lambda item: item[1]):
        touched = [group for group in joined if group & names]
        if any(names <= group for group in touched):
            continue
        joined = [group for group in joined if group not in touched] + [set(names).union(*touched)]
        rows *= part
    return rows


def _is_tie(condition: exp.Expr) -> bool:
    return isinstance(condition, exp.EQ) and isinstance(condition.this, exp.Column) and isinstance(condition.expression, exp.Column)


def _tie(condition: exp.Expr, sizes: Mapping[str, float], known: Known) -> float:
    """Two columns that are equal: a value of the one that has more of them. Unknown: as many as the smaller table has rows, a key."""
    smaller = min(sizes.get(side.table, 1.0) for side in (condition.this, condition.expression))
    told = [values.distinct for side in (condition.this, condition.expression) if (values := known(side)) is not None]
    return 1 / max([*told, smaller if len(told) < 2 else 1.0])


def _source_rows(source: exp.Expr, rows_of: Mapping[str, float], known: Known) -> float:
    if isinstance(source, exp.Subquery):
        return query_rows(source.this, rows_of, known)
    return rows_of.get(source.alias_or_name, 1.0)


def group_count(keys: Iterable[exp.Expr], rows: float, known: Known) -> float | None:
    """Into how many groups ``rows`` fall; None where nothing is known of a key."""
    groups = 1.0
    for key in keys:
        values = known(key) if isinstance(key, exp.Column) else None
        if values is None:
            return None
        groups *= values.among(rows) + (values.facts.nulls > 0)
    return min(groups, rows)


def _grouped(query: exp.Select, rows: float, known: Known) -> float:
    group = query.args.get("group")
    if group is not None:
        keys = [_output(query, key) for key in group.expressions]
        found = group_count(keys, rows, known)
        return (rows * _GROUPED if found is None else found) * (_OTHER if query.args.get("having") is not None else 1.0)
    if any(item.find(exp.AggFunc) and not item.find(exp.Window) for item in query.selects):
        return 1.0
    return rows


def _output(query: exp.Select, key: exp.Expr) -> exp.Expr:
    """What an ordinal stands for."""
    place = int(key.name) if isinstance(key, exp.Literal) and key.name.isdigit() else 0
    return query.selects[place - 1].unalias() if 0 < place <= len(query.selects) else key


def _limited(query: exp.Select, rows: float) -> float:
    limit = query.args.get("limit")
    if limit is not None and isinstance(limit.expression, exp.Literal) and limit.expression.name.isdigit():
        rows = min(rows, float(limit.expression.name))
    return rows


def rows_by_alias(query: exp.Expr, tables: Mapping[str, VirtualTable]) -> dict[str, float]:
    """For ``query_rows``, of a query over virtual tables."""
    return {table.alias: table_rows(tables[table.alias]) for table in query.find_all(exp.Table) if is_base_table(table)}
