"""About how many rows a query gives, from the row counts of its tables alone.

Shares are PostgreSQL's own guesses for columns of which it knows nothing. The estimate only decides what is tried first: whoever reads
by it has a limit and a way back.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.planner.properties import conjuncts, is_base_table

UNKNOWN_ROWS = 100_000.0
"""Of a table of which nobody knows."""

_EQUAL = 0.005
_BETWEEN = 0.1
_OTHER = 1 / 3
_GROUPED = 0.1
_SHARES: Mapping[type[exp.Expr], float] = {exp.EQ: _EQUAL, exp.NEQ: 1.0, exp.Between: _BETWEEN, exp.Like: 0.1, exp.Is: 0.1}


def table_rows(table: VirtualTable) -> float:
    """Of a whole table."""
    return UNKNOWN_ROWS if table.rows is None else max(1.0, table.rows)


def share(condition: exp.Expr) -> float:
    """The share of rows that a condition about one table lets through."""
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        return share(condition.this) * share(condition.expression)
    if isinstance(condition, exp.Or):
        return min(1.0, share(condition.this) + share(condition.expression))
    if isinstance(condition, exp.Not):
        return 1.0 - share(condition.this)
    if isinstance(condition, exp.In) and condition.expressions:
        return min(0.5, _EQUAL * len(condition.expressions))
    if isinstance(condition, exp.EQ) and isinstance(condition.this, exp.Column) and isinstance(condition.expression, exp.Column):
        return 1.0 if condition.this.table != condition.expression.table else _OTHER
    return _SHARES.get(type(condition), _OTHER)


def scanned_rows(table: VirtualTable, predicates: list[exp.Expr]) -> float:
    """Rows of one table that meet all ``predicates``."""
    rows = table_rows(table)
    for predicate in predicates:
        rows *= share(predicate)
    return max(1.0, rows)


def query_rows(query: exp.Expr, rows_of: Mapping[str, float]) -> float:
    """Rows of a query; ``rows_of``: of the items of FROM by alias (others count as one row). Joins are taken for joins on keys: the biggest
    table, thinned out by every condition."""
    if isinstance(query, exp.SetOperation):
        return query_rows(query.this, rows_of) + query_rows(query.expression, rows_of)
    if isinstance(query, exp.Subquery):
        return query_rows(query.this, rows_of)
    if not isinstance(query, exp.Select):
        return 1.0
    sources = [query.args["from_"].this] if query.args.get("from_") else []
    sources += [join.this for join in query.args.get("joins") or []]
    rows = max((_source_rows(source, rows_of) for source in sources), default=1.0)
    joins = [part for join in query.args.get("joins") or [] if not join.side for part in conjuncts(join.args.get("on"))]
    where = query.args.get("where")
    for condition in [*joins, *conjuncts(where.this if where is not None else None)]:
        rows *= share(condition)
    return max(1.0, _grouped(query, rows))


def _source_rows(source: exp.Expr, rows_of: Mapping[str, float]) -> float:
    if isinstance(source, exp.Subquery):
        return query_rows(source.this, rows_of)
    return rows_of.get(source.alias_or_name, 1.0)


def _grouped(query: exp.Select, rows: float) -> float:
    if query.args.get("group") is not None:
        rows *= _GROUPED * (_OTHER if query.args.get("having") is not None else 1.0)
    elif any(item.find(exp.AggFunc) and not item.find(exp.Window) for item in query.selects):
        return 1.0
    limit = query.args.get("limit")
    if limit is not None and isinstance(limit.expression, exp.Literal) and limit.expression.name.isdigit():
        rows = min(rows, float(limit.expression.name))
    return rows


def rows_by_alias(query: exp.Expr, tables: Mapping[str, VirtualTable]) -> dict[str, float]:
    """For ``query_rows``, of a query over virtual tables."""
    return {table.alias: table_rows(tables[table.alias]) for table in query.find_all(exp.Table) if is_base_table(table)}
